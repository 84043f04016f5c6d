"""One request for a file over HTTP/1.1 (RFC 9112), on a connection that somebody else has chosen."""

from collections.abc import Generator
from contextlib import contextmanager

import attrs
import h11
import trio

from osapi import __version__
from osapi.errors import OperationError

PIECE = 256 * 1024
"""Bytes that are read at once."""

SILENCE = 30.0
"""Seconds that a server may send, or take, nothing."""


@attrs.define(eq=False)
class Exchange:
    """A request that was answered; `status`, `reason` and `location` are of the answer, whose body is still there."""

    url: str
    _stream: trio.abc.Stream
    _connection: h11.Connection = attrs.field(factory=lambda: h11.Connection(h11.CLIENT))
    status: int = 0
    reason: str = ""
    location: str = ""

    @staticmethod
    async def get(stream: trio.abc.Stream, url: str, host: str, path: str) -> "Exchange":
        """Ask for a path and wait for the head of the answer; `OperationError` where none comes."""
        exchange = Exchange(url, stream)
        await exchange._ask(host, path)
        return exchange

    async def _ask(self, host: str, path: str) -> None:
        headers = {
            "Host": host,
            "User-Agent": f"osapi/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",  # the bytes that the SHA-256 is of
            "Connection": "close",
        }
        request = h11.Request(method="GET", target=path, headers=list(headers.items()))
        with self._told(), trio.fail_after(SILENCE):
            data = self._connection.send(request) or b""
            await self._stream.send_all(data + (self._connection.send(h11.EndOfMessage()) or b""))
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                break
        self.status, self.reason = event.status_code, event.reason.decode("latin-1")
        self.location = dict(event.headers).get(b"location", b"").decode("latin-1")

    async def more(self) -> bytes:
        """The next bytes of the body; none at its end."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return b""

    async def close(self) -> None:
        """Hang up; what was not read is not waited for."""
        await trio.aclose_forcefully(self._stream)

    async def _next(self) -> h11.Event:
        while True:
            with self._told():
                event = self._connection.next_event()
                if isinstance(event, h11.Event):
                    return event
                with trio.fail_after(SILENCE):
                    self._connection.receive_data(bytes(await self._stream.receive_some(PIECE)))

    @contextmanager
    def _told(self) -> Generator[None]:
        """What breaks the exchange, as one error that names the URL."""
        try:
            yield
        except trio.TooSlowError:
            raise OperationError(f"{self.url} cannot be fetched: nothing for {SILENCE:g} s") from None
        except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            raise OperationError(f"{self.url} cannot be fetched: {error.__cause__ or error}") from None
