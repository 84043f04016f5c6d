"""A real nats-server as a bare process, and what tests of the bus do to it."""

import json
import signal
import socket
from pathlib import Path

import attrs
import trio

from osapi.bus.server import _binary


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


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
        with trio.fail_after(20):
            while not await self._answers():
                await trio.sleep(0.02)

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

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


async def put_all(bucket, keys, value=b"v", at_once=64):
    """Put many keys, some at a time."""
    keys = iter(keys)

    async def put():
        for key in keys:
            await bucket.put(key, value)

    async with trio.open_nursery() as nursery:
        for _ in range(at_once):
            nursery.start_soon(put)


async def until(condition, seconds=20):
    """Wait until something holds."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.01)
