"""A transport of httpx for uploads: it hears an answer while it still sends.

A controller may refuse an upload, or run out of space, long before all of it has come, and then hangs up. Who
listens only after all is sent finds a broken connection then, and on asyncio no answer any more.
"""

import ssl
from urllib.request import getproxies, proxy_bypass

import anyio
import attrs
import h11
import httpx
from anyio.abc import ByteStream

from osapi import errors

SILENCE = 60.0
"""Seconds in which some of a body must be taken."""

PATIENCE = 300.0
"""Seconds that storing may take once all of it is sent."""

LONGEST = 1024 * 1024
"""Bytes of an answer."""


def transport(url: httpx.URL, trusted: ssl.SSLContext | None) -> httpx.AsyncBaseTransport | None:
    """How to upload to a controller; through a proxy, which the environment names, as httpx does all else."""
    proxied = url.scheme in getproxies() and not proxy_bypass(url.host)
    return None if proxied else Duplex(trusted)


@attrs.frozen
class Duplex(httpx.AsyncBaseTransport):
    """Each request on a connection of its own. An answer that comes early ends the sending."""

    trusted: ssl.SSLContext | None = None
    silence: float = SILENCE
    patience: float = PATIENCE

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        stream = await self._connect(request)
        async with stream:
            return await _Exchange(stream, self.silence, self.patience).of(request)

    async def _connect(self, request: httpx.Request) -> ByteStream:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            with anyio.fail_after(request.extensions["timeout"]["connect"]):
                if self.trusted is None:
                    return await anyio.connect_tcp(url.host, port)
                return await anyio.connect_tcp(
                    url.host, port, ssl_context=self.trusted, tls_standard_compatible=False
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except (anyio.BrokenResourceError, OSError) as error:
            raise httpx.ConnectError(str(error)) from error


@attrs.define
class _Exchange:
    """One request and its answer, each on its way while the other is."""

    stream: ByteStream
    silence: float
    patience: float
    connection: h11.Connection = attrs.field(factory=lambda: h11.Connection(h11.CLIENT))
    sending: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    hearing: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    failure: Exception | None = None

    async def of(self, request: httpx.Request) -> httpx.Response:
        response = None
        async with anyio.create_task_group() as both:
            both.start_soon(self._send, request)
            with self.hearing:
                try:
                    response = await self._answer()
                except httpx.HTTPError as error:
                    self.failure = self.failure or error
            self.sending.cancel()
        if response is None:
            raise self.failure or httpx.ReadTimeout("no answer came")
        return response

    async def _send(self, request: httpx.Request) -> None:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        with self.sending:
            try:
                await self._put(head)
                async for piece in request.stream:
                    await self._put(h11.Data(data=piece))
                await self._put(h11.EndOfMessage())
            except httpx.WriteError:
                pass  # It has hung up; what it said before that may still come.
            except (OSError, errors.Error, httpx.WriteTimeout) as error:
                self.failure = error
                self.hearing.cancel()
            self.hearing.deadline = anyio.current_time() + self.patience

    async def _put(self, event: h11.Event) -> None:
        try:
            with anyio.fail_after(self.silence):
                await self.stream.send(self.connection.send(event) or b"")
        except TimeoutError:
            raise httpx.WriteTimeout(f"nothing was taken for {self.silence:g} s") from None
        except (anyio.BrokenResourceError, OSError) as error:
            raise httpx.WriteError(str(error)) from error

    async def _answer(self) -> httpx.Response:
        body = b""
        head = None
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                head = event
                self.sending.cancel()
                self.hearing.deadline = anyio.current_time() + self.silence
            elif isinstance(event, h11.Data):
                body += event.data
            elif not isinstance(event, h11.InformationalResponse):
                raise httpx.RemoteProtocolError("it ended without an answer")
            if len(body) > LONGEST:
                raise httpx.RemoteProtocolError(f"the answer has more than {LONGEST} bytes")
        assert head is not None
        return httpx.Response(head.status_code, headers=head.headers.raw_items(), content=body)

    async def _event(self) -> object:
        try:
            while (event := self.connection.next_event()) is h11.NEED_DATA:
                self.connection.receive_data(await self._received())
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        return event

    async def _received(self) -> bytes:
        try:
            return await self.stream.receive()
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, OSError) as error:
            raise httpx.ReadError(str(error)) from error
