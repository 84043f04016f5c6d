"""Logs: entries in order, each acknowledged, on a real broker that is full, restarted or made anew."""

import pytest
import trio

from osapi.bus import CaughtUp, Line, LogSpec, LogState, Stale
from osapi.errors import BadInput, NoSpace, Unavailable

SPEC = LogSpec(name="EVENTS", subject="things.events")


@pytest.fixture
async def log(bus):
    return await bus.log(SPEC)


async def _until_caught_up(lines):
    found = []
    async for item in lines:
        if isinstance(item, CaughtUp):
            return found
        found.append(item)
    raise AssertionError("it ended")


async def _append(log, name, data, seconds=20):
    """Append as soon as the broker takes it."""
    with trio.fail_after(seconds):
        while True:
            try:
                return await log.append(name, data)
            except Unavailable:
                await trio.sleep(0.02)


async def test_entries_are_read_by_sequence_by_name_and_in_order(log):
    sequences = [await log.append(name, data) for name, data in (("a.1", b"1"), ("b", b"2"), ("a.1", b"3"))]

    async with log.read() as lines:
        before = await _until_caught_up(lines)
        await log.append("c", b"4")
        after = await lines.receive()

    assert sequences == [1, 2, 3]
    assert [(line.name, line.data, line.sequence) for line in [*before, after]] == [
        ("a.1", b"1", 1), ("b", b"2", 2), ("a.1", b"3", 3), ("c", b"4", 4),
    ]  # fmt: skip
    second = await log.at(2)
    assert (second.name, second.data, second.sequence) == ("b", b"2", 2)
    assert second.created == pytest.approx(before[1].created, abs=1e-3)
    assert (await log.latest("a.1")).sequence == 3
    assert await log.latest("nobody") is None
    assert [await log.at(sequence) for sequence in (0, 5)] == [None, None]


async def test_a_reader_begins_where_it_wants_and_sees_what_it_asked_for(log):
    for i in range(6):
        await log.append(f"{'even' if i % 2 == 0 else 'odd'}.{i}", b"")

    async with log.read(first=3, names="odd.*") as lines:
        some = await _until_caught_up(lines)
    async with log.read(first=7) as lines:
        none = await _until_caught_up(lines)
        await log.append("late", b"")
        late = await lines.receive()

    assert [line.name for line in some] == ["odd.3", "odd.5"]
    assert (none, late.name) == ([], "late")
    with pytest.raises(BadInput, match="matches no names"):
        async with log.read(names="a b"):
            pass
    with pytest.raises(BadInput, match="is no name"):
        await log.append("a b", b"")


async def test_an_entry_may_be_for_after_one_other_only(log):
    first = await log.append("a", b"", after=0)

    with pytest.raises(Stale):
        await log.append("a", b"", after=0)
    second = await log.append("a", b"", after=first)

    assert (first, second) == (1, 2)


async def test_a_full_log_refuses_and_keeps_what_it_has_or_gives_up_its_oldest(bus):
    refusing = await bus.log(LogSpec(name="REFUSES", subject="refuses", max_bytes=2000))
    evicting = await bus.log(LogSpec(name="EVICTS", subject="evicts", max_bytes=2000, evict=True))

    with pytest.raises(NoSpace, match="REFUSES is full"):
        await _append_hundred(refusing)
    await _append_hundred(evicting)

    kept = await refusing.state()
    assert 0 < kept.bytes <= 2000
    assert (kept.first, kept.last) == (1, kept.entries)
    assert (await refusing.at(1)).data == b"x" * 100
    left = await evicting.state()
    assert (left.last, left.first) == (100, 101 - left.entries)


async def _append_hundred(log):
    for _ in range(100):
        await log.append("a", b"x" * 100)


async def test_only_the_latest_of_each_name_are_kept(bus):
    log = await bus.log(LogSpec(name="LATEST", subject="latest", max_per_name=2))
    for i in range(5):
        await log.append("a", b"%d" % i)
    await log.append("b", b"b")

    async with log.read() as lines:
        found = [line.data for line in await _until_caught_up(lines)]

    assert found == [b"3", b"4", b"b"]


async def test_an_empty_log_says_so(log):
    assert await log.state() == LogState(first=0, last=0, entries=0, bytes=0)
    async with log.read() as lines:
        assert await _until_caught_up(lines) == []


async def test_a_reader_goes_on_where_it_was_when_the_broker_is_back(broker, log):
    seen = []
    async with log.read() as lines:
        for i in range(3):
            await _append(log, "a", b"%d" % i)
            seen.append((await _next_line(lines)).data)
            await broker.restart()
        await _append(log, "a", b"3")
        seen.append((await _next_line(lines)).data)

    assert seen == [b"0", b"1", b"2", b"3"]


async def _next_line(lines):
    with trio.fail_after(20):
        async for item in lines:
            if isinstance(item, Line):
                return item
    raise AssertionError("it ended")


async def test_a_log_that_was_made_anew_is_read_from_its_beginning(bus, log):
    for _ in range(3):
        await log.append("a", b"old")
    async with log.read() as lines:
        await _until_caught_up(lines)
        await log.stream.ask(f"STREAM.DELETE.{SPEC.name}", {}, dict)

        await _append(log, "a", b"new")

        assert (await _next_line(lines)).data == b"new"


async def test_nothing_can_be_deleted_from_a_log(log):
    await log.append("a", b"")

    for verb, body in (("STREAM.MSG.DELETE", {"seq": 1}), ("STREAM.PURGE", {})):
        with pytest.raises(Exception, match="not permitted"):
            await log.stream.ask(f"{verb}.{SPEC.name}", body, dict)

    assert (await log.state()).entries == 1
