"""Logs: entries in the order they came, in a stream that nobody may delete from."""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import attrs
import trio

from osapi.bus import BrokerFull, CaughtUp, Line, LogSpec, LogState, Message
from osapi.bus.ordered import AHEAD, Follower, Position, following
from osapi.bus.streams import EXPECTED_LAST, SECOND, Full, Info, Stream
from osapi.errors import BadInput, NoSpace

NAME = re.compile(r"[-_a-zA-Z0-9]+(\.[-_a-zA-Z0-9]+)*")
PATTERN = re.compile(r"([-_a-zA-Z0-9]+|\*)(\.([-_a-zA-Z0-9]+|\*))*(\.>)?|>")


def stream_config(spec: LogSpec) -> dict[str, Any]:
    """The stream behind a log: its entries leave only by their age, or when it is full."""
    return {
        "name": spec.name,
        "subjects": [f"{spec.subject}.>"],
        "storage": spec.storage,
        "num_replicas": spec.replicas,
        "max_age": round(spec.max_age * SECOND),
        "max_bytes": spec.max_bytes or -1,
        "max_msgs_per_subject": spec.max_per_name or -1,
        "discard": "old" if spec.evict else "new",
        "allow_direct": True,
        "deny_delete": True,
        "deny_purge": True,
    }


@attrs.frozen(eq=False)
class NatsLog:
    """A log on the broker; see `osapi.bus.Log`."""

    spec: LogSpec
    stream: Stream

    @property
    def prefix(self) -> str:
        return f"{self.spec.subject}."

    async def append(self, name: str, data: bytes, *, after: int | None = None) -> int:
        expected = None if after is None else {EXPECTED_LAST: str(after)}
        try:
            return await self.stream.write(self._subject(name), data, expected)
        except Full as error:
            raise (NoSpace if error.limit else BrokerFull)(f"log {error}") from None

    async def at(self, sequence: int) -> Line | None:
        return self._line(await self.stream.at(sequence)) if sequence > 0 else None

    async def latest(self, name: str) -> Line | None:
        return self._line(await self.stream.last(self._subject(name)))

    @asynccontextmanager
    async def read(
        self, *, first: int = 1, names: str = ">"
    ) -> AsyncGenerator[trio.MemoryReceiveChannel[Line | CaughtUp]]:
        """See `osapi.bus.Log`. Where the bus ends first, the channel does, and `Unavailable` follows."""
        if not PATTERN.fullmatch(names):
            raise BadInput(
                f"{names!r} matches no names: expected words between dots, `*` for one, `>` at the end"
            )
        send, receive = trio.open_memory_channel[Line | CaughtUp](AHEAD)
        reader = Reader(
            stream=self.stream,
            subjects=self.prefix + names,
            send=send,
            prefix=self.prefix,
            first=max(first, 1),
        )
        async with following(reader, receive) as lines:
            yield lines

    async def state(self) -> LogState:
        found = (await self.stream.info()).state
        return LogState(first=found.first_seq, last=found.last_seq, entries=found.messages, bytes=found.bytes)

    def _subject(self, name: str) -> str:
        if not NAME.fullmatch(name):
            raise BadInput(f"{name!r} is no name of an entry: expected letters, digits and -_ between dots")
        return self.prefix + name

    def _line(self, message: Message | None) -> Line | None:
        if message is None:
            return None
        headers = message.headers
        return Line(
            name=headers.get("Nats-Subject", message.subject).removeprefix(self.prefix),
            data=message.data,
            sequence=int(headers["Nats-Sequence"]),
            created=datetime.fromisoformat(headers["Nats-Time-Stamp"]).timestamp(),
        )


@attrs.define(eq=False, kw_only=True)
class Reader(Follower[Line]):
    """The task behind one reading; `prefix` is what the subjects of entries begin with."""

    prefix: str
    first: int

    _made: str = attrs.field(default="", init=False)
    """When the stream was made: another time, another stream."""

    def begin(self, found: Info) -> Mapping[str, object]:
        """With the next entry; where the stream is another one, with its first."""
        if self._made and (found.created != self._made or found.state.last_seq < self.first - 1):
            self.first = 1
        self._made = found.created
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": self.first}

    async def take(self, message: Message, position: Position) -> None:
        if position.stream >= self.first:
            name = message.subject.removeprefix(self.prefix)
            await self.hand(Line(name, message.data, position.stream, position.time))
            self.first = position.stream + 1
