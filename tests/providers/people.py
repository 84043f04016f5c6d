"""Accounts as useradd and chpasswd of Debian 12 and 13 have made them, and how other programs there see them.

alice's password is `correct horse`; bob's, which is locked, `battery staple`; carol and backup-agent have none.
"""

import os

import attrs

ALICE = 1000 if os.geteuid() == 0 else os.geteuid()
ALICE_GROUP = 1000 if os.geteuid() == 0 else os.getegid()
"""Numbers that this test may give folders."""

LOGIN_DEFS = """\
# Min/max values for automatic uid selection in useradd(8)
#
UID_MIN			 1000
UID_MAX			60000
# System accounts
#SYS_UID_MIN		  100
GID_MIN			 1000
USERGROUPS_ENAB yes
"""

SYSTEM_USERS = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
PEOPLE = f"""\
alice:x:{ALICE}:{ALICE_GROUP}::/home/alice:/bin/bash
bob:x:1001:1001::/home/bob:/bin/sh
carol:x:1002:100::/home/carol:/bin/sh
"""
SYSTEM_GROUPS = """\
root:x:0:
daemon:x:1:
sudo:x:27:alice
users:x:100:
nogroup:x:65534:
"""
GROUPS = f"""\
developers:x:2000:alice,bob
alice:x:{ALICE_GROUP}:
bob:x:1001:
"""
SYSTEM_PASSWORDS = """\
root:*:20779:0:99999:7:::
daemon:*:20779:0:99999:7:::
sync:*:20779:0:99999:7:::
_apt:*:20779:0:99999:7:::
nobody:*:20779:0:99999:7:::
"""


@attrs.frozen
class Release:
    """Files of /etc, and what `passwd --status --all` and `id -Gn` say of them."""

    passwd: str
    group: str
    shadow: str
    status: str
    groups: dict[str, str]

    @property
    def files(self):
        return {
            "/etc/passwd": self.passwd,
            "/etc/group": self.group,
            "/etc/shadow": self.shadow,
            "/etc/login.defs": LOGIN_DEFS,
        }


STATUS = """\
root L 2026-11-22 0 99999 7 -1
daemon L 2026-11-22 0 99999 7 -1
sync L 2026-11-22 0 99999 7 -1
_apt L 2026-11-22 0 99999 7 -1
nobody L 2026-11-22 0 99999 7 -1
sshd L 2026-11-22 -1 -1 -1 -1
alice P 2026-11-22 0 99999 7 -1
bob L 2026-11-22 0 99999 7 -1
carol L 2026-11-22 0 99999 7 -1
backup-agent L 2026-11-22 -1 -1 -1 -1
"""
IN_GROUPS = {
    "root": "root",
    "daemon": "daemon",
    "sync": "nogroup",
    "_apt": "nogroup",
    "nobody": "nogroup",
    "sshd": "nogroup",
    "alice": "alice sudo developers",
    "bob": "bob developers",
    "carol": "users",
    "backup-agent": "backup-agent",
}

RELEASES = {
    "Debian 12": Release(
        passwd=f"""\
{SYSTEM_USERS}\
sshd:x:102:65534::/run/sshd:/usr/sbin/nologin
{PEOPLE}\
backup-agent:x:999:996::/var/lib/backup-agent:/bin/sh
""",
        group=f"{SYSTEM_GROUPS}{GROUPS}backup-agent:x:996:\n",
        shadow=f"""\
{SYSTEM_PASSWORDS}\
sshd:!:20779::::::
alice:$y$j9T$03JynVRbyinxXyi9eWD1p0$.K//qUBMYn82cG1Q3T4yx/BgKHVZBAjgaFzB5h/acK3:20779:0:99999:7:::
bob:!$y$j9T$lT55EdboAK2VN6Kt4d1sT/$oFyzlvo6wO0ZPUgzBJ9E4TKg399WrIWzqfswMMJPgn2:20779:0:99999:7:::
carol:!:20779:0:99999:7:::
backup-agent:!:20779::::::
""",
        status=STATUS,
        groups=IN_GROUPS,
    ),
    "Debian 13": Release(
        passwd=f"""\
{SYSTEM_USERS}\
sshd:x:989:65534:sshd user:/run/sshd:/usr/sbin/nologin
{PEOPLE}\
backup-agent:x:988:988::/var/lib/backup-agent:/bin/sh
""",
        group=f"{SYSTEM_GROUPS}{GROUPS}backup-agent:x:988:\n",
        shadow=f"""\
{SYSTEM_PASSWORDS}\
sshd:!*:20779::::::
alice:$y$j9T$qLLNU99aoyFBaYm3swFsg1$y9YGqXWmfUgefl7pOAnBb5tY59hdfXnkxPG7nzZ4ffD:20779:0:99999:7:::
bob:!$y$j9T$JDQgt2zCeHuSyehT6OaBh.$PVrlXRNkOxDM2.iznIh5J7dWJ1FVWb3gJf6JsT/DZo7:20779:0:99999:7:::
carol:!:20779:0:99999:7:::
backup-agent:!:20779::::::
""",
        status=STATUS,
        groups=IN_GROUPS,
    ),
}
DEBIAN_12 = RELEASES["Debian 12"]


def give(path, uid=ALICE, gid=ALICE_GROUP):
    """Let a file or folder belong to a user, alice unless told otherwise."""
    os.chown(path, uid, gid, follow_symlinks=False)
    return path


def at(host, name):
    return host.root / name.lstrip("/")


def populated(host):
    """Give a host alice, who may use sudo, bob, carol, and an account of the system; alice's home is hers."""
    host.has(DEBIAN_12.files)
    for name in ("/bin/bash", "/bin/sh", "/usr/bin/zsh", "/usr/sbin/nologin"):
        host.has({name: ""})
        at(host, name).chmod(0o755)
    at(host, "/home/alice").mkdir(parents=True)
    give(at(host, "/home/alice"))
    return host


def shadow(host, name, password):
    """Give an account another second field in /etc/shadow."""
    lines = [line.split(":") for line in DEBIAN_12.shadow.splitlines()]
    text = "\n".join(":".join([n, password if n == name else old, *rest]) for n, old, *rest in lines)
    host.has({"/etc/shadow": f"{text}\n"})


def in_sudo(host, *names):
    host.has({"/etc/group": DEBIAN_12.group.replace("sudo:x:27:alice", f"sudo:x:27:{','.join(names)}")})
