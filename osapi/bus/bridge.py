"""The bus over NATS, for trio: calls are handed to the link's thread, and what arrives comes back in batches.

All that is known of calls and subscriptions lives here, in trio's thread. A call is an entry in a table until
it is answered, cancelled, too late, or its connection is lost: whichever comes first takes it out.
"""

import math
import re
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import count
from secrets import token_hex
from typing import Any

import attrs
import nkeys  # type: ignore[import-untyped]  # it has no types
import outcome
import structlog
import trio

from osapi.bus import (
    Bucket,
    BucketSpec,
    Log,
    LogSpec,
    Message,
    NoResponders,
    Objects,
    ServerInfo,
    Streams,
    Unconfirmed,
    buckets,
    nats,
    objects,
    snapshots,
)
from osapi.bus import log as logs
from osapi.bus.nats import Connection, Link, Listener, Step, address
from osapi.bus.streams import STATUS, Stream
from osapi.errors import BadInput, ConfigError, TooLarge, Unavailable

FLUSH_TIMEOUT = 5.0
REPEAT_LOG = 5.0
GOODBYE = 0.5
"""Seconds to send what is left when the bus ends."""
UNSENT, UNREAD, UNHEARD = 1024, 16_384, 16_384
"""Messages above which a publisher waits, a subscriber loses some, and the link's thread waits for trio."""

SUBJECT = re.compile(r"[^\s.]+(\.[^\s.]+)*")
HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

log = structlog.get_logger()


@attrs.define(eq=False)
class _Call:
    """A task that waits for an answer; what it got, when it runs again."""

    task: trio.lowlevel.Task
    answer: Message | None = None
    lost: str | None = None


@attrs.define(eq=False)
class _Reader:
    """The far end of a subscription; what it is too slow for is counted."""

    subject: str
    send: trio.MemorySendChannel[Message]
    lost: int = 0
    said: float = -math.inf

    def deliver(self, message: Message) -> None:
        try:
            self.send.send_nowait(message)
        except trio.BrokenResourceError:
            return
        except trio.WouldBlock:
            self.lost += 1
            if time.monotonic() - self.said > REPEAT_LOG:
                self.said = time.monotonic()
                log.warning("a slow subscriber loses messages", subject=self.subject, lost=self.lost)


class NatsBus:
    """See `osapi.bus.Bus`. `servers` are URLs; `nkey_file` holds the seed of a user."""

    def __init__(
        self, servers: Sequence[str], *, name: str, user: str = "", password: str = "", nkey_file: str = ""
    ) -> None:
        for server in servers:
            address(server)
        self._servers, self._nkey_file = list(servers), nkey_file
        self._login: dict[str, Any] = {"name": name}
        if user:
            self._login |= {"user": user, "password": password}
        if nkey_file:
            self._login |= {"nkeys_seed": nkey_file}
        self._replies = self.inbox()
        self._tokens = count(1)
        self._calls: dict[str, _Call] = {}
        self._listeners = {Listener(f"{self._replies}.*", "", partial(self._arrive, self._answered)): _ignore}
        self._arrived: deque[tuple[Callable[..., None], Any]] = deque()
        self._called = False
        self._connection: Connection | None = None
        self.connections = 0
        self._up = trio.Event()
        self._begun = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._trio: trio.lowlevel.TrioToken

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def server(self) -> ServerInfo:
        return self._live().info

    @property
    def streams(self) -> Streams:
        return snapshots.NatsStreams(self)

    @property
    def nursery(self) -> trio.Nursery:
        if self._nursery is None:
            raise Unavailable("the bus does not run")
        return self._nursery

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """See `osapi.bus.Bus`; `ConfigError` where the first login is refused."""
        await self._check_nkey()
        self._trio = trio.lowlevel.current_trio_token()
        self._begun, ended, results = trio.Event(), trio.Event(), list[outcome.Outcome[None]]()

        def end(result: outcome.Outcome[None]) -> None:
            results.append(result)
            self._begun.set()
            ended.set()

        post = self._post
        thread = Link(
            self._servers, self._login, opened=partial(post, self._opened), lost=partial(post, self._lost)
        )
        worker = threading.Thread(target=lambda: post(end, outcome.capture(thread.run)), name="nats")
        worker.start()
        try:
            await self._begun.wait()
            if not results:
                task_status.started()
                async with trio.open_nursery() as self._nursery:
                    await ended.wait()
                    self._nursery.cancel_scope.cancel()
        finally:
            self._nursery = None
            await self._say_goodbye()
            thread.stop()
            with trio.CancelScope(shield=True):
                await ended.wait()
            worker.join()
        results[0].unwrap()

    async def until_connected(self) -> None:
        """Wait for the broker, without a limit."""
        while self._connection is None:
            await self._up.wait()

    async def publish(
        self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        _check(self._live(), subject, data, headers)
        if self._live().unsent < UNSENT:
            await trio.lowlevel.checkpoint()
        else:
            await self._call(lambda token: partial(self._report, token), FLUSH_TIMEOUT, "sending")
        self._live().hand(partial(nats.publish, subject, data, reply, headers))

    async def request(
        self, subject: str, data: bytes, *, timeout: float, headers: Mapping[str, str] | None = None
    ) -> Message:
        _check(self._live(), subject, data, headers)

        def ask(token: str) -> Step:
            return partial(self._ask, token, subject, data, headers)

        answer = await self._call(ask, timeout, subject)
        if answer.headers.get(STATUS) == "503" and not answer.data:
            raise NoResponders(f"nobody listens to {subject}")
        return answer

    async def flush(self) -> None:
        await self._call(lambda token: partial(self._flush, token), FLUSH_TIMEOUT, "flush")

    @asynccontextmanager
    async def subscribe(
        self, subject: str, *, queue: str = ""
    ) -> AsyncGenerator[trio.MemoryReceiveChannel[Message]]:
        """See `osapi.bus.Bus`; while the broker is away it waits for its return. A slow reader loses some."""
        send, receive = trio.open_memory_channel[Message](UNREAD)
        reader = _Reader(subject, send)
        with send, receive, self.listening(subject, reader.deliver, _ignore, queue=queue):
            with suppress(Unavailable):
                await self.flush()
            yield receive

    @contextmanager
    def listening(
        self,
        subject: str,
        deliver: Callable[[Message], None],
        interrupted: Callable[[], None],
        *,
        queue: str = "",
    ) -> Generator[None]:
        """Call `deliver` in trio's thread for what is published, `interrupted` when a connection is lost."""
        if not SUBJECT.fullmatch(subject) or re.search(r"\s", queue):
            raise BadInput(f"{subject!r} is no subject: expected words between dots")
        listener = Listener(subject, queue, partial(self._arrive, deliver))
        self._listeners[listener] = interrupted
        if self._connection is not None:
            self._connection.hand(listener.start)
        try:
            yield
        finally:
            del self._listeners[listener]
            if self._connection is not None:
                self._connection.hand(listener.stop)

    def inbox(self) -> str:
        return f"_INBOX.{token_hex(11)}"

    async def bucket(self, spec: BucketSpec) -> Bucket:
        stream = Stream(self, buckets.stream_config(spec))
        await stream.ensure()
        return buckets.NatsBucket(spec, stream)

    async def objects(self, spec: BucketSpec) -> Objects:
        stream = Stream(self, objects.stream_config(spec))
        await stream.ensure()
        return objects.NatsObjects(spec, stream)

    async def log(self, spec: LogSpec) -> Log:
        stream = Stream(self, logs.stream_config(spec))
        await stream.ensure()
        return logs.NatsLog(spec, stream)

    def _live(self) -> Connection:
        if self._connection is None:
            raise Unavailable("the broker is away")
        return self._connection

    async def _call(self, step: Callable[[str], Step], timeout: float, what: str) -> Message:
        connection, token = self._live(), str(next(self._tokens))
        call = self._calls[token] = _Call(trio.lowlevel.current_task())

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._calls[token]
            return trio.lowlevel.Abort.SUCCEEDED

        connection.hand(step(token))
        with trio.move_on_after(timeout):
            await trio.lowlevel.wait_task_rescheduled(abort)
        if call.answer is None:
            raise Unconfirmed(f"{what}: {call.lost or f'no answer within {timeout:g} s'}")
        return call.answer

    # Steps, in the link's thread. A call that is no longer waited for is not sent.

    async def _ask(
        self,
        token: str,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None,
        connection: Connection,
    ) -> None:
        if token in self._calls:
            await nats.publish(subject, data, f"{self._replies}.{token}", headers, connection)

    async def _flush(self, token: str, connection: Connection) -> None:
        await nats.flush(connection)
        await self._report(token, connection)

    async def _report(self, token: str, _connection: Connection) -> None:
        self._post(self._answered, Message(f"{self._replies}.{token}", b""))

    async def _arrive(self, deliver: Callable[[Message], None], message: Message) -> None:
        while len(self._arrived) > UNHEARD:
            await nats.pause()
        self._post(deliver, message)

    def _post(self, handle: Callable[..., None], argument: Any) -> None:
        """One wake-up of trio for all that is posted until it runs."""
        self._arrived.append((handle, argument))
        if not self._called:
            self._called = True
            self._trio.run_sync_soon(self._handle)

    # In trio's thread.

    def _handle(self) -> None:
        self._called = False
        for _ in range(len(self._arrived)):
            handle, argument = self._arrived.popleft()
            handle(argument)

    def _answered(self, message: Message) -> None:
        call = self._calls.pop(message.subject.rpartition(".")[2], None)
        if call is not None:
            call.answer = message
            trio.lowlevel.reschedule(call.task)

    def _opened(self, connection: Connection) -> None:
        for listener in self._listeners:
            connection.hand(listener.start)
        self._connection = connection
        self.connections += 1
        self._up.set()
        self._begun.set()

    def _lost(self, reason: str) -> None:
        self._connection, self._up = None, trio.Event()
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.lost = f"connection lost: {reason}"
            trio.lowlevel.reschedule(call.task)
        for interrupted in tuple(self._listeners.values()):
            interrupted()

    async def _say_goodbye(self) -> None:
        with trio.move_on_after(GOODBYE, shield=True), suppress(Unavailable):
            await self.flush()

    async def _check_nkey(self) -> None:
        if not self._nkey_file:
            return
        try:
            nkeys.from_seed(bytearray((await trio.Path(self._nkey_file).read_bytes()).strip())).wipe()
        except OSError as error:
            raise ConfigError(f"nkey_file {self._nkey_file}: {error.strerror}") from None
        except (nkeys.NkeysError, ValueError) as error:
            raise ConfigError(f"nkey_file {self._nkey_file}: holds no seed of an nkey: {error}") from None


def _ignore() -> None:
    """Nothing to do when a connection is lost."""


def _check(connection: Connection, subject: str, data: bytes, headers: Mapping[str, str] | None) -> None:
    """Refuse what the broker would close the connection for."""
    if not SUBJECT.fullmatch(subject):
        raise BadInput(f"{subject!r} is no subject: expected words between dots")
    size = len(data)
    for name, value in (headers or {}).items():
        if not HEADER.fullmatch(name):
            raise BadInput(f"{name!r} is no name of a header: expected letters, digits and dashes")
        size += len(name) + len(value.encode()) + 16
    if size > (most := connection.info.max_payload):
        raise TooLarge(f"a message of {size} bytes for {subject}: the broker takes at most {most}")
