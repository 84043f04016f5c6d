"""Following a bucket while the broker is well."""

import pytest
import trio

from osapi.bus import BucketSpec, CaughtUp, Entry
from osapi.errors import BadInput


async def _snapshot(changes):
    """All entries until the watch has caught up."""
    found = []
    async for item in changes:
        if isinstance(item, CaughtUp):
            return found
        found.append(item)
    raise AssertionError("it ended")


async def test_a_watch_shows_what_is_there_then_says_so_then_every_change_in_order(bucket):
    await bucket.put("a", b"1")
    await bucket.put("b", b"2")
    await bucket.put("a", b"3")

    async with bucket.watch() as changes:
        before = await _snapshot(changes)
        await bucket.put("c", b"4")
        await bucket.delete("a")
        await bucket.put("a", b"5")
        after = [await changes.receive() for _ in range(3)]

    assert [(entry.key, entry.value) for entry in before] == [("b", b"2"), ("a", b"3")]
    assert [(entry.key, entry.value) for entry in after] == [("c", b"4"), ("a", None), ("a", b"5")]
    revisions = [entry.revision for entry in before + after]
    assert revisions == sorted(revisions)


async def test_an_empty_bucket_is_caught_up_at_once(bucket):
    async with bucket.watch() as changes:
        assert isinstance(await changes.receive(), CaughtUp)


async def test_only_keys_that_match_are_watched(bucket):
    for key in ("jobs.1", "jobs.2", "cancel.1", "jobs.2.x"):
        await bucket.put(key, b"")

    seen = {}
    for pattern in ("jobs.*", "jobs.>", "cancel.1", "*.1"):
        async with bucket.watch(pattern) as changes:
            seen[pattern] = [entry.key for entry in await _snapshot(changes)]

    assert seen == {
        "jobs.*": ["jobs.1", "jobs.2"],
        "jobs.>": ["jobs.1", "jobs.2", "jobs.2.x"],
        "cancel.1": ["cancel.1"],
        "*.1": ["jobs.1", "cancel.1"],
    }
    with pytest.raises(BadInput, match="matches no keys"):
        async with bucket.watch("a b"):
            pass


async def test_a_key_that_expires_is_seen_to_go(bus):
    bucket = await bus.bucket(BucketSpec(name="beats", ttl=1))
    async with bucket.watch() as changes:
        await _snapshot(changes)

        await bucket.put("agent", b"alive")

        assert (await changes.receive()).value == b"alive"
        gone = await changes.receive()
    assert (gone.key, gone.value) == ("agent", None)


async def test_revision_and_time_are_those_that_get_tells(bucket):
    revision = await bucket.put("a", b"1")

    async with bucket.watch() as changes:
        [entry] = await _snapshot(changes)

    read = await bucket.get("a")
    assert entry.revision == read.revision == revision
    assert entry.created == pytest.approx(read.created, abs=1e-3)


async def test_a_slow_reader_loses_nothing(bucket, put_all):
    keys = {f"k.{i}" for i in range(50_000)}
    async with bucket.watch() as changes:
        await put_all(bucket, sorted(keys), b"x" * 200, at_once=256)
        await trio.sleep(4)  # longer than the broker may be silent: it waits for us

        seen = [
            item.key for item in [await changes.receive() for _ in range(50_001)] if isinstance(item, Entry)
        ]

    assert len(seen) == len(keys)
    assert set(seen) == keys


async def test_a_watch_leaves_no_consumer_and_no_subscription(bus, bucket, until):
    async with bucket.watch() as changes:
        await _snapshot(changes)
        assert await _consumers(bucket) == 1

    assert len(bus._listeners) == 1
    await until(lambda: _has_no_consumers(bucket))


async def _has_no_consumers(bucket):
    return not await _consumers(bucket)


async def _consumers(bucket):
    found = await bucket.stream.ask(f"CONSUMER.NAMES.{bucket.stream.name}", {}, dict)
    return len(found["consumers"] or ())


async def test_a_reader_may_leave_in_the_middle(bucket, put_all):
    await put_all(bucket, (f"k{i}" for i in range(2000)))

    async def leave():
        async with bucket.watch() as changes:
            await changes.receive()
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        await leave()
    async with bucket.watch() as changes, changes:
        await changes.receive()
    async with bucket.watch() as changes:
        assert len(await _snapshot(changes)) == 2000
