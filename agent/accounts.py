"""Accounts and groups as the host keeps them: passwd(5), shadow(5), group(5) and login.defs(5).

Those that come from elsewhere (LDAP, for one) are not the host's to change, and are not among them.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property

import attrs

from agent.host import Host
from osapi.errors import NotFound, Refused

PASSWD, GROUP, SHADOW, DEFAULTS = "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/login.defs"

NOBODY = {65534, 65535}
"""Numbers of the user and the group for what has no owner here; they are no person's."""
SUDO = "sudo"
"""The group whose members may do anything, on Debian."""
NO_LOGIN = {"/usr/sbin/nologin", "/sbin/nologin", "/usr/bin/false", "/bin/false"}
"""Shells that open nothing."""


@attrs.frozen
class Account:
    name: str
    uid: int
    gid: int
    home: str
    shell: str


@attrs.frozen
class Group:
    name: str
    gid: int
    members: tuple[str, ...]


@attrs.frozen(slots=False)
class Accounts:
    """All of them at one moment, by name.

    `passwords` are the second fields of shadow(5), None where the agent may not read that; `first_uid` and `first_gid`
    are the lowest numbers of people and of their groups.
    """

    users: Mapping[str, Account]
    groups: Mapping[str, Group]
    passwords: Mapping[str, str] | None = None
    first_uid: int = 1000
    first_gid: int = 1000

    def user(self, name: str) -> Account:
        if name not in self.users:
            raise NotFound(f"there is no user {name} in {PASSWD}")
        return self.users[name]

    def group(self, name: str) -> Group:
        if name not in self.groups:
            raise NotFound(f"there is no group {name} in {GROUP}")
        return self.groups[name]

    @cached_property
    def memberships(self) -> Mapping[str, list[str]]:
        """The groups that each user is in, beside its own."""
        found: dict[str, list[str]] = {}
        for group in self.groups.values():
            for member in group.members:
                found.setdefault(member, []).append(group.name)
        return found

    @cached_property
    def names(self) -> Mapping[int, str]:
        """The names of groups by their numbers; of two with one number, the first."""
        return {group.gid: group.name for group in reversed([*self.groups.values()])}

    def beside_own(self, account: Account) -> list[str]:
        """The groups it is in, without its own."""
        names = self.memberships.get(account.name, [])
        return [name for name in names if self.groups[name].gid != account.gid]

    def own_group(self, account: Account) -> str | None:
        """The name of its own group; None where there is none of that number."""
        return self.names.get(account.gid)

    def locked(self, name: str) -> bool | None:
        """Whether no password opens it, as `passwd --status` tells; None where the agent may not know."""
        if self.passwords is None:
            return None
        return self.passwords.get(name, "!").startswith(("!", "*"))

    def is_system(self, account: Account) -> bool:
        return account.uid < self.first_uid or account.uid in NOBODY

    def guard(self, account: Account, *, force: bool) -> None:
        """`Refused` for an account of the system, unless that is forced."""
        if self.is_system(account) and not force:
            raise Refused(
                f"user {account.name} (uid {account.uid}) is of the system, not of a person; say force if you mean it"
            )

    def keep_sudo(self, lost: set[str], gained: Iterable[str] = ()) -> None:
        """`Refused` where nobody could use sudo any more, if these lost it and those gained it.

        As sudo asks for the password, those count who have one; where nobody has, all that are in the group.
        """
        sudo = self.groups.get(SUDO)
        if sudo is None:
            return
        own = {account.name for account in self.users.values() if account.gid == sudo.gid}
        members = own | {name for name in sudo.members if name in self.users}
        able = set(filter(self._opens, members)) or members
        if able and able <= lost and not any(map(self._opens, gained)):
            raise Refused(
                f"nobody could use sudo any more: only {', '.join(sorted(able))} can; "
                f"put another account that has a password into the group {SUDO} first"
            )

    def _opens(self, name: str) -> bool:
        """Whether a password opens the account to a shell."""
        account = self.users.get(name)
        return account is not None and not self.locked(name) and account.shell not in NO_LOGIN


async def read(host: Host) -> Accounts:
    """All accounts and groups, in one pass over the files."""
    defaults = parse_defaults(await _text(host, DEFAULTS))
    return Accounts(
        users=parse_users(await _text(host, PASSWD)),
        groups=parse_groups(await _text(host, GROUP)),
        passwords=await _passwords(host),
        first_uid=defaults.get("UID_MIN", 1000),
        first_gid=defaults.get("GID_MIN", 1000),
    )


async def owns_home(host: Host, known: Accounts, account: Account) -> bool:
    """Whether its home folder is there, is its own, and has that of nobody else in it."""
    shared = any(
        other is not account and f"{other.home}/".startswith(f"{account.home.rstrip('/')}/")
        for other in known.users.values()
    )
    if shared or not account.home.startswith("/"):
        return False
    found = await host.stat(account.home, follow=False)
    return found is not None and (found.kind, found.uid) == ("folder", account.uid)


async def check_shell(host: Host, name: str) -> None:
    """`NotFound` where no program of that name could open a session."""
    found = await host.stat(name)
    if found is None or found.kind != "file" or not found.mode & 0o111:
        raise NotFound(f"there is no program {name} on the host; a login shell must be one")


async def _passwords(host: Host) -> Mapping[str, str] | None:
    try:
        text = await _text(host, SHADOW)
    except Refused:  # an agent that is not root may be kept from it
        return None
    return dict(_fields(text, 2))


async def _text(host: Host, name: str) -> str:
    return (await host.read_bytes(name) or b"").decode(errors="replace")


def parse_users(text: str) -> dict[str, Account]:
    """Of two lines for one name, the first counts, as it does in getpwnam(3)."""
    found: dict[str, Account] = {}
    for name, _, uid, gid, _, home, shell in _fields(text, 7):
        if uid.isdecimal() and gid.isdecimal():
            found.setdefault(name, Account(name, int(uid), int(gid), home, shell))
    return found


def parse_groups(text: str) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for name, _, gid, members in _fields(text, 4):
        if gid.isdecimal():
            found.setdefault(name, Group(name, int(gid), tuple(filter(None, members.split(",")))))
    return found


def parse_defaults(text: str) -> dict[str, int]:
    """The numbers among the settings."""
    return {name: int(value) for name, value in re.findall(r"^\s*([A-Z_]+)\s+(\d+)\s*$", text, re.MULTILINE)}


def _fields(text: str, count: int) -> list[list[str]]:
    """So many fields of each line; those of NIS, which begin with + or -, and damaged ones are passed over."""
    lines = (line.split(":") for line in text.split("\n") if not line.startswith(("+", "-", "#")))
    return [fields[:count] for fields in lines if len(fields) >= count]
