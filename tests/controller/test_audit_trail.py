"""The writer of the audit log: what waits, what is kept, and who comes first."""

from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from controller.audit.entries import note
from controller.audit.reader import Reader
from controller.audit.refusals import EACH, SOURCES, WINDOW, Refusals
from controller.audit.trail import LINGER, RETRY, WAITING, Trail
from osapi.audit.chain import Head, read
from osapi.audit.verify import Verification
from osapi.bus import CaughtUp, Line, LogState, Stale, Unconfirmed
from osapi.errors import NoSpace, Unavailable
from osapi.keys import KeyPair

KEYS = KeyPair.generate()


@attrs.define(eq=False)
class MemoryLog:
    """A log in memory. `refuse` is raised by appends; `doubt` by one, after it was taken (True) or lost (False)."""

    lines: list = attrs.field(factory=list)
    refuse: Exception | None = None
    doubt: tuple | None = None
    hold: trio.Event | None = None

    async def append(self, name, data, *, after=None):
        await trio.lowlevel.checkpoint()
        if self.hold is not None:
            await self.hold.wait()
        if self.refuse:
            raise self.refuse
        if after is not None and after != len(self.lines):
            raise Stale(f"{len(self.lines)}, not {after}")
        doubt, self.doubt = self.doubt, None
        if doubt is None or doubt[1]:
            self.lines.append(Line(name, data, len(self.lines) + 1, 1e9 + len(self.lines)))
        if doubt:
            raise doubt[0]
        return len(self.lines)

    async def at(self, sequence):
        await trio.lowlevel.checkpoint()
        return self.lines[sequence - 1] if 0 < sequence <= len(self.lines) else None

    async def latest(self, name):
        await trio.lowlevel.checkpoint()
        return self.lines[-1] if self.lines else None

    @asynccontextmanager
    async def read(self, *, first=1, names=">"):
        send, receive = trio.open_memory_channel(float("inf"))
        for line in [*self.lines[first - 1 :], CaughtUp()]:
            send.send_nowait(line)
        with send, receive:
            yield receive

    async def state(self):
        await trio.lowlevel.checkpoint()
        count = len(self.lines)
        size = sum(len(line.data) for line in self.lines)
        return LogState(first=min(1, count), last=count, entries=count, bytes=size)


@pytest.fixture
def log():
    return MemoryLog()


@pytest.fixture
def begin(nursery, log):
    """Start the writer of a controller that knows how far the log went."""

    async def begin(known=None, kept=None, **settings):
        keep = (lambda _: None) if kept is None else kept.append
        trail = Trail(log, KEYS, known or Head(), keep, **settings)
        await nursery.start(trail.run)
        return trail

    return begin


def told(log):
    """What each write has told."""
    return [[entry["detail"] for entry in read(line.data)] for line in log.lines]


def findings(log, *anchors):
    check = Verification(trusted={KEYS.public.fingerprint: KEYS.public}, anchors=anchors)
    for line in log.lines:
        for each in line.data.split(b"\n"):
            check.add(each)
    return [(found.kind, found.entries) for found in check.end()]


async def test_a_change_is_on_record_when_record_returns_and_reads_follow_soon(log, begin, autojump_clock):
    trail = await begin()

    trail.tell(note("read"), spare=True)
    await trail.record(note("change"))
    trail.tell(note("outcome"))
    before = told(log)
    await trio.sleep(LINGER * 2)

    assert before == [["change", "read"]]
    assert told(log) == [["change", "read"], ["outcome"]]
    assert findings(log, trail.head) == []


async def test_changes_that_come_together_are_written_together(log, begin, nursery):
    trail = await begin()
    log.hold = trio.Event()

    async with trio.open_nursery() as callers:
        for i in range(100):
            callers.start_soon(trail.record, note(str(i)))
        await trio.testing.wait_all_tasks_blocked()
        log.hold.set()

    assert len(log.lines) <= 2
    assert sorted(int(each) for block in told(log) for each in block) == list(range(100))


async def test_two_controllers_write_one_chain(log, begin):
    trails = [await begin(), await begin()]

    async with trio.open_nursery() as callers:
        for i in range(40):
            callers.start_soon(trails[i % 2].record, note(str(i)))

    assert sorted(int(each) for block in told(log) for each in block) == list(range(40))
    assert findings(log) == []


async def test_a_full_log_refuses_changes_keeps_outcomes_and_says_what_to_do(log, begin, autojump_clock):
    trail = await begin()
    log.refuse = NoSpace("log AUDIT is full")

    with pytest.raises(Unavailable, match=r"nothing is changed.*AUDIT is full.*raise nats\.audit\.max_bytes"):
        await trail.record(note("change"))
    trail.tell(note("outcome of another"))
    await trio.sleep(5)
    log.refuse = None
    await trio.sleep(RETRY * 2)

    assert told(log) == [["outcome of another"]]


async def test_a_change_does_not_wait_behind_what_cannot_be_written(log, begin, autojump_clock):
    trail = await begin()
    log.refuse = NoSpace("log AUDIT is full")
    for i in range(2000):
        trail.tell(note(str(i)))
    await trio.sleep(5)

    began = trio.current_time()
    with pytest.raises(Unavailable, match="AUDIT is full"):
        await trail.record(note("change"))

    assert trio.current_time() - began < RETRY


async def test_a_change_goes_on_record_where_there_is_no_room_for_what_waits_beside_it(begin, log):
    class Tight(MemoryLog):
        async def append(self, name, data, *, after=None):
            if data.count(b"\n"):
                raise NoSpace("log AUDIT is full")
            return await super().append(name, data, after=after)

    tight = Tight()
    trail = await begin()
    trail.log = tight
    trail.tell(note("read"), spare=True)

    await trail.record(note("change"))

    assert told(tight) == [["change"]]


async def test_what_cannot_be_kept_is_counted_and_told(log, begin, autojump_clock):
    trail = await begin()
    log.refuse = Unavailable("the broker is away")

    for i in range(WAITING + 7):
        trail.tell(note(f"read {i}"), spare=True)
    trail.tell(note("an outcome"))
    await trio.sleep(3)
    log.refuse = None
    await trio.sleep(30)

    details = [detail for block in told(log) for detail in block]
    assert details[0] == "7 entries could not be kept"
    assert (len(details), details[-1]) == (WAITING + 2, "an outcome")
    assert findings(log) == []


@pytest.mark.parametrize("taken", [True, False])
async def test_a_write_that_is_in_doubt_is_neither_lost_nor_there_twice(log, begin, autojump_clock, taken):
    trail = await begin()
    log.doubt = Unconfirmed("no answer within 5 s"), taken

    trail.tell(note("outcome"))
    await trio.sleep(LINGER * 2)
    await trail.record(note("change"))
    await trio.sleep(5)

    details = [detail for block in told(log) for detail in block]
    assert sorted(details) == ["change", "outcome"]
    assert findings(log) == []


async def test_a_change_in_doubt_is_refused(log, begin):
    trail = await begin()
    log.doubt = Unconfirmed("no answer within 5 s"), True

    with pytest.raises(Unavailable, match="nothing is changed"):
        await trail.record(note("change"))


async def test_an_end_that_was_cut_off_while_no_controller_ran_stays_missing(log, begin, autojump_clock):
    kept = []
    first = await begin(kept=kept)
    for i in range(5):
        await first.record(note(str(i)))
    known = first.head
    del log.lines[3:]

    second = await begin(known=known)
    await second.record(note("next"))

    assert findings(log) == [("removed", "4-5")]
    assert read(log.lines[-1].data)[0]["number"] == 6


async def test_it_is_kept_how_far_the_log_goes(log):
    kept = []
    trail = Trail(log, KEYS, Head(), kept.append)

    async with trio.open_nursery() as services:
        await services.start(trail.run)
        await trail.record(note("change"))
        services.cancel_scope.cancel()

    assert Head.of(kept[-1]) == trail.head


async def test_in_a_log_that_is_nearly_full_only_changes_are_recorded(log, begin, autojump_clock):
    trail = await begin(max_bytes=1000)
    await trail.record(note("x" * 800))
    await trio.sleep(10)

    trail.tell(note("read"), spare=True)
    trail.tell(note("outcome"))
    await trio.sleep(5)

    assert told(log)[1:] == [["1 entries could not be kept", "outcome"]]


async def test_a_controller_that_stops_writes_what_is_left(log, nursery):
    trail = Trail(log, KEYS, Head(), lambda _: None)
    await nursery.start(trail.run)
    trail.tell(note("outcome"))

    await trail.finish()

    assert told(log) == [["outcome"]]


async def test_entries_are_found_by_number_from_the_end_and_from_the_beginning(log, begin):
    trail = await begin()
    async with trio.open_nursery() as callers:
        for i in range(30):
            callers.start_soon(trail.record, note(str(i)))
    for i in range(30, 60):
        await trail.record(note(str(i)))
    reader = Reader(log)
    everything = [entry async for _, entries in reader.newest() for entry in entries]

    numbers = [entry["number"] for entry in everything]
    assert numbers == list(range(60, 0, -1))
    assert [entry["number"] async for _, found in reader.newest(below=31) for entry in found] == list(
        range(30, 0, -1)
    )
    assert [(await reader.find(entry["id"]))["number"] for entry in everything] == numbers
    assert await reader.count() == 60
    lines = b"".join([piece async for piece in reader.oldest(after=40)]).splitlines()
    assert [read(line)[0]["number"] for line in lines] == list(range(41, 61))


async def test_a_flood_of_refusals_is_counted_by_source(autojump_clock):
    refusals = Refusals()

    first = [refusals.admit(("192.0.2.1", "", 401)) for _ in range(1000)]
    other = refusals.admit(("192.0.2.2", "", 401))
    early = list(refusals.over())
    await trio.sleep(WINDOW)

    assert (first.count(True), other, early) == (EACH, True, [])
    assert list(refusals.over()) == [(("192.0.2.1", "", 401), 1000 - EACH)]
    assert refusals.admit(("192.0.2.1", "", 401))


async def test_a_flood_from_everywhere_is_bounded(autojump_clock):
    refusals = Refusals()

    admitted = [refusals.admit((f"2001:db8::{i:x}", "", 401)) for i in range(10_000)]
    await trio.sleep(WINDOW)

    assert admitted.count(True) == SOURCES
    assert [count for _, count in refusals.over()] == [10_000 - SOURCES]
