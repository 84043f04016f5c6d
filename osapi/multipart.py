"""multipart/form-data (RFC 7578), written by hand: fields, then one file, of which a piece is in memory at a time."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Self

import anyio.to_thread
import httpx

from osapi.errors import Error

PIECE = 1024 * 1024
"""Bytes of the file that are read at once."""

QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""What may not be in the name of a file (HTML Living Standard, 4.10.21.8)."""

Told = Callable[[int, int], None]
"""Told how many bytes have gone, and of how many."""


class Multipart(httpx.AsyncByteStream):
    """The form; `size` bytes of `file` are sent from where it stands. It can be sent once."""

    def __init__(
        self, fields: Mapping[str, Any], file: IO[bytes], *, name: str, size: int, told: Told
    ) -> None:
        self._boundary = secrets.token_hex(16)
        parts = [
            f'{self._opening}; name="{field}"\r\n\r\n{_text(value)}\r\n' for field, value in fields.items()
        ]
        filename = name.translate(QUOTED)
        parts.append(
            f'{self._opening}; name="file"; filename="{filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        self._head = "".join(parts).encode(errors="replace")
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()
        self._file, self._size, self._told = file, size, told
        self._sent = 0
        self._pieces = self._read()

    @property
    def headers(self) -> dict[str, str]:
        """What is said of it before it is sent."""
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(len(self._head) + self._size + len(self._tail)),
        }

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._told(self._sent, self._size)
        piece = await anyio.to_thread.run_sync(next, self._pieces, None)
        if piece is None:
            raise StopAsyncIteration
        return piece

    @property
    def _opening(self) -> str:
        return f"--{self._boundary}\r\nContent-Disposition: form-data"

    def _read(self) -> Iterator[bytes]:
        yield self._head
        while self._sent < self._size:
            piece = self._file.read(min(PIECE, self._size - self._sent))
            if not piece:
                raise Error(f"{self._file.name}: it became shorter while it was sent; try again")
            self._sent += len(piece)
            yield piece
        yield self._tail


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
