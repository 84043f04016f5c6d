"""The configuration file as plain values, and what the command line needs of it.

The command line wants two keys only, so it gets them (`client_settings`) without the classes and checks of
`osapi.config`, which would cost it time.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osapi.errors import ConfigError
from osapi.state import SYSTEM, StateDirectory, locate

if TYPE_CHECKING:
    from osapi.contexts import Context

DEFAULT = Path("/etc/osapi/osapi.yaml")
DEFAULT_URL = "http://127.0.0.1:8080"

URL_KEY = "controller.client.url"
TOKEN_KEY = "controller.client.security.bearer_token"  # noqa: S105 -- the name of a key, not a secret
STATE_KEY = "state_dir"


def variable(key: str) -> str:
    """The environment variable that overrides a key: `OSAPI_`, and the key in capitals with `_` for dots."""
    return "OSAPI_" + key.upper().replace(".", "_")


def find(environ: Mapping[str, str]) -> Path | None:
    """The file to read where none is named: `OSAPI_OSAPIFILE`, or /etc/osapi/osapi.yaml where it is there."""
    if named := environ.get("OSAPI_OSAPIFILE"):
        return Path(named)
    return DEFAULT if os.path.lexists(DEFAULT) else None


def read(path: Path) -> dict[Any, Any]:
    """The keys of a YAML file; none where it is empty.

    Raises `ConfigError` where it cannot be read, is no YAML, or has a key twice.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name another with -f") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; name another file with -f") from None
    values = _parse(data, path) if data.strip() else None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds no keys; expected: lines such as `debug: true`")
    return values


def _parse(data: bytes, path: Path) -> Any:
    """YAML to plain values; an error tells where, and never shows the line, which may hold a secret."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(data)
    try:
        node = loader.get_single_node()
        _refuse_repeated(node, path)
        return loader.construct_document(node) if node else None
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        raise ConfigError(f"{path}: {_place(where)}not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    finally:
        loader.dispose()


def _refuse_repeated(node: Any, path: Path) -> None:
    """YAML takes the last of two equal keys; which one was meant, nobody can tell."""
    if node is None or node.id != "mapping":
        return
    seen = set()
    for key, value in node.value:
        if key.id == "scalar" and key.value in seen:
            raise ConfigError(f"{path}: {_place(key.start_mark)}the key {key.value} is there twice")
        seen.add(key.value if key.id == "scalar" else id(key))
        _refuse_repeated(value, path)


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def client_settings(
    path: Path | None,
    environ: Mapping[str, str],
    state: StateDirectory | None = None,
    *,
    context: "Context | None" = None,
    anonymous: bool = False,
) -> tuple[str, str]:
    """The URL of the controller, and the token to show it.

    Each is looked for in the environment, then in the context, else in the file, then in the state directory of a
    controller on this machine; the URL has a default. A token goes where it is meant for: that of a context to its
    URL only, that from a state directory to this machine only, as another controller has no use for it, and whoever
    listens there would be an administrator here. Raises `ConfigError` where there is no token, unless `anonymous`
    does without.
    """
    url, token = environ.get(variable(URL_KEY), ""), environ.get(variable(TOKEN_KEY), "")
    if url and token:
        return url, token
    file = read(path) if path else {}
    if context is not None and (not url or context.leads_to(url)):
        url, token = url or context.url, token or context.bearer()
    else:
        url, token = url or _text(file, URL_KEY, path), token or _text(file, TOKEN_KEY, path)
    if url and token:
        return url, token
    if state is None:
        state = StateDirectory(locate(_text(file, STATE_KEY, path), environ))
    known = state.url()
    if not token and (not url or url == known or _is_here(url)):
        token = state.known_token()
    if not token and not anonymous:
        raise ConfigError(_no_token(url or known or DEFAULT_URL, state.path))
    return url or known or DEFAULT_URL, token


def _no_token(url: str, looked_in: Path) -> str:
    sudo = f"{SYSTEM} is for its owner only (sudo?)"
    return (
        f"no token for {url}: set {variable(TOKEN_KEY)}, or {TOKEN_KEY} in the file named by -f; "
        f"a controller on this machine leaves one for its own user, but there is none in {looked_in}"
        + (f", and {sudo}" if looked_in != SYSTEM and SYSTEM.exists() else "")
    )


def _text(file: dict[Any, Any], key: str, path: Path | None) -> str:
    value: Any = file
    for name in key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"{path}: {key}: not text; allowed: text, in quotes where it looks like a number")
    return value


def _is_here(url: str) -> bool:
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    return host in {"localhost", "0.0.0.0", "::1"} or host.startswith("127.")  # noqa: S104 -- compared, not bound
