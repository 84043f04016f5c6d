"""A real nats-server for each test, on a free port of the loopback, and buses that are connected to it."""

import inspect
import json
import signal
import socket
import threading
from pathlib import Path

import attrs
import psutil
import pytest
import trio

from osapi.bus import BucketSpec
from osapi.bus.bridge import NatsBus
from osapi.bus.server import _binary


async def _until(condition, seconds=20):
    """Wait until something holds; the condition may be an async function."""
    with trio.fail_after(seconds):
        while not (await found if inspect.isawaitable(found := condition()) else found):  # noqa: ASYNC110 - another process or thread makes it hold
            await trio.sleep(0.01)


@attrs.define(eq=False)
class Broker:
    """A nats-server as a bare process: what becomes of it is the test's decision."""

    folder: Path
    port: int
    settings: dict = attrs.field(factory=dict)
    process: trio.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        config = self.folder / "broker.json"
        listen = {"listen": f"127.0.0.1:{self.port}", "jetstream": {"store_dir": str(self.folder / "store")}}
        config.write_text(json.dumps(listen | self.settings))
        log = (self.folder / "broker.log").open("ab")
        with log:
            self.process = await trio.lowlevel.open_process(
                [str(_binary()), "-c", str(config)], stdin=None, stdout=log, stderr=log
            )
        await _until(self._answers)

    async def _answers(self) -> bool:
        try:
            async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                return b'"jetstream":true' in await stream.receive_some()
        except OSError:
            return False

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.process.pid}/task")
        await _until(lambda: all("T (stopped)" in (t / "status").read_text() for t in threads.iterdir()))

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(autouse=True)
def nothing_is_left():
    """But what was there before: fixtures of a whole run have programs of their own."""
    children, threads = set(psutil.Process().children(recursive=True)), set(threading.enumerate())
    yield
    assert set(psutil.Process().children(recursive=True)) - children == set()
    assert [thread.name for thread in set(threading.enumerate()) - threads if thread.name == "nats"] == []


@pytest.fixture
def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
async def broker(tmp_path, free_port):
    broker = Broker(tmp_path, free_port)
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
        await nursery.start(bus.run)
        return bus

    return connect


@pytest.fixture
async def bus(broker, connect):
    return await connect(broker)


@pytest.fixture
async def bucket(bus):
    return await bus.bucket(BucketSpec(name="things"))


@pytest.fixture
def put_all():
    async def put_all(bucket, keys, value=b"v", at_once=64):
        """Put many keys, some at a time."""
        keys = iter(keys)

        async def put():
            for key in keys:
                await bucket.put(key, value)

        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(put)

    return put_all


@pytest.fixture
def until():
    return _until
