"""Contents in pieces: hashed on their way in, verified on their way out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from mimetypes import MimeTypes
from typing import TYPE_CHECKING

import attrs

from osapi.calls.blob import Blob
from osapi.errors import OperationError

if TYPE_CHECKING:
    from hashlib import _Hash

START = 1024
"""Bytes that are looked at to guess of what type a content is."""

PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
"""What a packed file is, whatever is in it."""


@attrs.define(eq=False)
class Content:
    """Bytes that are read once, counted and hashed as they pass; `start` is how they begin."""

    pieces: AsyncIterator[bytes]
    size: int = 0
    start: bytes = b""
    _hash: "_Hash" = attrs.field(factory=sha256)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self.pieces)
        if len(self.start) < START:
            self.start += piece[: START - len(self.start)]
        self.size += len(piece)
        self._hash.update(piece)
        return piece

    @property
    def sha256(self) -> str:
        """In hex, of what has passed."""
        return self._hash.hexdigest()


@attrs.define(eq=False)
class Verified:
    """The bytes of a blob, which end only where they are: an `OperationError` is in place of another end."""

    content: Content
    blob: Blob

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        blob, content = self.blob, self.content
        try:
            piece = await anext(content)
        except StopAsyncIteration:
            if content.size != blob.size:
                raise OperationError(f"{named(blob)} has {content.size} bytes, not {blob.size}") from None
            if content.sha256 != blob.sha256:
                raise OperationError(
                    f"{named(blob)} has SHA-256 {content.sha256}, not {blob.sha256}"
                ) from None
            raise
        if content.size > blob.size:
            raise OperationError(f"{named(blob)} has more than {blob.size} bytes")
        return piece


@attrs.define(eq=False)
class Pieces:
    """What `read` returns, until that is nothing."""

    read: Callable[[], Awaitable[bytes]]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self.read()
        if not piece:
            raise StopAsyncIteration
        return piece


def named(blob: Blob) -> str:
    """What is said of a blob in errors."""
    return f"blob {blob.sha256[:12]}… ({blob.source})"


def media_type(filename: str | None, start: bytes) -> str:
    """The media type of a file, by its name, else by whether it begins as text does."""
    found, packed = MimeTypes().guess_type(filename or "")
    if packed:
        return PACKED.get(packed, "application/octet-stream")
    if found:
        return found
    return "application/octet-stream" if b"\0" in start or not _is_text(start) else "text/plain"


def _is_text(start: bytes) -> bool:
    """Whether it is UTF-8, of which a character may be cut off at the end."""
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True
