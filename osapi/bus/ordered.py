"""Reading a stream in order, each message once, across outages: what watches of buckets and readers of logs share.

nats-py's ordered consumers stay silent for long after the broker was away. This one is a consumer of our own for
each stretch of connection: the broker sends a heartbeat each second when it has nothing else, numbers what it
sends, and waits for us when we are slow (flow control). A gap, silence or a lost connection ends the
stretch; the next begins after the last message that was handed over.

Sources: NATS ADR-15 (reply subjects), ADR-17 (ordered consumers).
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from random import uniform
from typing import Generic, TypeVar

import attrs
import structlog
import trio

from osapi.bus import CaughtUp, Message
from osapi.bus.streams import NO_SUCH_STREAM, SECOND, STATUS, Connection, Info, Rejected, Stream
from osapi.errors import Error, Unavailable

T = TypeVar("T")

HEARTBEAT = 1
SILENCE = 2.5
"""Seconds without a message or heartbeat after which a consumer is taken for lost."""
UNUSED = 10
"""Seconds after which the broker drops a consumer to which nobody listens."""
AHEAD = 100
"""Items that wait for who reads them; after that the broker is asked to wait."""

log = structlog.get_logger()


@attrs.define(eq=False)
class Mailbox:
    """What arrives on one subject, taken in batches so that a message does not cost a wake-up."""

    messages: list[Message] = attrs.field(factory=list)
    interrupted: bool = False
    stirred: trio.Event = attrs.field(factory=trio.Event)

    def deliver(self, message: Message) -> None:
        self.messages.append(message)
        self.stirred.set()

    def interrupt(self) -> None:
        self.interrupted = True
        self.stirred.set()

    async def receive(self, patience: float = SILENCE) -> list[Message]:
        """All that has arrived; `Unavailable` when nothing did for so many seconds, or when nothing will."""
        with trio.move_on_after(patience):
            await self.stirred.wait()
        if not self.messages:
            raise Unavailable(
                "connection lost" if self.interrupted else f"the broker was silent for {patience:g} s"
            )
        batch, self.messages = self.messages, []
        if not self.interrupted:
            self.stirred = trio.Event()
        return batch


@attrs.frozen
class Position:
    """Where a message stands, as its reply subject says (NATS ADR-15)."""

    stream: int
    consumer: int
    time: float
    pending: int

    @classmethod
    def of(cls, reply: str) -> "Position":
        """`$JS.ACK.` then, since ADR-15, domain and account; then stream, consumer, deliveries, four numbers."""
        words = reply.split(".")
        first = 5 if len(words) <= 9 else 7
        stream, consumer, nanoseconds, pending = words[first : first + 4]
        return cls(int(stream), int(consumer), int(nanoseconds) / SECOND, int(pending))


@attrs.frozen
class _ConsumerInfo:
    num_pending: int = 0


@attrs.define(eq=False, kw_only=True)
class Follower(ABC, Generic[T]):
    """The task behind one watch or reader; what it knows outlives a connection."""

    stream: Stream
    subjects: str
    """Those that are followed; a pattern."""
    send: trio.MemorySendChannel[T | CaughtUp]

    ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    heard: float = attrs.field(default=0.0, init=False)
    """When the last stretch heard from the broker, by trio's clock."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _received: int = attrs.field(default=0, init=False)
    """Messages from the consumer of this stretch."""
    _complete: bool = attrs.field(default=False, init=False)

    @abstractmethod
    def begin(self, found: Info) -> Mapping[str, object]:
        """Where a stretch begins, as a consumer's deliver policy; the stream is as `found`."""

    @abstractmethod
    async def take(self, message: Message, position: Position) -> None:
        """Hand over one message, unless that was done."""

    @property
    def _connection(self) -> Connection:
        return self.stream.connection

    async def run(self) -> None:
        """Follow until stopped, or until nobody reads."""
        try:
            with self._scope, self.send:
                while True:
                    await self._connection.until_connected()
                    await trio.sleep(await self._stretch())
        except trio.BrokenResourceError:
            pass
        finally:
            self.ended.set()

    async def stop(self) -> None:
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self.ended.wait()

    async def _stretch(self) -> float:
        """Follow until something breaks; the seconds to wait before the next try."""
        try:
            await self._follow()
        except Unavailable as error:
            log.info("watch interrupted", keys=self.subjects, reason=str(error))
            return uniform(0.1, 0.2)
        except Error as error:
            log.error("watch refused", keys=self.subjects, reason=str(error))
        return uniform(1.0, 2.0)

    async def _follow(self) -> None:
        start = self.begin(await self._found())
        mailbox, inbox = Mailbox(), self._connection.inbox()
        consumer = inbox.rpartition(".")[2]
        with self._connection.listening(inbox, mailbox.deliver, mailbox.interrupt):
            pending = await self._consume(consumer, inbox, start)
            self._received = 0
            try:
                if not pending:
                    await self.caught_up()
                while True:
                    for message in await mailbox.receive():
                        await self._hear(message)
                    self.heard = trio.current_time()
            finally:
                await self._forget(consumer)

    async def _found(self) -> Info:
        """The stream as it is; made again where the broker lost it."""
        try:
            return await self.stream.info()
        except Rejected as error:
            if error.err_code != NO_SUCH_STREAM:
                raise
        await self.stream.ensure()
        return await self.stream.info()

    async def _consume(self, name: str, inbox: str, start: Mapping[str, object]) -> int:
        """Make a consumer; how many messages it has for us."""
        config = {
            "name": name,
            "deliver_subject": inbox,
            "filter_subject": self.subjects,
            "ack_policy": "none",
            "flow_control": True,
            "idle_heartbeat": HEARTBEAT * SECOND,
            "inactive_threshold": UNUSED * SECOND,
            "mem_storage": True,
            "num_replicas": 1,
        }
        made = await self.stream.ask(
            f"CONSUMER.CREATE.{self.stream.name}.{name}.{self.subjects}",
            {"stream_name": self.stream.name, "config": {**config, **start}},
            _ConsumerInfo,
        )
        return made.num_pending

    async def _forget(self, consumer: str) -> None:
        """Tell the broker, if it listens, that a consumer is not needed; it finds out by itself, later."""
        with trio.move_on_after(0.1, shield=True):
            try:
                await self._connection.publish(
                    f"$JS.API.CONSUMER.DELETE.{self.stream.name}.{consumer}",
                    b"",
                    reply=self._connection.inbox(),
                )
            except Unavailable:
                return

    async def _hear(self, message: Message) -> None:
        if message.headers.get(STATUS) == "100":
            await self._control(message)
            return
        position = Position.of(message.reply)
        if position.consumer != self._received + 1:
            raise Unavailable(f"message {position.consumer} after {self._received}")
        self._received += 1
        await self.take(message, position)
        if position.pending == 0:
            await self.caught_up()

    async def _control(self, message: Message) -> None:
        """A heartbeat, or a question whether we have come so far: all before it has been handed over."""
        if message.reply:
            await self._connection.publish(message.reply, b"")
            return
        sent = int(message.headers.get("Nats-Last-Consumer", self._received))
        if sent != self._received:
            raise Unavailable(f"{sent} messages were sent, {self._received} arrived")
        if stalled := message.headers.get("Nats-Consumer-Stalled"):
            await self._connection.publish(stalled, b"")
        else:
            await self.caught_up()

    async def caught_up(self) -> None:
        """All that was there has been seen; told once."""
        if not self._complete:
            self._complete = True
            await self.hand(CaughtUp())

    async def hand(self, item: T | CaughtUp) -> None:
        try:
            self.send.send_nowait(item)
        except trio.WouldBlock:
            await self.send.send(item)


@asynccontextmanager
async def following(
    follower: Follower[T], receive: trio.MemoryReceiveChannel[T | CaughtUp]
) -> AsyncGenerator[trio.MemoryReceiveChannel[T | CaughtUp]]:
    """Let a follower run while its items are read.

    Where the bus ends first, the channel does, and `Unavailable` follows.
    """
    follower.stream.connection.nursery.start_soon(follower.run, name=f"follow {follower.subjects}")
    try:
        yield receive
    finally:
        alone = follower.ended.is_set() and receive.statistics().open_receive_channels > 0
        receive.close()
        await follower.stop()
    if alone:
        raise Unavailable("the bus has ended")
