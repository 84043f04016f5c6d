"""A real nats-server for each test, on a free port of the loopback, and buses that are connected to it."""

import threading

import psutil
import pytest
import trio
from real_broker import Broker, free_port

from osapi.bus import BucketSpec
from osapi.bus.nats import NatsBus


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert psutil.Process().children(recursive=True) == []
    assert [thread.name for thread in threading.enumerate() if thread.name == "nats"] == []


@pytest.fixture
async def broker(tmp_path):
    broker = Broker(tmp_path, free_port())
    await broker.start()
    try:
        yield broker
    finally:
        with trio.CancelScope(shield=True):
            await broker.kill()


@pytest.fixture
def connect(nursery):
    """Connect a bus to a broker, for as long as the test lasts."""

    async def connect(broker: Broker, **login: str) -> NatsBus:
        bus = NatsBus([broker.url], name="test", **login)
        await nursery.start(lambda task_status: bus.run(task_status))
        return bus

    return connect


@pytest.fixture
async def bus(broker, connect):
    return await connect(broker)


@pytest.fixture
async def bucket(bus):
    return await bus.bucket(BucketSpec(name="things"))
