"""Following a bucket: every change once and in order, across outages.

nats-py's watchers stay silent for long after the broker was away. This one is a consumer of our own for each
stretch of connection: the broker sends a heartbeat each second when it has nothing else, numbers what it
sends, and waits for us when we are slow (flow control). A gap, silence or a lost connection ends the
stretch; the next begins after the last entry that was handed over.

Sources: NATS ADR-8 (key-value), ADR-17 (ordered consumers), ADR-48 (delete markers).
"""

import time
from random import uniform

import attrs
import structlog
import trio

from osapi.bus import CaughtUp, Entry, Message
from osapi.bus.streams import NO_SUCH_STREAM, SECOND, STATUS, Connection, Rejected, Stream
from osapi.errors import Error, Unavailable

HEARTBEAT = 1
SILENCE = 2.5
"""Seconds without a message or heartbeat after which a consumer is taken for lost."""
UNUSED = 10
"""Seconds after which the broker drops a consumer to which nobody listens."""

log = structlog.get_logger()


def is_marker(message: Message) -> bool:
    """Whether a message says that its key is gone."""
    return bool(message.headers) and (
        message.headers.get("KV-Operation") in ("DEL", "PURGE") or "Nats-Marker-Reason" in message.headers
    )


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
class Follower:
    """The task behind one watch; what it knows outlives a connection."""

    stream: Stream
    prefix: str
    keys: str
    send: trio.MemorySendChannel[Entry | CaughtUp]
    marker_life: float
    """Seconds for which the broker remembers that a key has gone."""

    ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _last: int = attrs.field(default=0, init=False)
    """Sequence in the stream of the last entry handed over."""
    _made: str = attrs.field(default="", init=False)
    """When the stream was made: another time, another stream."""
    _heard: float = attrs.field(default=0.0, init=False)
    _present: set[str] = attrs.field(factory=set, init=False)
    """Keys the reader believes to be there."""
    _unseen: set[str] = attrs.field(factory=set, init=False)
    """Those of them that a fresh look at the bucket has not shown yet."""
    _received: int = attrs.field(default=0, init=False)
    """Messages from the consumer of this stretch."""
    _complete: bool = attrs.field(default=False, init=False)

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
            log.info("watch interrupted", keys=self.prefix + self.keys, reason=str(error))
            return uniform(0.1, 0.2)
        except Error as error:
            log.error("watch refused", keys=self.prefix + self.keys, reason=str(error))
        return uniform(1.0, 2.0)

    async def _follow(self) -> None:
        start = await self._begin()
        mailbox, inbox = Mailbox(), self._connection.inbox()
        consumer = inbox.rpartition(".")[2]
        with self._connection.listening(inbox, mailbox.deliver, mailbox.interrupt):
            pending = await self._consume(consumer, inbox, start)
            self._received = 0
            try:
                if not pending:
                    await self._caught_up()
                while True:
                    for message in await mailbox.receive():
                        await self._take(message)
                    self._heard = trio.current_time()
            finally:
                await self._forget(consumer)

    async def _begin(self) -> int:
        """The sequence to go on from; 0 for a fresh look at all keys.

        A fresh look is needed at first, when the bucket is another one, and after an outage so long that
        the broker may have forgotten which keys went meanwhile.
        """
        try:
            found = await self.stream.info()
        except Rejected as error:
            if error.err_code != NO_SUCH_STREAM:
                raise
            await self.stream.ensure()
            found = await self.stream.info()
        if found.created != self._made or found.state.last_seq < self._last:
            self._made, self._last = found.created, 0
        elif self._last and trio.current_time() - self._heard < self.marker_life / 2:
            return self._last + 1
        self._unseen = set(self._present)
        return 0

    async def _consume(self, name: str, inbox: str, start: int) -> int:
        """Make a consumer; how many messages it has for us."""
        subject = self.prefix + self.keys
        config = {
            "name": name,
            "deliver_subject": inbox,
            "filter_subject": subject,
            "ack_policy": "none",
            "flow_control": True,
            "idle_heartbeat": HEARTBEAT * SECOND,
            "inactive_threshold": UNUSED * SECOND,
            "mem_storage": True,
            "num_replicas": 1,
        }
        where = (
            {"deliver_policy": "by_start_sequence", "opt_start_seq": start}
            if start
            else {"deliver_policy": "last_per_subject"}
        )
        made = await self.stream.ask(
            f"CONSUMER.CREATE.{self.stream.name}.{name}.{subject}",
            {"stream_name": self.stream.name, "config": config | where},
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

    async def _take(self, message: Message) -> None:
        if message.headers.get(STATUS) == "100":
            await self._control(message)
            return
        position = Position.of(message.reply)
        if position.consumer != self._received + 1:
            raise Unavailable(f"message {position.consumer} after {self._received}")
        self._received += 1
        key = message.subject.removeprefix(self.prefix)
        self._unseen.discard(key)
        if position.stream > self._last:
            gone = is_marker(message)
            lapsed = "Nats-Marker-Reason" in message.headers
            entry = Entry(key, None if gone else message.data, position.stream, position.time, lapsed)
            await self._hand(entry)
            self._last = position.stream
            (self._present.discard if gone else self._present.add)(key)
        if position.pending == 0:
            await self._caught_up()

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
            await self._caught_up()

    async def _caught_up(self) -> None:
        for key in sorted(self._unseen):
            self._present.discard(key)
            await self._hand(Entry(key, None, self._last, time.time(), lapsed=True))
        self._unseen.clear()
        if not self._complete:
            self._complete = True
            await self._hand(CaughtUp())

    async def _hand(self, item: Entry | CaughtUp) -> None:
        try:
            self.send.send_nowait(item)
        except trio.WouldBlock:
            await self.send.send(item)
