"""Contexts: controllers that a user asks, by names of their own, in one file that only they can read.

The file is `osapi/contexts.yaml` below XDG_CONFIG_HOME, which is ~/.config unless it is set:

    current: prod
    contexts:
      prod:
        url: https://osapi.example.org
        token_file: ~/.config/osapi/prod.token    # or `token`, the token itself
        target: group:web                         # instead of _all

It is read by the command line, which imports YAML only where the file is there.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from osapi import configfile
from osapi.errors import BadInput, ConfigError, NotFound

VARIABLE = "OSAPI_CONTEXT"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
PORTS = {"http": 80, "https": 443}


@attrs.frozen(kw_only=True)
class Context:
    """A controller: where it is, the token for it or the file that holds it, and whom it asks unless told."""

    url: str
    token: str = attrs.field(default="", repr=False)
    token_file: str = ""
    target: str = ""

    def leads_to(self, url: str) -> bool:
        """Whether a URL is that of the same controller: then its token may go there."""
        try:
            return _origin(url) == _origin(self.url)
        except ValueError:
            return False

    def bearer(self) -> str:
        """The token; `ConfigError` where its file cannot be read."""
        if not self.token_file:
            return self.token
        path = Path(self.token_file).expanduser()
        try:
            return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"token_file {path}: cannot be read: {reason}") from None


@attrs.define
class Contexts:
    """The contexts of a user; `current` is empty where none is in use."""

    path: Path
    current: str = ""
    named: dict[str, Context] = attrs.field(factory=dict)

    def get(self, name: str) -> Context:
        """`NotFound` where there is none of that name."""
        if name not in self.named:
            known = ", ".join(self.named) or "none yet; make one with `osapi context set`"
            raise NotFound(f"no context {name!r} in {self.path}; known: {known}")
        return self.named[name]

    def write(self) -> None:
        """Replace the file: it is the old one or the new one at any time, and only its owner can read it."""
        import yaml

        fields = {name: _told(context) for name, context in self.named.items()}
        text = yaml.safe_dump(
            {"current": self.current, "contexts": fields}, sort_keys=False, allow_unicode=True
        )
        new = self.path.with_name(f".{self.path.name}.{os.urandom(4).hex()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path.resolve())
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written: {error.strerror}") from None
        finally:
            new.unlink(missing_ok=True)


def locate(environ: Mapping[str, str]) -> Path:
    """Where the file of contexts is (XDG Base Directory Specification)."""
    homes = environ.get("XDG_CONFIG_HOME", "")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(homes) if homes.startswith("/") else home / ".config") / "osapi" / "contexts.yaml"


def read(environ: Mapping[str, str]) -> Contexts:
    """The contexts of a user; none where there is no file.

    `ConfigError` where it holds anything else, or others can write to it: they could send tokens elsewhere.
    """
    path = locate(environ)
    if not path.exists():
        return Contexts(path)
    if path.stat().st_mode & 0o022:
        raise ConfigError(f"{path}: others can write to it; chmod 600 {path}")
    values = configfile.read(path)
    _known(values, {"current", "contexts"}, str(path))
    named = values.get("contexts") or {}
    if not isinstance(named, dict):
        raise ConfigError(f"{path}: contexts: not a section; allowed: names, each with a url")
    return Contexts(
        path,
        _text(values, "current", str(path)),
        {str(name): _context(fields, f"{path}: contexts.{name}") for name, fields in named.items()},
    )


def chosen(environ: Mapping[str, str], name: str | None, *, file: Path | None) -> Context | None:
    """The context that is meant: the one named, else OSAPI_CONTEXT, else the one in use.

    The last is passed over where a configuration `file` was named. `NotFound` where a name is of none.
    """
    if named := name or environ.get(VARIABLE):
        return read(environ).get(named)
    if file is not None or environ.get("OSAPI_OSAPIFILE"):
        return None
    found = read(environ)
    return found.get(found.current) if found.current else None


def checked_name(name: str) -> str:
    """A name for a context; `BadInput` where it would not do."""
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} is no name for a context; allowed: up to 63 letters, digits, '.', '_' and '-', of which the "
            "first is a letter or digit",
            "name",
        )
    return name


def checked_url(url: str) -> str:
    """A URL of a controller; `BadInput` where it is none."""
    try:
        _origin(url)
    except ValueError:
        raise BadInput(f"url: {url!r} is no URL; allowed: such as https://osapi.example.org", "url") from None
    return url.rstrip("/")


def _origin(url: str) -> tuple[str, str, int]:
    """What tells one controller from another; `ValueError` where a URL names none, or a user."""
    parts = urlsplit(url)
    if (
        parts.scheme not in PORTS
        or not parts.hostname
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise ValueError(url)
    return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]


def _told(context: Context) -> dict[str, str]:
    return {name: value for name, value in attrs.asdict(context).items() if value}


def _context(fields: Any, where: str) -> Context:
    allowed = {field.name for field in attrs.fields(Context)}
    if not isinstance(fields, dict):
        raise ConfigError(f"{where}: not a section; allowed: {', '.join(sorted(allowed))}")
    _known(fields, allowed, where)
    found = Context(**{name: _text(fields, name, where) for name in ("url", "token", "token_file", "target")})
    try:
        _origin(found.url)
    except ValueError:
        raise ConfigError(
            f"{where}.url: {found.url!r} is no URL; allowed: such as https://osapi.example.org"
        ) from None
    return found


def _known(values: Mapping[Any, Any], allowed: set[str], where: str) -> None:
    if unknown := sorted(str(name) for name in values if name not in allowed):
        raise ConfigError(f"{where}: {unknown[0]}: not a known key; allowed: {', '.join(sorted(allowed))}")


def _text(values: Mapping[Any, Any], name: str, where: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"{where}: {name}: not text; allowed: text, in quotes where it looks like a number")
    return value
