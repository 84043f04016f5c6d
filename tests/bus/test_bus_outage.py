"""The broker goes away, or freezes, and comes back."""

import asyncio
import time

import pytest
import trio
from structlog.testing import capture_logs

from osapi.bus import BucketSpec, CaughtUp, Entry
from osapi.bus.bridge import NatsBus
from osapi.errors import Unavailable


@pytest.fixture
async def follow(nursery):
    """Keep what a watch shows in a list."""

    async def follow(bucket, keys=">"):
        seen = []

        async def read(task_status):
            async with bucket.watch(keys) as changes:
                task_status.started()
                async for item in changes:
                    seen.append(item)  # noqa: PERF401 - others look at it meanwhile

        await nursery.start(read)
        return seen

    return follow


def _values(seen):
    return [(item.key, item.value) for item in seen if isinstance(item, Entry)]


async def _put(bucket, key, value, seconds=20):
    """Put as soon as the broker takes it."""
    with trio.fail_after(seconds):
        while True:
            try:
                await bucket.put(key, value)
            except Unavailable:
                await trio.sleep(0.02)
            else:
                return


async def test_while_the_broker_is_away_everything_is_refused_at_once(broker, bus, bucket, until):
    objects = await bus.objects(BucketSpec(name="files"))
    await broker.kill()
    await until(lambda: not bus.connected)

    with trio.fail_after(1):
        for call in (
            lambda: bus.publish("a", b""),
            lambda: bus.request("a", b"", timeout=60),
            bus.flush,
            lambda: bucket.get("a"),
            lambda: bucket.put("a", b""),
            lambda: bucket.create("a", b""),
            lambda: bucket.delete("a"),
            bucket.usage,
            lambda: objects.put("a", b""),
            lambda: objects.get("a"),
            lambda: bus.bucket(BucketSpec(name="other")),
        ):
            with pytest.raises(Unavailable):
                await call()
        with pytest.raises(Unavailable):
            _ = bus.server


async def test_nothing_refused_is_sent_later(broker, bus, connect, until):
    await broker.kill()
    await until(lambda: not bus.connected)
    with pytest.raises(Unavailable):
        await bus.publish("work", b"refused")
    await broker.start()
    other = await connect(broker)
    async with other.subscribe("work") as work:
        with trio.fail_after(20):
            await bus.until_connected()

        await bus.publish("work", b"sent")

        assert (await work.receive()).data == b"sent"


async def test_calls_under_way_fail_when_the_connection_breaks(broker, bus):
    failed = []

    async def ask():
        with pytest.raises(Unavailable, match="connection lost"):
            await bus.request("silent", b"", timeout=60)
        failed.append(1)

    async with bus.subscribe("silent"):
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(ask)
                await trio.sleep(0.1)
                await broker.kill()

    assert len(failed) == 100
    assert bus._calls == {}


async def test_a_subscription_goes_on_after_an_outage(broker, bus):
    async with bus.subscribe("work", queue="agents") as work:
        for i in range(3):
            await broker.restart()
            with trio.fail_after(20):
                await bus.until_connected()
            await bus.publish("work", b"%d" % i)

            assert (await work.receive()).data == b"%d" % i


async def test_a_watch_goes_on_where_it_was_after_the_broker_was_killed(broker, bus, bucket, follow, until):
    seen = await follow(bucket)
    for i in range(100):
        await bucket.put(f"k{i}", b"before")
    await until(lambda: len(seen) == 101)

    await broker.kill()
    await until(lambda: not bus.connected)
    await broker.start()
    back = time.monotonic()
    for i in range(50, 150):
        await _put(bucket, f"k{i}", b"after")
    await until(lambda: len(seen) == 201)

    assert time.monotonic() - back < 10
    assert _values(seen) == [(f"k{i}", b"before") for i in range(100)] + [
        (f"k{i}", b"after") for i in range(50, 150)
    ]
    assert [type(item) for item in seen].count(CaughtUp) == 1


async def test_a_watch_misses_and_repeats_nothing_while_the_broker_is_killed_again_and_again(
    broker, bucket, follow, nursery, until
):
    seen, written = await follow(bucket), []

    async def write():
        for i in range(400):
            await _put(bucket, f"k{i}", b"%d" % i)
            written.append(i)
            await trio.sleep(0.005)

    async with trio.open_nursery() as writing:
        writing.start_soon(write)
        for round in range(1, 4):
            await until(lambda at=round * 100: len(written) >= at)
            await broker.restart()
    await until(lambda: len(_values(seen)) >= 400)

    # A write whose acknowledgement was lost is written again, and is then rightly seen twice.
    keys = [key for key, _ in _values(seen)]
    revisions = [item.revision for item in seen if isinstance(item, Entry)]
    assert list(dict.fromkeys(keys)) == [f"k{i}" for i in range(400)]
    assert revisions == sorted(set(revisions))


async def test_a_broker_that_is_away_for_fifteen_seconds_is_found_again(broker, bus, bucket, follow, until):
    seen = await follow(bucket)
    await bucket.put("a", b"1")
    await until(lambda: len(seen) == 2)

    with capture_logs() as logs:
        await broker.kill()
        await trio.sleep(15)  # an outage is an outage: nothing in us may have given up by then
        await broker.start()
        back = time.monotonic()
        await _put(bucket, "a", b"2")
        await until(lambda: len(seen) == 3)

    assert time.monotonic() - back < 10
    assert _values(seen) == [("a", b"1"), ("a", b"2")]
    tries = [entry for entry in logs if entry["event"] == "no connection to the broker"]
    assert 1 <= len(tries) <= 6
    assert tries[0]["server"] == f"127.0.0.1:{broker.port}"
    assert "refused" in tries[0]["reason"]


async def test_a_frozen_broker_is_given_up_and_used_again_when_it_thaws(broker, bus, bucket, follow, until):
    seen = await follow(bucket)
    await bucket.put("a", b"1")
    await until(lambda: len(seen) == 2)

    await broker.freeze()
    try:
        with pytest.raises(Unavailable), trio.fail_after(20):
            await bucket.put("a", b"lost or not")
        await until(lambda: not bus.connected)
        with pytest.raises(Unavailable), trio.fail_after(1):
            await bucket.get("a")
        await trio.sleep(5)
    finally:
        broker.thaw()
    await _put(bucket, "a", b"2")
    await until(lambda: _values(seen)[-1] == ("a", b"2"))

    revisions = [item.revision for item in seen if isinstance(item, Entry)]
    assert revisions == sorted(set(revisions))


async def test_a_short_freeze_is_sat_out(broker, bus, bucket, follow, until):
    seen = await follow(bucket)
    await bucket.put("a", b"1")
    await until(lambda: len(seen) == 2)

    await broker.freeze()
    await trio.sleep(1)
    broker.thaw()
    await bucket.put("a", b"2")
    await until(lambda: len(seen) == 3)

    assert _values(seen) == [("a", b"1"), ("a", b"2")]


async def test_a_large_backlog_to_a_frozen_broker_does_not_keep_the_bus_from_going_on(broker, bus, until):
    async def flood():
        while True:
            await bus.publish("a", b"x" * 500_000)

    await broker.freeze()
    with pytest.raises(Unavailable), trio.fail_after(30):
        await flood()
    await until(lambda: not bus.connected)
    broker.thaw()

    with trio.fail_after(20):
        await bus.until_connected()
        await bus.flush()


async def test_a_watch_of_a_bucket_that_was_wiped_begins_anew(broker, bus, bucket, follow, until):
    seen = await follow(bucket)
    for key in ("a", "b", "c"):
        await bucket.put(key, b"1")
    await until(lambda: len(seen) == 4)

    await bus.request("$JS.API.STREAM.DELETE.KV_things", b"", timeout=5)
    await bucket.put("b", b"2")
    await until(lambda: len(_values(seen)) >= 6)

    assert sorted(_values(seen)[3:]) == [("a", None), ("b", b"2"), ("c", None)]
    await bucket.put("d", b"3")
    await until(lambda: _values(seen)[-1] == ("d", b"3"))


async def test_a_key_that_expired_while_the_broker_was_away_is_seen_to_go(broker, bus, follow, until):
    bucket = await bus.bucket(BucketSpec(name="beats", ttl=1))
    seen = await follow(bucket)
    await bucket.put("agent", b"alive")
    await until(lambda: len(seen) == 2)

    await broker.kill()
    await trio.sleep(3)  # longer than the broker would remember it
    await broker.start()

    await until(lambda: _values(seen)[1:2] == [("agent", None)])


async def test_many_outages_leave_no_tasks_behind(broker, bus, bucket, follow, until):
    seen = await follow(bucket)
    await until(lambda: seen)
    before = len(asyncio.all_tasks(bus._connection._loop))

    for i in range(5):
        former = bus._connection
        await broker.restart()
        await until(lambda former=former: bus._connection not in (None, former))
        await _put(bucket, "a", b"%d" % i)
        await until(lambda i=i: _values(seen)[-1:] == [("a", b"%d" % i)])

    assert len(asyncio.all_tasks(bus._connection._loop)) <= before
    assert len(bus._listeners) == 2


async def test_a_bus_waits_for_a_broker_that_is_not_there_yet(broker, nursery):
    await broker.kill()
    bus = NatsBus([broker.url], name="early")
    ready = trio.Event()

    async def start():
        await nursery.start(bus.run)
        ready.set()

    nursery.start_soon(start)
    await trio.sleep(0.5)
    assert not ready.is_set()
    await broker.start()

    with trio.fail_after(20):
        await ready.wait()
    assert bus.server.url == broker.url


async def test_another_server_of_the_list_is_taken_when_one_is_away(broker, nursery):
    bus = NatsBus(["nats://127.0.0.1:1", broker.url], name="two")

    with trio.fail_after(20):
        await nursery.start(bus.run)

    assert bus.server.url == broker.url
