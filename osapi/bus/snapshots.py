"""Streams as a whole: what the broker has of them, copies of them, and streams made of copies.

A copy is JetStream's own: it has every message with its sequence, time and headers, so that revisions of keys, and
what is chained by them, are the same in a stream that is made of it. It is a tar, compressed with S2, that only a
broker reads. Sources: docs.nats.io, JetStream API, "Snapshot Stream" and "Restore Stream".
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import attrs
import msgspec

from osapi.bus import Account, Held, Message, NoResponders, Snapshot
from osapi.bus.ordered import Mailbox
from osapi.bus.streams import NO_SUCH_STREAM, STATUS, Connection, Problem, Rejected, Stream
from osapi.errors import Error, Unavailable

CHUNK = 128 * 1024
HEADERS = 4096
"""Bytes of a message, and those of them that are left for what is not its contents."""
PATIENCE = 60.0
"""Seconds that the broker may take to look through a stream before it begins, and between two messages."""
SETTLING = 600.0
"""Seconds that it may take to make a stream of what it was given."""
END = "204"


@attrs.frozen(eq=False)
class NatsStreams:
    """See `osapi.bus.Streams`."""

    connection: Connection

    async def account(self) -> Account:
        found = await self._stream("").ask("INFO", {}, _Account)
        most = found.limits.max_storage
        return Account(
            streams=found.streams,
            consumers=found.consumers,
            bytes=found.storage,
            most=None if most < 0 else most,
        )

    async def find(self, name: str) -> Held | None:
        try:
            found = await self._stream(name).ask(f"STREAM.INFO.{name}", {}, _Info)
        except Rejected as error:
            if error.err_code != NO_SUCH_STREAM:
                raise
            return None
        return Held(
            name=name,
            config=found.config,
            state=found.state,
            time=datetime.fromisoformat(found.ts).timestamp(),
        )

    @asynccontextmanager
    async def take(self, name: str) -> AsyncGenerator[Snapshot]:
        mailbox, inbox = Mailbox(), self.connection.inbox()
        wanted = {
            "deliver_subject": inbox,
            "no_consumers": True,
            "chunk_size": min(CHUNK, self.connection.server.max_payload - HEADERS),
            "jsck": True,
        }
        with self.connection.listening(inbox, mailbox.deliver, mailbox.interrupt):
            stream = self._stream(name)
            found = await stream.ask(f"STREAM.SNAPSHOT.{name}", wanted, _Info, timeout=PATIENCE)
            held = Held(name=name, config=found.config, state=found.state)
            yield Snapshot(held=held, pieces=_Pieces(self.connection, mailbox, name))

    async def put_back(self, held: Held, pieces: AsyncIterator[bytes]) -> None:
        wanted = {"config": held.config, "state": held.state}
        made = await self._stream(held.name).ask(f"STREAM.RESTORE.{held.name}", wanted, _Restoring)
        async for piece in pieces:
            await self._hand(held.name, made.deliver_subject, piece, PATIENCE)
        state = (await self._hand(held.name, made.deliver_subject, b"", SETTLING)).state
        if state.get("last_seq") != held.last:
            raise Error(f"{held.name}: {held.last} entries were put back, and the broker has {state}")

    async def remove(self, name: str) -> None:
        await self._stream(name).ask(f"STREAM.DELETE.{name}", {}, dict[str, Any])

    async def _hand(self, name: str, subject: str, piece: bytes, timeout: float) -> "_Taken":
        """A piece of a copy, or with an empty one its end; what the broker says of it."""
        try:
            answer = await self.connection.request(subject, piece, timeout=timeout)
        except NoResponders:
            raise Unavailable(f"{name}: the broker has given up putting it back") from None
        taken = msgspec.json.decode(answer.data, type=_Taken) if answer.data else _Taken()
        if taken.error is not None:
            raise Error(f"{name}: the broker cannot put it back: {taken.error.description}")
        return taken

    def _stream(self, name: str) -> Stream:
        return Stream(self.connection, {"name": name})


class _Pieces(AsyncIterator[bytes]):
    """A copy, message after message. Each is acknowledged when it is taken, so that the broker does not run ahead."""

    def __init__(self, connection: Connection, mailbox: Mailbox, name: str) -> None:
        self._connection, self._mailbox, self._name = connection, mailbox, name
        self._arrived = deque[Message]()

    async def __anext__(self) -> bytes:
        while not self._arrived:
            self._arrived.extend(await self._mailbox.receive(PATIENCE))
        message = self._arrived.popleft()
        if (status := message.headers.get(STATUS, END)) != END:
            reason = message.headers.get("Description", "")
            raise Unavailable(f"{self._name}: the broker has given up copying it: {status} {reason}".rstrip())
        if not message.data:
            raise StopAsyncIteration
        if message.reply:
            await self._connection.publish(message.reply, b"")
        return message.data


@attrs.frozen
class _Info:
    config: dict[str, Any]
    state: dict[str, Any]
    ts: str = ""


@attrs.frozen
class _Restoring:
    deliver_subject: str


@attrs.frozen
class _Taken:
    error: Problem | None = None
    state: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class _Limits:
    max_storage: int = -1


@attrs.frozen
class _Account:
    streams: int
    consumers: int
    storage: int
    limits: _Limits
