"""What happens to jobs, as it happens: the last events in memory, for streams that follow and that resume.

The id of an event is `<run>-<number>`: `run` names this run of this controller, so a reader that comes back
to another one is told that there may be a gap, and never left to guess.
"""

import secrets
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import attrs
import structlog
import trio

from controller.projection import Record
from osapi import wire
from osapi.bus import Bus, Message
from osapi.bus.layout import Subjects
from osapi.errors import BadInput
from osapi.jobs import Event, EventKind, now

log = structlog.get_logger()

KEPT, KEPT_BYTES = 10_000, 32 * 1024 * 1024
"""Events in memory, and bytes of them."""

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment shows that a stream lives."""

LAST = {EventKind.COMPLETED, EventKind.DELETED}
"""What ends the stream of one job."""


@attrs.frozen
class Told:
    """An event as streams send it."""

    number: int
    job_id: str
    kind: str
    data: bytes


@attrs.define
class Events:
    """The last events. A reader is a position in them, so a slow one costs nothing and learns what it missed."""

    run: str = attrs.field(factory=lambda: secrets.token_hex(4))
    last: int = 0
    _kept: deque[Told] = attrs.field(factory=deque)
    _bytes: int = 0
    _arrived: trio.Event = attrs.field(factory=trio.Event)

    def tell(
        self,
        job_id: str,
        kind: EventKind,
        machine_id: str | None = None,
        hostname: str | None = None,
        **data: Any,
    ) -> None:
        """Let readers know of something this controller has seen."""
        event = Event(
            job_id=job_id, kind=kind, time=now(), machine_id=machine_id, hostname=hostname, data=data
        )
        self.add(event)

    def add(self, event: Event) -> None:
        self.last += 1
        told = Told(self.last, event.job_id, event.kind.value, wire.encode(event))
        self._kept.append(told)
        self._bytes += len(told.data)
        while len(self._kept) > KEPT or self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.popleft().data)
        self._arrived.set()
        self._arrived = trio.Event()

    def since(self, position: int, job_id: str | None) -> list[Told]:
        """What came after a position, of one job or of all."""
        found = []
        for told in reversed(self._kept):
            if told.number <= position:
                break
            if job_id in {None, told.job_id}:
                found.append(told)
        return found[::-1]

    def position(self, event_id: str) -> int | None:
        """The position that an event's id stands for; None where what followed it is not known."""
        run, _, number = event_id.partition("-")
        if run != self.run or not number.isdecimal() or int(number) > self.last:
            return None
        oldest = self._kept[0].number if self._kept else self.last + 1
        return int(number) if int(number) >= oldest - 1 else None

    async def stream(self, record: Record | None, resume: str | None) -> AsyncIterator[bytes]:
        """Server-sent events of one job, until it has ended, or of all (HTML Standard, section 9.2)."""
        job_id = record.id if record else None
        position = self.position(resume) if resume else None
        opening: list[bytes] = []
        if resume and position is None:
            missed = {"after": resume, "reason": "no longer kept here"}
            opening.append(self._frame(self.last, "gap", wire.encode(missed)))
        if position is None:
            replayed = self.since(0, job_id) if record else []
            whole = bool(replayed) and replayed[0].kind == EventKind.SUBMITTED.value
            position = 0 if whole and not resume else self.last
            if record and position:
                opening.append(self._frame(self.last, "state", wire.encode(snapshot(record))))
        ended = bool(record and record.final and not self.since(position, job_id))
        for frame in opening:
            yield frame
        while not ended:
            if position < self.last and self.position(f"{self.run}-{position}") is None and position:
                position = self.last
                yield self._frame(position, "gap", wire.encode({"reason": "the reader was too slow"}))
            # taken together, as more may come while these are sent
            arrived, news, position = self._arrived, self.since(position, job_id), self.last
            for told in news:
                yield self._frame(told.number, told.kind, told.data)
                ended = ended or (record is not None and told.kind in LAST)
            if not ended and position == self.last:
                yield await self._quiet(arrived)

    async def _quiet(self, arrived: trio.Event) -> bytes:
        with trio.move_on_after(KEEP_ALIVE):
            await arrived.wait()
            return b""
        return b": still here\n\n"

    def _frame(self, number: int, kind: str, data: bytes) -> bytes:
        return b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (self.run.encode(), number, kind.encode(), data)


def snapshot(record: Record) -> Mapping[str, Any]:
    """Where a job is, for a reader that has not seen how it came there."""
    hosts = {record.hostnames.get(host, host): state.value for host, state in record.states.items()}
    return {"job_id": record.id, "status": record.overall.value, "hosts": hosts}


async def follow_events(
    bus: Bus, subjects: Subjects, events: Events, task_status: trio.TaskStatus[None]
) -> None:
    """Take in what agents tell of the jobs they run."""
    async with bus.subscribe(subjects.events("*", "*")) as messages:
        await bus.flush()
        task_status.started()
        async for message in messages:
            take_in(events, message)
            with suppress(trio.WouldBlock):  # all that has come by now, in one turn: an answer may be next
                while True:
                    take_in(events, messages.receive_nowait())


def take_in(events: Events, message: Message) -> None:
    try:
        events.add(wire.decode(Event, message.data))
    except BadInput as error:
        log.warning("an event that cannot be read was passed over", error=str(error))
