"""A file on the disk gets another content or other attributes: checked, backed up, kept for `undo`, in one step."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

import attrs

from agent.files import Attributes, Stat
from agent.host import MIB, Host, Pieces
from agent.validate import check_of, validate
from agent.versions import keep
from osapi.errors import Conflict, Refused, TooLarge
from osapi.operations.file import FileChanged

CHECKED = MIB
"""Bytes of a content that a program checks first, which is in memory then."""

RIGHTS = 0o777
"""Mode without the set-user-ID, set-group-ID and sticky bits, which a copy of a file does not get."""


@attrs.frozen
class Stream:
    """A content of any size, by its SHA-256."""

    sha256: str
    size: int
    pieces: Callable[[], Pieces]


async def put(
    host: Host,
    path: str,
    source: bytes | Stream,
    wanted: Attributes,
    *,
    parents: bool = True,
    backup: bool = False,
    over: bytes | None = None,
) -> FileChanged:
    """Have a file with that content, as wanted; nothing is done where it is so.

    With `backup`, another content is copied beside it first. `over` is what the caller has seen there: `Conflict`
    where it is another by now. `Refused` where something else than a file is there, or where a program that checks
    such files objects; those are limited to 1 MiB, more is `TooLarge`.
    """
    if path.endswith("/"):
        raise Refused(f"{path} names a folder; give the full name of the file")
    before = await host.stat(path)
    if before and before.kind != "file":
        raise Refused(f"{path} is no regular file, but a {before.kind}; give the full name of a file")
    held = await host.digest(path)
    if over is not None and held != sha256(over).hexdigest():
        raise Conflict(f"{path} was changed by somebody else meanwhile, and is left so")
    digest = sha256(source).hexdigest() if isinstance(source, bytes) else source.sha256
    if before and held == digest and before == before.given(wanted):
        return FileChanged(path=path, sha256=digest, changed=False)
    if held != digest and check_of(path):
        source = await _loaded(path, source)
        await validate(host, path, source)
    copy = await _copied(host, path, before, held) if before and held and backup and held != digest else None
    async with keep(host, path):
        if isinstance(source, bytes):
            changed = await host.replace(path, source, wanted, parents=parents)
        else:
            changed = await host.receive(
                path, source.pieces, digest, wanted, size=source.size, parents=parents
            )
    return FileChanged(path=path, sha256=digest, changed=changed, backup=copy)


async def _loaded(path: str, source: bytes | Stream) -> bytes:
    """The content in memory, for a program to check."""
    if isinstance(source, bytes):
        return source
    if source.size > CHECKED:
        raise TooLarge(f"{path} is checked before it is written, and {source.size} bytes are over {CHECKED}")
    async with source.pieces() as pieces:
        content = b"".join([piece async for piece in pieces])
    if sha256(content).hexdigest() != source.sha256:
        raise Conflict(f"what {path} is written from was changed meanwhile")
    return content


async def _copied(host: Host, path: str, before: Stat, digest: str) -> str:
    """A copy beside a file, that has its rights and owner, and the moment (UTC) in its name."""
    name = f"{path}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.bak"
    await host.allowed(name)
    as_before = Attributes(mode=before.mode & RIGHTS, uid=before.uid, gid=before.gid)
    await host.receive(name, partial(host.pieces, path), digest, as_before, size=before.size)
    return name
