"""The configuration, and who may read and write what the daemons keep."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR

from osapi.doctor.findings import Finding, Machine, fail, ok, skip, warn
from osapi.state import AUDIT_KEY, KEY, PASSWORD, SECRETS, TOKEN

SECRET = (KEY, SECRETS, AUDIT_KEY, PASSWORD, TOKEN)
"""Files of the state directory that nobody else may read."""


async def configuration(machine: Machine) -> list[Finding]:
    """Whether the file can be read, and says what can be done."""
    what = str(machine.file or "defaults and environment")
    problems = [
        fail("config", problem, "correct it; docs/reference/config.md has every key")
        for problem in machine.problems
    ]
    notes = [warn("config", note, "correct it, or leave the key out") for note in machine.notes]
    return [*problems, *notes] or [ok("config", f"{what}: nothing is wrong")]


async def permissions(machine: Machine) -> list[Finding]:
    """Whether only their user reads and writes state, keys and tokens."""
    found = list(_contexts(machine))
    for folder in dict.fromkeys(machine.state(role).path for role in machine.roles - {"client"}):
        found += _state(folder)
    for section in (machine.config.controller, machine.config.agent):
        if section.pki.enabled:
            found += _keys(Path(section.pki.key_dir))
    return found


def _state(folder: Path) -> list[Finding]:
    check = "state"
    try:
        about = folder.stat()
        names = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return [skip(check, f"{folder}: not there yet; the first start makes it")]
    except PermissionError:
        return [
            skip(check, f"{folder}: closed to {_name(os.geteuid())}", "run this as its owner, or with sudo")
        ]
    except NotADirectoryError:
        return [fail(check, f"{folder}: not a directory", "set OSAPI_STATE_DIR to another place")]
    if not S_ISDIR(about.st_mode):
        return [fail(check, f"{folder}: not a directory", "set OSAPI_STATE_DIR to another place")]
    found = [_mode(check, folder, about, 0o700)] if about.st_mode & 0o077 else []
    for name in sorted({*SECRET, "nats"} & names):
        found += _private(check, folder / name, about.st_uid)
    return found or [ok(check, f"{folder}: only {_name(about.st_uid)} can read it")]


def _keys(folder: Path) -> list[Finding]:
    try:
        found = [finding for path in sorted(folder.glob("*.key")) for finding in _private("keys", path, None)]
    except PermissionError:
        return [skip("keys", f"{folder}: closed to {_name(os.geteuid())}", "run this with sudo")]
    return found or [ok("keys", f"{folder}: only their owner can read them")]


def _contexts(machine: Machine) -> Iterator[Finding]:
    """The user's own contexts, which may hold tokens."""
    from osapi.contexts import locate

    path = locate(machine.environ)
    if path.exists():
        yield from _private("contexts", path, os.geteuid()) or [
            ok("contexts", f"{path}: only you can read it")
        ]
    if machine.context and machine.context.token_file:
        yield from _private("contexts", Path(machine.context.token_file).expanduser(), None)


def _private(check: str, path: Path, owner: int | None) -> list[Finding]:
    """What is wrong with a file or folder that only its owner is to read."""
    try:
        about = path.stat()
    except OSError as error:
        return [fail(check, f"{path}: {error.strerror}", "make it, or name another")]
    if owner is not None and about.st_uid != owner:
        fix = f"chown {_name(owner)} {path}"
        return [fail(check, f"{path}: belongs to {_name(about.st_uid)}, not to {_name(owner)}", fix)]
    most = 0o700 if S_ISDIR(about.st_mode) else 0o600
    return [_mode(check, path, about, most)] if about.st_mode & 0o077 else []


def _mode(check: str, path: Path, about: os.stat_result, most: int) -> Finding:
    who = "write to" if about.st_mode & 0o022 else "read"
    return fail(
        check, f"{path}: others can {who} it (mode {about.st_mode & 0o777:04o})", f"chmod {most:o} {path}"
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
