"""The asyncio side of the bus: nats-py on a loop in a thread, keeping one connection after another.

Nothing else in OSAPI knows asyncio. It takes steps from trio's thread and calls back from its own. A
connection that breaks is thrown away with all that was not sent, so nothing is sent later than it was meant to be.
"""

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from random import uniform
from typing import Any
from urllib.parse import urlsplit

import attrs
import nats.errors
import structlog
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from osapi.bus import Message, ServerInfo
from osapi.errors import ConfigError

REPEAT_LOG = 5.0
PING_TIMEOUT = 60
"""Seconds; a connection whose pings go unanswered ends long before."""
DENIED = re.compile("authorization violation", re.IGNORECASE)

OPTIONS: Mapping[str, Any] = {
    "allow_reconnect": False,  # a new client does that
    "max_reconnect_attempts": 1,
    "reconnect_time_wait": 0,
    "connect_timeout": 2,
    "ping_interval": 2,
    "max_outstanding_pings": 2,  # so a frozen broker is given up within six seconds
    "skip_subject_validation": True,  # done on trio's side, where it can be refused
}

Step = Callable[["Connection"], Awaitable[None]]

log = structlog.get_logger()
logging.getLogger("nats").addHandler(logging.NullHandler())  # what it would print is logged here


class _Client(Client):
    """nats-py's client, for one connection: it says at once that it has ended, and sends nothing after."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()
        self.trouble: Exception | None = None

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        self.ended.set()
        self._pending, self._pending_data_size = [], 0
        if isinstance(self._transport, TcpTransport):
            writer = self._transport._bare_io_writer  # noqa: SLF001 - there is no public way to abort
            if writer is not None:
                writer.transport.abort()  # or it waits until a frozen broker has taken what is unsent
            await super()._close(status, do_cbs)

    async def note(self, error: Exception) -> None:
        self.trouble = error
        if self.is_connected and not isinstance(error, nats.errors.StaleConnectionError):
            log.warning("trouble with the broker", reason=str(error))


@attrs.define(eq=False)
class Listener:
    """What is wanted of the broker, on every connection; `deliver` is called in the thread of the loop."""

    subject: str
    queue: str
    deliver: Callable[[Message], Awaitable[None]]
    _held: Subscription | None = attrs.field(default=None, init=False)

    async def start(self, connection: "Connection") -> None:
        """A step: begin to listen."""
        self._held = await connection.client.subscribe(self.subject, self.queue, cb=self._receive)

    async def stop(self, _connection: "Connection") -> None:
        """A step: listen no more."""
        if self._held is not None:
            await self._held.unsubscribe()

    async def _receive(self, message: Msg) -> None:
        await self.deliver(Message(message.subject, message.data, message.reply, message.headers or {}))


async def publish(
    subject: str, data: bytes, reply: str, headers: Mapping[str, str] | None, connection: "Connection"
) -> None:
    """A step: send a message."""
    await connection.client.publish(subject, data, reply, dict(headers) if headers else None)


async def flush(connection: "Connection") -> None:
    """A step: wait until the broker has taken all before it."""
    await connection.client.flush(PING_TIMEOUT)


class Connection:
    """One connection; from trio's side it is handed steps, which it takes in order."""

    def __init__(self, client: _Client) -> None:
        self.client = client
        self.info = _info(client)
        self._loop = asyncio.get_running_loop()
        self._steps: deque[Step] = deque()
        self._called = False
        self._stirred = asyncio.Event()

    @property
    def unsent(self) -> int:
        return len(self._steps)

    def hand(self, step: Step) -> None:
        """From trio's thread; one call into the loop for all the steps until it runs."""
        self._steps.append(step)
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # the loop is closed, of which trio is about to hear
                self._loop.call_soon_threadsafe(self.stir)

    def stir(self) -> None:
        self._called = False
        self._stirred.set()

    async def work(self) -> None:
        """Take steps until the connection ends."""
        ended = self.client.ended
        while not ended.is_set():
            await self._stirred.wait()
            self._stirred.clear()
            while self._steps and not ended.is_set():
                with suppress(nats.errors.Error):  # it has ended: whoever waits hears of that
                    await self._steps.popleft()(self)


class Link:
    """The loop and its connections; `opened` and `lost` are called in its thread."""

    def __init__(
        self,
        servers: Sequence[str],
        login: Mapping[str, Any],
        *,
        opened: Callable[[Connection], None],
        lost: Callable[[str], None],
    ) -> None:
        self._servers, self._login = servers, login
        self._opened, self._lost = opened, lost
        self._stop = asyncio.Event()
        self._loop = uvloop.new_event_loop()
        self._loop.set_exception_handler(_log_exception)

    def run(self) -> None:
        """Stay connected until stopped; `ConfigError` where the first login is refused."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_stopped())

    def stop(self) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _until_stopped(self) -> None:
        life = asyncio.ensure_future(self._stay_connected())
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((life, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        life.cancel()
        with suppress(asyncio.CancelledError):
            await life

    async def _stay_connected(self) -> None:
        client = await self._connect(first=True)
        while True:
            await self._serve(client)
            await pause()
            client = await self._connect(first=False)

    async def _connect(self, *, first: bool) -> _Client:
        """Try all servers for ever."""
        said = -REPEAT_LOG
        while True:
            for server in self._servers:
                client = _Client()
                reason = await self._try(client, server)
                if reason is None:
                    log.info("connected to the broker", server=address(server))
                    return client
                if first and DENIED.search(reason):
                    raise ConfigError(f"the broker at {address(server)} refuses the login: {reason}")
                if time.monotonic() - said >= REPEAT_LOG:
                    said = time.monotonic()
                    log.warning("no connection to the broker", server=address(server), reason=reason)
            await pause()

    async def _try(self, client: _Client, server: str) -> str | None:
        """Connect, or say why not."""
        try:
            await client.connect(servers=[server], error_cb=client.note, **OPTIONS, **self._login)
        except (OSError, nats.errors.Error) as error:
            client.trouble = client.trouble or error
        finally:
            if not client.is_connected:
                await client.close()
        return None if client.is_connected else str(client.trouble or "") or "no answer"

    async def _serve(self, client: _Client) -> None:
        """Work for trio until the connection ends."""
        connection = Connection(client)
        self._opened(connection)
        work = asyncio.ensure_future(connection.work())
        ended = asyncio.ensure_future(client.ended.wait())
        try:
            await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            reason = str(client.last_error or "closed")
            await client.close()
            work.cancel()
            connection.stir()  # nats-py swallows some cancels
            ended.cancel()
            await asyncio.wait((work,))
            self._lost(reason)
        log.warning("connection to the broker is lost", server=connection.info.url, reason=reason)
        if not work.cancelled():
            work.result()


def address(server: str) -> str:
    """Host and port of a server's URL, without its password; `ConfigError` where it has none."""
    try:
        url = urlsplit(server if "//" in server else f"nats://{server}")
        if url.hostname:
            return f"{url.hostname}:{url.port or 4222}"
    except ValueError:
        pass
    raise ConfigError(f"no server: {server!r}; expected a URL such as nats://host:4222")


def _info(client: _Client) -> ServerInfo:
    version, url = client.connected_server_version, client.connected_url
    return ServerInfo(
        url=f"{url.scheme}://{url.hostname}:{url.port}" if url else "",
        version=f"{version.major}.{version.minor}.{version.patch}",
        max_payload=client.max_payload,
    )


async def pause() -> None:
    await asyncio.sleep(uniform(0.1, 0.3))


def _log_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.error("asyncio reports an error", reason=context["message"], exc_info=context.get("exception"))
