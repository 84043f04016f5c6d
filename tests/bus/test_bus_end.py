"""How a bus ends, whatever state it and the broker are in, and what it leaves."""

import threading
from contextlib import asynccontextmanager

import pytest
import trio

from osapi.bus import BucketSpec, CaughtUp, Message
from osapi.bus.bridge import NatsBus
from osapi.errors import Unavailable

SOON = 4
"""Seconds; it takes half of one, on a machine that has the time."""


@asynccontextmanager
async def _running(bus):
    """Run a bus, and end it within bounds."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bus.run, trio.TASK_STATUS_IGNORED)
        yield
        nursery.cancel_scope.cancel()
        began = trio.current_time()
    assert trio.current_time() - began < SOON


def _threads():
    return [thread for thread in threading.enumerate() if thread.name == "nats"]


async def test_a_bus_that_ends_has_sent_what_was_published_and_leaves_no_thread(broker, bus):
    async with bus.subscribe("goodbye") as messages:
        leaving = NatsBus([broker.url], name="leaving")
        async with _running(leaving):
            await leaving.until_connected()
            assert len(_threads()) == 2
            for _ in range(1000):
                await leaving.publish("goodbye", b"")

        received = [await messages.receive() for _ in range(1000)]

    assert {type(message) for message in received} == {Message}
    assert len(_threads()) == 1


async def test_a_bus_ends_in_time_though_it_never_found_a_broker(free_port):
    async with _running(NatsBus([f"nats://127.0.0.1:{free_port}"], name="lonely")):
        await trio.sleep(0.3)

    assert _threads() == []


async def test_a_bus_ends_in_time_though_the_broker_is_frozen_and_calls_are_under_way(broker):
    bus, ended = NatsBus([broker.url], name="stuck"), []

    async def ask():
        try:
            await bus.request("silent", b"x" * 500_000, timeout=60)
        except Unavailable:
            ended.append(1)

    async with trio.open_nursery() as nursery, _running(bus):
        await bus.until_connected()
        await broker.freeze()
        for _ in range(100):
            nursery.start_soon(ask)
        await trio.sleep(0.5)

    assert len(ended) == 100
    assert _threads() == []


async def test_a_bus_that_has_ended_can_run_again(broker):
    bus = NatsBus([broker.url], name="twice")
    async with bus.subscribe("work") as work:
        for i in range(2):
            async with _running(bus):
                await bus.until_connected()
                await bus.publish("work", b"%d" % i)
                assert (await work.receive()).data == b"%d" % i
            assert not bus.connected
            with pytest.raises(Unavailable):
                await bus.publish("work", b"too late")


async def test_a_watch_whose_bus_ends_says_so(broker):
    bus, seen, ended = NatsBus([broker.url], name="watched"), [], []

    async def follow():
        bucket = await bus.bucket(BucketSpec(name="things"))
        async with bucket.watch() as changes:
            async for item in changes:
                seen.append(item)  # noqa: PERF401 - looked at meanwhile

    async def follow_to_the_end():
        with pytest.raises(Unavailable, match="the bus has ended"):
            await follow()
        ended.append(1)

    async with trio.open_nursery() as nursery, _running(bus):
        await bus.until_connected()
        nursery.start_soon(follow_to_the_end)
        with trio.fail_after(20):
            while not seen:  # noqa: ASYNC110 - the broker makes it hold
                await trio.sleep(0.01)

    assert (seen, ended) == ([CaughtUp()], [1])
