"""What there is to install: three daemons, and which files each has on a machine.

A file for which a package has its place below /usr/lib is written to /etc only where no package brings the same.
"""

import re
from importlib.resources import files
from pathlib import Path

import attrs

from osapi.errors import ConfigError

WRITTEN = "# Written by `osapi"
"""How every file begins that is written here, and that therefore may be written anew and removed."""

UNITS, WANTS = "/etc/systemd/system", "/etc/systemd/system/multi-user.target.wants"
SUDOERS = "/etc/sudoers.d/osapi"
CONFIGURATION = "/etc/osapi/osapi.yaml"

USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
"""As useradd(8) recommends."""
PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._+-]*")
"""A path that needs no quotes in a unit (systemd.service(5))."""
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user")))
"""What ProtectHome= hides (systemd.exec(5))."""


@attrs.frozen
class File:
    """A file as it is to be; `packaged` where a package may bring it, `secret` where its text is not shown."""

    path: str
    text: str
    mode: int = 0o644
    packaged: bool = True
    secret: bool = False

    @property
    def vendor(self) -> str:
        """Its place in a package."""
        return self.path.replace("/etc/", "/usr/lib/", 1)


@attrs.frozen
class Daemon:
    """A daemon: the words that start it, the name of its unit, and its directory below /var/lib.

    A `fenced` one runs as the user osapi, which its unit shuts off from almost all of the machine.
    """

    words: str
    name: str
    state: str
    fenced: bool

    @property
    def unit(self) -> str:
        return f"{self.name}.service"

    @property
    def unit_path(self) -> str:
        return f"{UNITS}/{self.unit}"

    @property
    def link(self) -> str:
        """What makes it start at boot: systemctl(1), `enable`."""
        return f"{WANTS}/{self.unit}"

    @property
    def drop_in(self) -> str:
        """What makes an agent run as a user of its own."""
        return f"{self.unit_path}.d/user.conf"

    @property
    def accounts(self) -> str:
        """What makes its user: sysusers.d(5)."""
        return f"/etc/sysusers.d/{self.name}.conf"

    @property
    def folders(self) -> str:
        """What makes its folders: tmpfiles.d(5)."""
        return f"/etc/tmpfiles.d/{self.name}.conf"

    @property
    def paths(self) -> list[str]:
        """Every file that an installation may have written, but for configuration and state."""
        own_user = [] if self.fenced else [self.drop_in, SUDOERS]
        return [self.unit_path, self.accounts, self.folders, *own_user]

    def files(self, prefix: str, user: str = "root", sudoers: str = "") -> list[File]:
        """What it has on a machine where `prefix`/bin/osapi is the program; its unit is the first.

        `user` and `sudoers` are of an agent; of the two others all is fixed.
        """
        found = [
            File(self.unit_path, self._text(self.unit, prefix=prefix)),
            File(self.folders, self._text(f"{self.name}.tmpfiles")),
        ]
        if self.fenced:
            found.append(File(self.accounts, self._text("user.sysusers", words=self.words, user="osapi")))
        elif user != "root":
            account = self._text("user.sysusers", words=self.words, user=user)
            found += [
                File(self.accounts, account, packaged=False),
                File(self.drop_in, self._text("user.conf", user=user), packaged=False),
                File(SUDOERS, sudoers, mode=0o440, packaged=False),
            ]
        return found

    def _text(self, name: str, **values: str) -> str:
        text = files(__name__.rpartition(".")[0]).joinpath("data", name).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        return text


AGENT = Daemon("agent", "osapi-agent", "/var/lib/osapi-agent", fenced=False)
CONTROLLER = Daemon("controller", "osapi-controller", "/var/lib/osapi", fenced=True)
BROKER = Daemon("nats server", "osapi-nats", "/var/lib/osapi", fenced=True)
DAEMONS = (BROKER, CONTROLLER, AGENT)


def check_user(user: str) -> str:
    """The name of a user, if it is one."""
    if not USER_NAME.fullmatch(user):
        raise ConfigError(f"--user {user!r}: no name of a user; allowed: {USER_NAME.pattern}, such as osapi")
    return user


def check_prefix(prefix: str, *, hidden: bool) -> str:
    """The folder of the program, if a unit can start it; `hidden` where that unit cannot see homes."""
    if not PLAIN_PATH.fullmatch(prefix):
        raise ConfigError(f"--prefix {prefix!r}: allowed: an absolute path of letters, digits and /._+-")
    for place in (Path(prefix), (Path(prefix) / "bin/python").resolve()):
        if hidden and any(map(place.is_relative_to, HIDDEN)):
            raise ConfigError(
                f"--prefix {prefix}: {place} is out of reach for a daemon that is not root; "
                "install OSAPI elsewhere, such as in /opt/osapi, with the Python of the system"
            )
    return prefix
