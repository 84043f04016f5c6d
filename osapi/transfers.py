"""Files to and from a controller, of any size: a piece of them is in memory at a time.

    async with Client("http://localhost:8080", token) as osapi:
        stored = await upload_file(osapi, "app.conf", "build/app.conf", force=True)
        kept = await upload_blob(osapi, "disk.img", told=lambda sent, size: print(sent, "of", size))
        await download(osapi, blob.Download(sha256=kept.sha256), "copy.img")

A source is a path; or an open file or an async iterable of bytes, which is kept in a temporary file until its size
is known. It runs on trio and on asyncio, on whichever it is awaited.
"""

import hashlib
import io
import os
import secrets
import stat
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Protocol, TypeVar

import anyio.to_thread
import attrs

from osapi.blobs import MANAGED
from osapi.calls import blob, file
from osapi.client import Client, Incoming, message
from osapi.errors import Conflict, Error, NotAllowed, NotFound
from osapi.multipart import PIECE, Multipart, Told
from osapi.operation import Call
from osapi.results import Download

R = TypeVar("R")

Source = str | os.PathLike[str] | IO[bytes] | AsyncIterable[bytes]


class Writer(Protocol):
    """Where a download may go besides a path; it is called in a thread."""

    def write(self, data: bytes, /) -> object: ...


@attrs.frozen(kw_only=True)
class Downloaded:
    """What has come, `size` in bytes; `changed` is false where it was there already."""

    sha256: str
    size: int
    changed: bool = True


@attrs.frozen
class Content:
    """An open file on its way; `name` is its own, where it has one."""

    file: IO[bytes]
    size: int
    name: str | None = None


def silent(_: int, __: int) -> None:
    """Tell nobody how far it is."""


async def upload(client: Client, call: Call[R], source: Source, *, told: Told = silent) -> R:
    """Upload what a call takes as its file; `told` hears of the bytes sent, and of how many there are.

    Raises what `Client.run` does, as soon as the controller says so: `Conflict`, `TooLarge` and `NoSpace` above
    all. Raises `OSError` where the source cannot be read.
    """
    async with _opened(source) as content:
        return await _send(client, call, content, told)


async def upload_file(
    client: Client,
    name: str,
    source: Source,
    content_type: file.ContentType = "raw",
    *,
    force: bool = False,
    told: Told = silent,
) -> file.FileUploaded:
    """Upload a file to the object store; no bytes are sent where the same content is there under that name.

    Where other content is: `Conflict`, unless `force` replaces it.
    """
    call = file.Upload(name=name, content_type=content_type, force=force)
    async with _opened(source) as content:
        known = None if force or name.startswith(file.RESERVED) else await _known(client, file.Get(name=name))
        if known is not None:
            sha256 = await _digest(content.file)
            if known.sha256 != sha256:
                raise Conflict(
                    f"{name}: the object store has other content under that name; force replaces it"
                )
            if known.content_type == content_type:
                return file.FileUploaded(
                    name=name, sha256=sha256, size=known.size, changed=False, content_type=content_type
                )
        return await _send(client, call, content, told)


async def upload_blob(
    client: Client,
    source: Source,
    *,
    filename: str | None = None,
    mime_type: str | None = None,
    told: Told = silent,
) -> blob.BlobUploaded:
    """Upload a file as a blob; no bytes are sent where it is one. It keeps its name, unless it is given another."""
    async with _opened(source) as content:
        known = await _known(client, blob.Check(sha256=await _digest(content.file)))
        if known is not None and known.source == MANAGED:
            return blob.BlobUploaded(**attrs.asdict(known, recurse=False), changed=False)
        call = blob.Upload(filename=filename or content.name, mime_type=mime_type)
        return await _send(client, call, content, told)


async def download(
    client: Client,
    call: Call[Download],
    to: str | os.PathLike[str] | Writer,
    *,
    force: bool = False,
    told: Told = silent,
) -> Downloaded:
    """Download a file to a path, where all of it is then, verified, or nothing has changed; or to a writer.

    Where a file with other content is: `Conflict`, unless `force` replaces it. `told` hears of the bytes that have
    come, and of how many there are: 0 where that is not known.
    """
    async with client.receive(call) as incoming:
        if not isinstance(to, str | os.PathLike):
            return await _copy(incoming, to, told)
        path = Path(await anyio.Path(to).resolve())
        if there := await _there(path, incoming):
            return there
        with _replacing(path, force=force) as target:
            return await _copy(incoming, target, told)


async def _send(client: Client, call: Call[R], content: Content, told: Told) -> R:
    fields = message(call).fields
    body = Multipart(fields, content.file, name=content.name or "file", size=content.size, told=told)
    return await client.send(call, body, body.headers)


async def _known(client: Client, call: Call[R]) -> R | None:
    """What is stored already; nothing where that is not for this token to know."""
    try:
        return await client.run(call)
    except (NotFound, NotAllowed):
        return None


@asynccontextmanager
async def _opened(source: Source) -> AsyncIterator[Content]:
    """A source as a file whose size is known."""
    if not isinstance(source, str | os.PathLike):
        async with _spooled(source) as content:
            yield content
        return
    with await anyio.to_thread.run_sync(io.FileIO, source, abandon_on_cancel=True) as opened:
        found = os.fstat(opened.fileno())
        if stat.S_ISREG(found.st_mode):
            yield Content(opened, found.st_size, Path(source).name)
        else:
            async with _spooled(opened) as content:
                yield content


@asynccontextmanager
async def _spooled(source: IO[bytes] | AsyncIterable[bytes]) -> AsyncIterator[Content]:
    """What comes, in a temporary file, to its end."""
    with tempfile.TemporaryFile(dir=_roomy()) as spool:
        if isinstance(source, AsyncIterable):
            async for piece in source:
                await anyio.to_thread.run_sync(spool.write, piece)
        else:
            # A pipe may have nothing for long, while who waits for it is told to stop.
            while piece := await anyio.to_thread.run_sync(source.read, PIECE, abandon_on_cancel=True):
                await anyio.to_thread.run_sync(spool.write, piece)
        size = spool.tell()
        spool.seek(0)
        yield Content(spool, size)


def _roomy() -> str | None:
    """The folder for large temporary files (file-hierarchy(7)), unless one is asked for: /tmp may be memory."""
    folder = "/var/tmp"  # noqa: S108 - they have no name there
    return folder if "TMPDIR" not in os.environ and Path(folder).is_dir() else None


async def _digest(source: IO[bytes]) -> str:
    """The SHA-256 of a file, which is at its beginning then."""
    digest = hashlib.sha256()
    while piece := await anyio.to_thread.run_sync(source.read, PIECE):
        await anyio.to_thread.run_sync(digest.update, piece)
    source.seek(0)
    return digest.hexdigest()


async def _there(path: Path, incoming: Incoming) -> Downloaded | None:
    """What is there already, where it is a file with that content."""
    if not await anyio.Path(path).is_file():
        return None
    with io.FileIO(path) as found:
        sha256 = await _digest(found)
        size = os.fstat(found.fileno()).st_size
    return Downloaded(sha256=sha256, size=size, changed=False) if sha256 == incoming.sha256 else None


@contextmanager
def _replacing(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A new file, which takes the place of the one there once all has gone well; a device or a pipe is written to."""
    if path.exists() and not path.is_file():
        with path.open("wb") as target:
            yield target
        return
    if path.exists() and not force:
        raise Conflict(f"{path}: has other content; force replaces it")
    beside = path.with_name(f".osapi-{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as target:
            if path.exists():
                os.fchmod(target.fileno(), stat.S_IMODE(path.stat().st_mode))
            yield target
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


async def _copy(incoming: Incoming, target: Writer, told: Told) -> Downloaded:
    """Write all that comes; raises `Error` where it is not what was said to come."""
    digest, size = hashlib.sha256(), 0
    async for piece in incoming.pieces:
        digest.update(piece)
        await anyio.to_thread.run_sync(target.write, piece)
        size += len(piece)
        told(size, incoming.size or 0)
    sha256 = digest.hexdigest()
    if incoming.sha256 not in {None, sha256}:
        raise Error(f"what has come is damaged: its SHA-256 is {sha256}, not {incoming.sha256}")
    return Downloaded(sha256=sha256, size=size)
