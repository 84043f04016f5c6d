"""What the bridge between trio and nats-py costs: the same work through the bus and with nats-py alone.

Run it as `python bench/bus.py`. The broker is a real one, on a free port, with its streams in memory, so that
the disk is not what is measured; `--disk` measures what users get, every write fsynced.
"""

import asyncio
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import attrs
import nats
import structlog
import trio
import uvloop

from osapi.bus import BucketSpec, CaughtUp
from osapi.bus.bridge import NatsBus
from osapi.bus.server import ServerSettings, serve

WRITES, AT_ONCE, ROUNDS = 20_000, 64, 3
VALUE = b"x" * 200
STORAGE = "file" if "--disk" in sys.argv else "memory"


@attrs.define
class Rates:
    """Best of the rounds, per second."""

    bus: dict[str, float] = attrs.field(factory=dict)
    alone: dict[str, float] = attrs.field(factory=dict)


def best(rates, what, count, began):
    rates[what] = max(rates.get(what, 0), count / (time.perf_counter() - began))


async def through_the_bus(url, rates):
    async with trio.open_nursery() as nursery:
        bus = NatsBus([url], name="bench")
        await nursery.start(bus.run)
        bucket = await bus.bucket(BucketSpec(name="bus", storage=STORAGE))
        for _ in range(ROUNDS):
            await write(bucket.put, rates, f"{AT_ONCE} puts in flight")
            await read(bucket, rates)
        began = time.perf_counter()
        for i in range(2000):
            await bucket.put(f"k.{i}", VALUE)
        best(rates, "puts one at a time", 2000, began)
        nursery.cancel_scope.cancel()


async def write(put, rates, what):
    numbers = iter(range(WRITES))

    async def some():
        for i in numbers:
            await put(f"k.{i}", VALUE)

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(some)
    best(rates, what, WRITES, began)


async def read(bucket, rates):
    began = time.perf_counter()
    async with bucket.watch() as changes:
        async for item in changes:
            if isinstance(item, CaughtUp):
                break
    best(rates, "entries of a watch", WRITES, began)


async def alone(url, rates):
    client = await nats.connect(url)
    stream = client.jetstream()
    bucket = await stream.create_key_value(bucket="alone", storage=STORAGE)

    async def some():
        for i in numbers:
            await stream.publish(f"$KV.alone.k.{i}", VALUE)

    for _ in range(ROUNDS):
        numbers = iter(range(WRITES))
        began = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        best(rates, f"{AT_ONCE} puts in flight", WRITES, began)
        began = time.perf_counter()
        watcher = await bucket.watchall()
        async for entry in watcher:
            if entry is None:
                break
        best(rates, "entries of a watch", WRITES, began)
        await watcher.stop()
    began = time.perf_counter()
    for i in range(2000):
        await stream.publish(f"$KV.alone.k.{i}", VALUE)
    best(rates, "puts one at a time", 2000, began)
    await client.close()


def in_a_thread(work):
    """Run asyncio's half with nothing else in the process running, on the same loop the bus has."""
    thread = threading.Thread(target=lambda: asyncio.Runner(loop_factory=uvloop.new_event_loop).run(work))
    thread.start()
    thread.join()


async def main():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    rates, url = Rates(), f"nats://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        settings = ServerSettings(host="127.0.0.1", port=port, store_dir=Path(folder))
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: serve(settings, task_status))
            await through_the_bus(url, rates.bus)
            in_a_thread(alone(url, rates.alone))
            nursery.cancel_scope.cancel()
    print(f"{'per second, ' + STORAGE:28}{'bus':>10}{'nats-py':>10}{'ratio':>8}")
    for what, rate in rates.bus.items():
        print(f"{what:28}{rate:10.0f}{rates.alone[what]:10.0f}{rate / rates.alone[what]:8.2f}")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    trio.run(main)
