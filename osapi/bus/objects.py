"""Objects: contents of any size, as chunks in a stream and a description beside them (NATS ADR-20).

Chunks are written first, under a name of their own; then a description says that they are an object. So a content
is there as a whole or not at all, and who still reads the one before it finds its chunks gone.
"""

import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from random import uniform
from typing import Any
from uuid import uuid4

import attrs
import msgspec
import structlog
import trio

from osapi.bus import BucketSpec, Message, ObjectInfo, Stale, Unconfirmed, Usage, descriptions
from osapi.bus.descriptions import Description, Placed
from osapi.bus.pipeline import AHEAD, Pipeline, following, pipeline
from osapi.bus.streams import EXPECTED, MARKER_TTL, Full, Stream, config
from osapi.errors import Error, NoSpace, Unavailable

HEADERS = 4096
"""Bytes of a message that are left for what is not its contents."""
AT_ONCE = 64
"""Descriptions that are read at once for a list."""
CLEANING = 2.0
"""Seconds that removing the chunks of what was not committed may take."""
TRIES = 50
"""How often a description is written over others that came first."""
PAUSE = 0.1
"""Seconds at most before the next try: what a cluster is about to store is in the way, and cannot be read yet."""

log = structlog.get_logger()


class Damaged(Error):
    """An object has not the contents that were described: they are damaged, or were replaced meanwhile."""


def stream_config(spec: BucketSpec) -> dict[str, Any]:
    """The stream behind an object store."""
    return config(spec, f"OBJ_{spec.name}", [f"$O.{spec.name}.C.>", f"$O.{spec.name}.M.>"])


@attrs.frozen(eq=False)
class NatsObjects:
    """An object store on the broker; see `osapi.bus.Objects`."""

    spec: BucketSpec
    stream: Stream

    @asynccontextmanager
    async def draft(self) -> AsyncGenerator["Draft"]:
        nuid = uuid4().hex
        await self.stream.last(self.chunks(nuid))  # makes the stream again where the broker has lost it
        connection = self.stream.connection
        chunk = min(self.spec.chunk, connection.server.max_payload - HEADERS)
        with pipeline(connection, max(AHEAD // chunk, 1)) as sending:
            draft = Draft(self, sending, nuid, chunk)
            try:
                yield draft
            finally:
                await draft.close()

    async def describe(self, name: str) -> ObjectInfo | None:
        found = await self.find(name)
        return found.info if found else None

    def read(self, found: ObjectInfo) -> AsyncIterator[bytes]:
        return Reader(self, found)

    async def list(self) -> list[ObjectInfo]:
        found = [info for each in await self._all() if (info := each.info)]
        return sorted(found, key=lambda info: info.name)

    async def put(self, name: str, data: bytes) -> str:
        async with self.draft() as draft:
            await draft.write(data)
            return (await draft.commit(name)).sha256

    async def get(self, name: str) -> bytes | None:
        found = await self.describe(name)
        while found is not None:
            try:
                return b"".join([piece async for piece in self.read(found)])
            except Damaged:
                again = await self.describe(name)
                if again == found:
                    raise
                found = again
        return None

    async def delete(self, name: str) -> None:
        """Leave a mark, which goes by itself; where there is no room for it, do without."""
        found = await self.find(name)
        if found is None or found.info is None:
            return
        gone = Description(name=name, bucket=self.spec.name, nuid=found.description.nuid, deleted=True)
        try:
            await self.place(gone, headers={"Nats-TTL": f"{MARKER_TTL}s"})
        except NoSpace:
            await self.stream.purge(self._description(name))
            await self.drop(gone.nuid)

    async def usage(self) -> Usage:
        """Deleted objects count until their marks go."""
        state = (await self.stream.info(self._descriptions)).state
        return Usage(name=self.spec.name, keys=len(state.subjects or ()), bytes=state.bytes)

    async def sweep(self, age: float) -> int:
        """Remove drafts to which nothing was added for so many seconds, as a killed process leaves them; how many."""
        drafts = set((await self.stream.info(self.chunks(">"))).state.subjects or ())
        described = [each.description for each in await self._all()]
        drafts -= {self.chunks(each.nuid) for each in described if not each.deleted}
        swept = 0
        for subject in drafts:
            last = await self.stream.last(subject)
            if last is not None and time.time() - descriptions.stored(last).timestamp() > age:
                await self.stream.purge(subject)
                swept += 1
        return swept

    async def find(self, name: str) -> Placed | None:
        """The description of an object, also of one that was deleted."""
        return _placed(name, await self.stream.last(self._description(name)))

    async def place(
        self, new: Description, revision: int | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        """Put a description in the place of another, whose chunks go; the revision it has now.

        Brought to its end once begun: else nobody would know which chunks to remove. `Unconfirmed` where it may
        have been written, and in no other case.
        """
        with trio.CancelScope(shield=True):
            for _ in range(TRIES):
                before = await self._newest(new.name)
                there = before.revision if before and before.info else 0
                if revision not in (None, there):
                    raise Stale(f"object {new.name} of {self.spec.name} was changed meanwhile")
                with suppress(Stale):
                    written = await self._write_over(before, new, headers or {})
                    if before is not None and not before.description.deleted:
                        await self.drop(before.description.nuid)
                    return written
                await trio.sleep(uniform(0, PAUSE))
        raise Unavailable(f"object {new.name} of {self.spec.name} is changed by others all the time")

    async def drop(self, nuid: str) -> None:
        """Remove the chunks of no object, within seconds, or leave them to the next sweep."""
        reason = f"no answer within {CLEANING:g} s"
        with trio.move_on_after(CLEANING, shield=True):
            try:
                await self.stream.purge(self.chunks(nuid))
                return
            except Error as error:
                reason = str(error)
        log.warning("chunks of no object are left", store=self.spec.name, chunks=nuid, reason=reason)

    def accepted(self, answer: Message) -> None:
        """Whether a chunk was stored; `NoSpace` where there was no room for it."""
        with self._room():
            self.stream.accepted(answer, f"a chunk of an object of {self.spec.name}")

    def chunks(self, nuid: str) -> str:
        """The subject of the chunks of an object."""
        return f"$O.{self.spec.name}.C.{nuid}"

    async def _newest(self, name: str) -> Placed | None:
        """As `find`, and nobody has written another before that is known here."""
        try:
            return _placed(name, await self.stream.of_the_leader({"last_by_subj": self._description(name)}))
        except Unconfirmed as error:
            raise Unavailable(str(error)) from None  # a question without an answer has written nothing

    async def _write_over(self, before: Placed | None, new: Description, headers: Mapping[str, str]) -> int:
        """Write a description, unless there is another than `before` by now; the revision it has."""
        conditions = {"Nats-Rollup": "sub", EXPECTED: str(before.revision if before else 0)}
        try:
            with self._room():
                return await self.stream.write(
                    self._description(new.name), msgspec.json.encode(new), {**conditions, **headers}
                )
        except Unconfirmed:
            with suppress(Unavailable):
                after = await self._newest(new.name)
                if after is not None and after.description == new:
                    return after.revision
            raise

    async def _all(self) -> Sequence[Placed]:
        """All descriptions, those of deleted objects too."""
        subjects = (await self.stream.info(self._descriptions)).state.subjects or ()
        answers: list[Message] = []
        with pipeline(self.stream.connection, AT_ONCE) as asking:
            for subject in subjects:
                answers += await asking.ask(f"$JS.API.DIRECT.GET.{self.stream.name}.{subject}", b"")
            answers += await asking.rest()
        messages = [message for answer in answers if (message := self.stream.direct(answer))]
        return [
            descriptions.placed(each.headers["Nats-Subject"].rpartition(".")[2], each) for each in messages
        ]

    @contextmanager
    def _room(self) -> Generator[None]:
        """Tell a store that is full from a broker that is away."""
        try:
            yield
        except Full as error:
            raise NoSpace(f"object store {str(error).removeprefix('OBJ_')}") from None

    @property
    def _descriptions(self) -> str:
        return f"$O.{self.spec.name}.M.>"

    def _description(self, name: str) -> str:
        return f"$O.{self.spec.name}.M.{descriptions.token(name)}"


def _placed(name: str, message: Message | None) -> Placed | None:
    """The description that a message is, where there is one."""
    return None if message is None else descriptions.placed(descriptions.token(name), message)


class Draft:
    """See `osapi.bus.ObjectDraft`; chunks that wait for their acknowledgement are what `sending` has in flight."""

    def __init__(self, store: NatsObjects, sending: Pipeline, nuid: str, chunk: int) -> None:
        self._store, self._sending, self._nuid, self._chunk = store, sending, nuid, chunk
        self._held = bytearray()
        self._digest = sha256()
        self._size = self._sent = self._stored = 0
        self._kept = False

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            room = self._chunk - len(self._held)
            self._held += rest[:room]
            rest = rest[room:]
            if len(self._held) == self._chunk:
                await self._send()

    async def commit(
        self, name: str, *, headers: Mapping[str, str] | None = None, revision: int | None = None
    ) -> ObjectInfo:
        if self._held:
            await self._send()
        self._note(await self._sending.rest())
        if self._stored != self._sent:
            raise Error(
                f"object {name} was not stored: {self._sent - self._stored} of its chunks were refused"
            )
        description = Description(
            name=name,
            bucket=self._store.spec.name,
            nuid=self._nuid,
            size=self._size,
            chunks=self._sent,
            digest=descriptions.digest(self._digest.digest()),
            headers={header: [value] for header, value in (headers or {}).items()},
            options={"max_chunk_size": self._chunk},
        )
        return await self._name(description, revision)

    async def _name(self, description: Description, revision: int | None) -> ObjectInfo:
        try:
            written = await self._store.place(description, revision)
        except Error as error:
            self._kept = isinstance(error, Unconfirmed)  # there may be an object now, which needs its chunks
            raise
        self._kept = True
        info = Placed(description.name, description, written, datetime.now(UTC)).info
        assert info is not None
        return info

    async def close(self) -> None:
        """Leave nothing of what was not committed."""
        if self._kept or not self._sent:
            return
        with trio.move_on_after(CLEANING, shield=True), suppress(Unavailable):
            await self._sending.rest()  # or chunks would be stored after the others were removed
        await self._store.drop(self._nuid)

    async def _send(self) -> None:
        data = bytes(self._held)
        self._held.clear()
        self._digest.update(data)
        self._size += len(data)
        self._sent += 1
        self._note(await self._sending.ask(self._store.chunks(self._nuid), data))

    def _note(self, answers: list[Message]) -> None:
        for answer in answers:
            self._store.accepted(answer)
            self._stored += 1


class Reader(AsyncIterator[bytes]):
    """The contents of an object, chunk after chunk; see `osapi.bus.Objects.read`.

    The last ones are handed over only when all are known to be right: what is damaged never seems whole.
    """

    def __init__(self, store: NatsObjects, found: ObjectInfo) -> None:
        self._store, self._found = store, found
        self._nuid = ""
        self._pieces = deque[bytes]()
        self._digest = sha256()
        self._size = self._sequence = 0

    async def __anext__(self) -> bytes:
        if not self._nuid:
            self._nuid = await self._begin()
        while not self._pieces:
            if self._size >= self._found.size:
                await self._verify()
                raise StopAsyncIteration
            await self._fetch()
        return self._pieces.popleft()

    async def _begin(self) -> str:
        placed = await self._store.find(self._found.name)
        if placed is None or placed.info is None or placed.info.sha256 != self._found.sha256:
            raise self._replaced()
        return placed.description.nuid

    async def _fetch(self) -> None:
        messages = await following(self._store.stream, self._store.chunks(self._nuid), self._sequence + 1)
        for message in messages:
            self._sequence = int(message.headers["Nats-Sequence"])
            self._size += len(message.data)
            self._digest.update(message.data)
        if not messages or self._size >= self._found.size:
            await self._verify()
        self._pieces.extend(message.data for message in messages)

    async def _verify(self) -> None:
        """Whether all of it was read, and is right."""
        if (self._size, self._digest.hexdigest()) != (self._found.size, self._found.sha256):
            if await self._begin() != self._nuid:
                raise self._replaced()
            store, digest = self._store.spec.name, self._found.sha256
            raise Damaged(f"object {self._found.name} of {store} is damaged: it has not the SHA-256 {digest}")

    def _replaced(self) -> Damaged:
        found, store = self._found.name, self._store.spec.name
        return Damaged(f"object {found} of {store} was replaced or deleted while it was read")
