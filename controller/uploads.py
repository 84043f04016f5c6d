"""Bodies of any size: uploads, taken from the client as fast as they are stored, and downloads, sent as they are read.

An upload is multipart/form-data (RFC 7578): the parameters of a call, and the part `file`. Parameters come first,
so that what is wrong is said before anything is stored; where one that is needed comes after the file, the file
waits on the disk meanwhile.
"""

import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

import attrs
import trio
from quart import Response, g, request
from quart.wrappers.response import ResponseBody
from werkzeug.exceptions import RequestTimeout, UnsupportedMediaType
from werkzeug.http import parse_options_header
from werkzeug.sansio import multipart

from controller.exchange import INCOMING, Incoming
from osapi.errors import BadInput, TooLarge

FILE = "file"
LONGEST_FIELD = 64 * 1024
"""Bytes of all parameters of an upload."""
OVERHEAD = LONGEST_FIELD + 64 * 1024
"""Bytes of a form beside its file."""
SILENCE = 60.0
"""Seconds that a client may send nothing."""
PIECE = 256 * 1024
LARGE = "/var/tmp" if Path("/var/tmp").is_dir() else None  # noqa: S108 - an unnamed file, which nobody else can open
"""The folder for large temporary files (file-hierarchy(7)); /tmp may be memory."""


@attrs.define
class Upload(AsyncIterator[bytes]):
    """The form of one request; iterated over, it is the bytes of its file.

    `fields` are the parameters so far, `most` how many bytes the file may have.
    """

    _incoming: Incoming
    _decoder: multipart.MultipartDecoder
    most: int
    fields: dict[str, Any] = attrs.field(factory=dict)
    filename: str | None = None
    _size: int = 0
    _late: bool = False
    _spool: IO[bytes] | None = None

    async def begin(self, needed: Collection[str]) -> None:
        """Read the parameters, all that are needed; `BadInput` where there is no file."""
        if not await self._until_file():
            raise BadInput(f"{FILE}: missing; the form needs a part of that name", FILE)
        if not set(needed) <= self.fields.keys():
            await self._wait_on_disk()
            if await self._until_file():
                raise BadInput(f"{FILE}: given twice", FILE)
        self._late = True

    async def __anext__(self) -> bytes:
        if self._spool is not None:
            piece = await trio.to_thread.run_sync(self._spool.read, PIECE)
            if not piece:
                raise StopAsyncIteration
            return piece
        while True:
            match await self._next():
                case multipart.Data(data=data, more_data=more) if data or more:
                    self._count(data)
                    if data:
                        return data
                case multipart.Data():
                    continue
                case multipart.Field(name=name) | multipart.File(name=name):
                    raise BadInput(f"{name}: comes after the {FILE}; put it before", name)
                case multipart.Epilogue():
                    await self._incoming.drain()
                    raise StopAsyncIteration

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()

    async def _until_file(self) -> bool:
        """Read parameters until the file begins; False where the form ends before."""
        room = LONGEST_FIELD
        while True:
            event = await self._next()
            match event:
                case multipart.Field(name=name) | multipart.File(name=name) if name == FILE:
                    self.filename = getattr(event, "filename", None)
                    return True
                case multipart.Field(name=name):
                    value = await self._value(room)
                    room -= len(value)
                    if name in self.fields:
                        raise BadInput(f"{name}: given twice", name)
                    self.fields[name] = _text(name, value)
                case multipart.File(name=name):
                    raise BadInput(f"{name}: unknown file; the form has one, as `{FILE}`", name)
                case multipart.Epilogue():
                    return False

    async def _value(self, room: int) -> bytes:
        value = bytearray()
        while True:
            event = await self._next()
            assert isinstance(event, multipart.Data)
            value += event.data
            if len(value) > room:
                raise TooLarge(f"the parameters of the form have more than {LONGEST_FIELD} bytes")
            if not event.more_data:
                return bytes(value)

    async def _wait_on_disk(self) -> None:
        self._spool = spool = tempfile.TemporaryFile(dir=LARGE)  # noqa: SIM115 - closed with the upload
        more = True
        while more:
            event = await self._next()
            assert isinstance(event, multipart.Data)
            self._count(event.data)
            await trio.to_thread.run_sync(spool.write, event.data)
            more = event.more_data
        spool.seek(0)

    async def _next(self) -> multipart.Event:
        """The next event of the form, more of which is taken from the client as needed."""
        while True:
            try:
                event = self._decoder.next_event()
            except ValueError as error:
                raise BadInput(f"the form is broken: {error}") from None
            if not isinstance(event, multipart.NeedData | multipart.Preamble):
                return event
            if isinstance(event, multipart.NeedData):
                self._decoder.receive_data(await self._more())

    async def _more(self) -> bytes | None:
        with trio.move_on_after(SILENCE):
            return await anext(self._incoming, None)
        raise RequestTimeout(f"nothing was sent for {SILENCE:g} s")

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self.most:
            raise TooLarge(_too_large(self.most))


def _too_large(most: int) -> str:
    return f"the file has more than {most} bytes, which is the limit (controller.api.max_upload_bytes)"


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadInput(f"{name}: not UTF-8", name) from None


async def receive(needed: Collection[str], most: int) -> Upload:
    """The upload that this request is, its parameters read; to be closed when the request is done with."""
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    incoming = (request.scope.get("extensions") or {}).get(INCOMING)
    boundary = options.get("boundary", "")
    if not isinstance(incoming, Incoming) or not boundary:
        raise UnsupportedMediaType(f"the body is {kind or 'of no type'}; allowed: multipart/form-data")
    if (request.content_length or 0) > most + OVERHEAD:
        raise TooLarge(_too_large(most))
    upload = Upload(incoming, multipart.MultipartDecoder(boundary.encode()), most)
    g.upload = upload
    try:
        await upload.begin(needed)
    except BaseException:
        upload.close()
        raise
    return upload


def incoming() -> AsyncIterator[bytes]:
    """The bytes of the file that this request uploads."""
    upload: Upload = g.upload
    return upload


def incoming_filename() -> str | None:
    """The name that the file has where it comes from, without its folders."""
    upload: Upload = g.upload
    return (upload.filename or "").replace("\\", "/").rpartition("/")[2] or None


class Contents(ResponseBody):
    """A body that is read while it is sent. Its end is sent once the source has ended well: what is damaged arrives
    cut short, so that the client notices.
    """

    def __init__(self, source: AbstractAsyncContextManager[AsyncIterator[bytes]]) -> None:
        self._source, self._stack = source, AsyncExitStack()
        self._pieces: AsyncIterator[bytes]
        self._held = b""

    async def __aenter__(self) -> Self:
        self._pieces = await self._stack.enter_async_context(self._source)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while True:
            piece = await anext(self._pieces, None)
            if piece is None and not self._held:
                raise StopAsyncIteration
            ready, self._held = self._held, piece or b""
            if ready:
                return ready


def download(
    source: AbstractAsyncContextManager[AsyncIterator[bytes]],
    *,
    size: int,
    sha256: str,
    filename: str,
) -> Response:
    """Contents as a response; the client is to keep, not to show them (RFC 6266, RFC 9110)."""
    headers = {
        "Content-Length": str(size),
        "ETag": f'"{sha256}"',
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
    }
    body = b"" if request.method == "HEAD" else Contents(source)
    response = Response(body, 200, headers, content_type="application/octet-stream")
    response.headers["Content-Length"] = str(size)
    response.timeout = None
    return response
