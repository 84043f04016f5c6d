"""Writing the audit log: what is told at once goes into one write, chained to what is there, and sealed.

A change waits until it is written; what tells of reads, and of how things ended, is written soon, together. Several
controllers write to one log: each write says after which sequence it comes, and is made anew where another was first.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

import attrs
import structlog
import trio

from controller.audit import entries
from osapi import wire
from osapi.audit.chain import Entry, Head, head_of, read, sealed
from osapi.bus import BrokerFull, Line, Log, Stale, Unconfirmed
from osapi.errors import BadInput, ConfigError, Error, NoSpace, Unavailable
from osapi.keys import KeyPair

NAME = "entries"
"""What entries are appended under."""

LINGER = 0.5
"""Seconds that an entry nobody waits for may wait for others."""
RETRY = 1.0
"""Seconds after a write that failed, unless somebody waits for the next."""
MOST, MOST_BYTES = 500, 512 * 1024
"""Entries and bytes of one write."""
WAITING = 5_000
"""Entries of reads that are kept while they cannot be written; of how changes ended, twice as many are."""
PATIENCE = 12.0
"""Seconds that a change waits to be on record: two writes may be on their way, of 5 s at most."""
ROUNDS = 100
"""How often another controller may be faster before a write is given up."""
KEEP_HEAD = 60.0
"""Seconds between two times that it is written down how far the log goes."""
RESERVED = 0.1
"""The part of a limited log that is kept for changes: reads and refusals are not recorded in it."""
LOOK = 5.0
"""Seconds between two looks at how full the log is."""
GOODBYE = 2.0
"""Seconds that the last write may take."""

log = structlog.get_logger()


@attrs.define(eq=False)
class Told:
    """An entry on its way. Where it is `awaited`, `ended` is set once it is written, or `error` says why not."""

    entry: Entry
    size: int
    awaited: bool = False
    ended: trio.Event = attrs.field(factory=trio.Event)
    error: Error | None = None

    def end(self, error: Error | None = None) -> None:
        self.error = error
        self.ended.set()


@attrs.frozen
class Doubtful:
    """A write of which it is not known whether it was taken."""

    after: int
    block: bytes
    head: Head
    told: Sequence[Told]


@attrs.define(eq=False)
class Trail:
    """The one writer of a controller. `keep_head` makes durable how far the log went, `known` is what it last kept."""

    log: Log
    keys: KeyPair
    known: Head
    keep_head: Callable[[str], None]
    max_bytes: int = 0

    head: Head = attrs.field(factory=Head, init=False)
    dropped: int = attrs.field(default=0, init=False)
    """Entries that could not be kept, and have not been told of yet."""
    _failing: bool = attrs.field(default=False, init=False)
    _tight: bool = attrs.field(default=False, init=False)
    """Whether what room is left is for changes."""
    _sequence: int | None = attrs.field(default=None, init=False)
    """The log's last, after which the next write comes; None where it is to be looked up."""
    _doubtful: Doubtful | None = attrs.field(default=None, init=False)
    _changes: deque[Told] = attrs.field(factory=deque, init=False)
    """What somebody waits for; it goes first."""
    _queue: deque[Told] = attrs.field(factory=deque, init=False)
    _stirred: trio.Event = attrs.field(factory=trio.Event, init=False)
    _urgent: trio.Event = attrs.field(factory=trio.Event, init=False)
    _writing: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def record(self, entry: Entry) -> None:
        """Write an entry, and return once it is; `Unrecorded` with what is to be done where it cannot be."""
        told = Told(entry, len(wire.encode(entry)), awaited=True)
        self._changes.append(told)
        self._stirred.set()
        self._urgent.set()
        try:
            with trio.move_on_after(PATIENCE):
                await told.ended.wait()
        finally:
            if told in self._changes:
                self._changes.remove(told)
        if told.error or not told.ended.is_set():
            raise Unrecorded(told.error or Unavailable(f"it was not written in {PATIENCE:g} s"))

    def tell(self, entry: Entry, *, spare: bool = False) -> None:
        """Have an entry written soon; one that is `spare` goes first where they cannot be kept."""
        if len(self._queue) >= (WAITING if spare else 2 * WAITING) or (spare and self._tight):
            self.dropped += 1
            return
        self._queue.append(Told(entry, len(wire.encode(entry))))
        self._stirred.set()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Write until cancelled."""
        self._sequence = await self._look_up()
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_writing)
                nursery.start_soon(self._keep_head)
                nursery.start_soon(self._keep_room)
        finally:
            with trio.move_on_after(GOODBYE, shield=True):
                await trio.to_thread.run_sync(self._save)

    async def finish(self) -> None:
        """Write what there is, as long as the log takes it; a controller that stops has that long."""
        with trio.move_on_after(GOODBYE):
            while (self._changes or self._queue) and await self._flush():
                pass

    async def _keep_writing(self) -> NoReturn:
        while True:
            await self._stirred.wait()
            with trio.move_on_after(LINGER if len(self._queue) < MOST else 0):
                await self._urgent.wait()
            if not await self._flush():
                with trio.move_on_after(RETRY):
                    await self._urgent.wait()

    async def _keep_head(self) -> NoReturn:
        while True:
            await trio.to_thread.run_sync(self._save)
            await trio.sleep(KEEP_HEAD)

    async def _keep_room(self) -> None:
        """See that reads do not take the room of changes, where the log has a limit."""
        while self.max_bytes:
            with suppress(Unavailable):
                self._tight = (await self.log.state()).bytes > self.max_bytes * (1 - RESERVED)
            await trio.sleep(LOOK)

    def _save(self) -> None:
        if self.head.number:
            try:
                self.keep_head(str(self.head))
            except ConfigError as error:
                log.error("it is not kept how far the audit log goes", reason=str(error))

    async def _flush(self) -> bool:
        """Write the next entries; False where it failed, and those that nobody waits for are to be tried again."""
        async with self._writing:
            batch = self._next()
            try:
                return await self._write(batch)
            finally:
                for told in batch:
                    if told.awaited and not told.ended.is_set():
                        told.end(Unavailable("the controller stops, or has failed"))

    async def _write(self, batch: list[Told]) -> bool:
        if not batch:
            return True
        try:
            await self._append(batch)
        except NoSpace as error:
            await self._squeeze([told for told in batch if told.awaited], batch, error)
            return False
        except Error as error:
            self._failed(batch, error)
            return False
        for told in batch:
            told.end()
        return True

    async def _squeeze(self, awaited: list[Told], batch: list[Told], error: Error) -> None:
        """Where there is no room for all, there may be for what somebody waits for."""
        if awaited and len(awaited) < len(batch):
            try:
                await self._append(awaited)
            except Error as again:
                error = again
            else:
                for told in awaited:
                    told.end()
        self._failed([told for told in batch if not told.ended.is_set()], error)

    def _next(self) -> list[Told]:
        """The entries of the next write."""
        batch: list[Told] = []
        size = 0
        for waiting in (self._changes, self._queue):
            while waiting and len(batch) < MOST and (not batch or size + waiting[0].size < MOST_BYTES):
                batch.append(told := waiting.popleft())
                size += told.size
        if not self._changes:
            self._urgent = trio.Event()
        if not self._changes and not self._queue:
            self._stirred = trio.Event()
        return batch

    def _failed(self, batch: Sequence[Told], error: Error) -> None:
        """Tell those who wait; the others are put back, but for those of which it is not known."""
        doubted = self._doubtful.told if self._doubtful else ()
        for told in reversed(batch):
            if told.awaited:
                told.end(error)
            elif told not in doubted:
                self._queue.appendleft(told)
        if self._queue or doubted:
            self._stirred.set()
        if not self._failing:
            self._failing = True
            log.error("the audit log takes no entries: changes are refused", reason=str(error))

    async def _append(self, batch: Sequence[Told]) -> None:
        """Write entries after what the log has now, whoever else writes to it."""
        for _ in range(ROUNDS):
            if self._sequence is None:
                self._sequence = await self._look_up()
            missing = self._missing()
            block, head = sealed([*missing, *(told.entry for told in batch)], self.head, self.keys)
            try:
                sequence = await self.log.append(NAME, block, after=self._sequence)
            except Stale:
                self._sequence = None
            except Unconfirmed:
                waiting = [told for told in batch if not told.awaited]
                self._doubtful, self._sequence = Doubtful(self._sequence, block, head, waiting), None
                raise
            else:
                self.head, self._sequence = head, sequence
                if self._failing:
                    self._failing = False
                    log.info("the audit log takes entries again", dropped=self.dropped)
                self.dropped -= sum(entry["count"] for entry in missing)
                return
        raise Unavailable("other controllers write to the audit log all the time")

    def _missing(self) -> list[Entry]:
        """An entry that says, at the beginning of a write, how many could not be kept."""
        if not self.dropped:
            return []
        return [entries.note(f"{self.dropped} entries could not be kept", count=self.dropped)]

    async def _look_up(self) -> int:
        """See how far the log goes, and whether a write was taken of which that is not known."""
        if doubtful := self._doubtful:
            line = await self.log.at(doubtful.after + 1)
            if not line or line.data != doubtful.block:
                self._queue.extendleft(reversed(doubtful.told))
                self._stirred.set()
            self._doubtful = None
        last, found = await last_of(self.log)
        expected = max(self.head, self.known, key=lambda head: head.number)
        if found.number < expected.number:
            log.error("the audit log lacks entries", last=found.number, known=expected.number)
            found = expected
        self.head = found
        return last


async def last_of(trail: Log) -> tuple[int, Head]:
    """The last sequence of a log, and the head of the chain in it, where its end can be read."""
    state = await trail.state()
    line: Line | None = None
    if state.entries:
        line = await trail.at(state.last) or await trail.latest(NAME)
    try:
        return state.last, head_of(read(line.data)[-1]) if line else Head()
    except (BadInput, KeyError, ValueError, TypeError) as error:
        log.error("the end of the audit log cannot be read", sequence=state.last, error=str(error))
        return state.last, Head()


class Unrecorded(Unavailable):
    """A change is not made, as it cannot be on record; `reason` is why."""

    def __init__(self, reason: Error) -> None:
        told, mend = f"nothing is changed, as the audit log takes no entry: {reason}", "try it again"
        if isinstance(reason, BrokerFull):
            mend = "delete jobs, files or blobs, or give the broker more room"
        elif isinstance(reason, NoSpace):
            mend = "export it, then raise nats.audit.max_bytes or lower nats.audit.max_age, and restart the controller"
        super().__init__(f"{told}; {mend}", retry_after=60 if isinstance(reason, NoSpace) else 1)
        self.reason = reason
