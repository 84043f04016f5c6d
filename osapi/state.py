"""What a controller, broker and agent keep on their machine, in one directory that only their user can read.

| file | what |
|---|---|
| `signing.key` | signs tokens, where the configuration names no key; 32 random bytes in hex |
| `audit.key` | seals the audit log, where the configuration names no key; 32 random bytes in hex |
| `audit.head` | how far the audit log went when it was last looked at: NUMBER:DIGEST |
| `secrets.key` | opens what was sealed for the agent here; 32 random bytes in hex |
| `admin.token` | a token of the role admin, for the command line of the same user |
| `broker.password` | what the embedded broker asks for, so that no other user commands the agent |
| `url` | where the controller listens, while it runs |
| `<name>.lock` | held while a daemon of that name runs, with its pid |
| `nats/` | the embedded broker's store |
| `agent/` | the agent's journal |
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISDIR

import attrs

from osapi.errors import ConfigError

SYSTEM = Path("/var/lib/osapi")
VARIABLE = "OSAPI_STATE_DIR"

KEY, TOKEN, PASSWORD, URL = "signing.key", "admin.token", "broker.password", "url"
SECRETS = "secrets.key"
AUDIT_KEY, AUDIT_HEAD = "audit.key", "audit.head"

SHORTEST = 16
"""Characters of a secret in a file of ours; fewer, and the file is damaged."""

RENEW = timedelta(days=30)
"""How long an admin token must still be good for, or it is renewed."""

_ELSEWHERE = f"set {VARIABLE}"


def locate(configured: str, environ: Mapping[str, str]) -> Path:
    """The state directory: `OSAPI_STATE_DIR`, or as configured; else root's, or the user's own (XDG)."""
    if named := environ.get(VARIABLE) or configured:
        return Path(named).expanduser().absolute()
    if os.geteuid() == 0:
        return SYSTEM
    homes = environ.get("XDG_STATE_HOME", "")
    return (Path(homes) if homes.startswith("/") else Path.home() / ".local/state") / "osapi"


@attrs.frozen
class StateDirectory:
    """The state directory at `path`; `create` comes before anything that writes.

    Everything raises `ConfigError` that names the file, where it cannot be read or written.
    """

    path: Path

    def create(self) -> "StateDirectory":
        """Make it, for its user only; refuse one that somebody else could write to."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
        except OSError as error:
            raise _failed(self.path, "made", error) from None
        if not S_ISDIR(found.st_mode):
            raise ConfigError(f"state directory {self.path}: not a directory; {_ELSEWHERE}")
        if found.st_uid != os.geteuid():
            raise ConfigError(
                f"state directory {self.path}: belongs to user {found.st_uid}, and this runs as "
                f"{os.geteuid()}; change its owner, or {_ELSEWHERE}"
            )
        if found.st_mode & 0o022:
            raise ConfigError(
                f"state directory {self.path}: others can write to it (mode {found.st_mode & 0o777:04o}); "
                f"allowed: 0700, as after chmod 700 {self.path}"
            )
        return self

    @property
    def nats(self) -> Path:
        """The embedded broker's store."""
        return self.path / "nats"

    @property
    def agent(self) -> Path:
        """The agent's journal."""
        return self.path / "agent"

    def signing_key(self) -> str:
        """The key that tokens are signed with, made when it is first asked for."""
        return self._once(KEY)

    def secrets_key(self) -> str:
        """The key that secrets for the agent here are sealed to, made when it is first asked for."""
        return self._once(SECRETS)

    def audit_key(self) -> str:
        """The key that the audit log is sealed with, made when it is first asked for."""
        return self._once(AUDIT_KEY)

    def audit_head(self) -> str:
        """How far the audit log is known to have gone; "" where it was never seen."""
        return self._read(AUDIT_HEAD)

    def keep_audit_head(self, head: str) -> None:
        self._replace(AUDIT_HEAD, head)

    def known_signing_key(self) -> str:
        """The key that a controller here has made; "" where none has."""
        return self._read(KEY)

    def broker_password(self) -> str:
        """The password of the embedded broker, made when it is first asked for."""
        return self._once(PASSWORD)

    def known_broker_password(self) -> str:
        """The password that the embedded broker here asks for; "" where there was none yet."""
        return self._read(PASSWORD)

    def admin_token(self, key: str) -> str:
        """A token of the role admin signed with `key`; renewed when its time or its key is over."""
        from osapi.errors import NotAuthenticated
        from osapi.tokens import issue, verify

        kept = self._read(TOKEN)
        with suppress(NotAuthenticated):
            if verify(key, kept).expires > datetime.now(UTC) + RENEW:
                return kept
        token = issue(key, "admin", ["admin"])
        self._replace(TOKEN, token)
        return token

    def known_token(self) -> str:
        """The token that a controller here has left for the command line; "" where none has."""
        return self._read(TOKEN)

    def url(self) -> str:
        """Where the controller that runs here listens; "" where none does, or this user may not know."""
        try:
            return (self.path / URL).read_text().strip()
        except OSError:
            return ""

    @contextmanager
    def announced(self, url: str) -> Iterator[None]:
        """Let the command line find the controller, for as long as the block runs."""
        self._replace(URL, url)
        try:
            yield
        finally:
            if self.url() == url:
                (self.path / URL).unlink(missing_ok=True)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Be the only `name` (controller, agent, nats) of this directory for as long as the block runs.

        The kernel lets go when a process dies, however it does.
        """
        path = self.path / f"{name}.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _failed(path, "opened", error) from None
        with os.fdopen(descriptor, "r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = file.read().strip() or "unknown"
                raise ConfigError(
                    f"another {name} (pid {holder}) already runs with state directory {self.path}; "
                    f"stop it, or {_ELSEWHERE}"
                ) from None
            file.truncate()
            print(os.getpid(), file=file, flush=True)
            yield

    def _read(self, name: str) -> str:
        path = self.path / name
        try:
            return path.read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            raise _failed(path, "read", error) from None

    def _once(self, name: str) -> str:
        """A secret that is made once. Of two starts that race, one makes it and both have it: a link fails
        where its name is taken, and what it names is complete.
        """
        if not (kept := self._read(name)):
            with self._written(name, os.urandom(32).hex()) as complete, suppress(FileExistsError):
                os.link(complete, self.path / name)
            kept = self._read(name)
        if len(kept) < SHORTEST:
            raise ConfigError(f"{self.path / name}: damaged; remove it, and a new one is made")
        return kept

    def _replace(self, name: str, text: str) -> None:
        with self._written(name, text) as complete:
            complete.replace(self.path / name)

    @contextmanager
    def _written(self, name: str, text: str) -> Iterator[Path]:
        """A complete file beside `name`, gone after the block."""
        path = self.path / f".{name}.{os.urandom(8).hex()}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                print(text, file=file, flush=True)
                os.fsync(descriptor)
            yield path
            _sync(self.path)
        except OSError as error:
            raise _failed(self.path / name, "written", error) from None
        finally:
            path.unlink(missing_ok=True)


def _failed(path: Path, verb: str, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot be {verb}: {error.strerror}; become its owner, or {_ELSEWHERE}")


def _sync(folder: Path) -> None:
    """Make a new name durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
