"""What a daemon tells of its own process: how much it uses, how its components are, and that it is there."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

import attrs
import psutil
import structlog
import trio

from osapi.errors import Unavailable
from osapi.registry import ProcessUsage, SubComponent
from osapi.supervise import Condition, State

log = structlog.get_logger()

WORDS = {
    State.RUNNING: "ok",
    State.DONE: "ok",
    State.STARTING: "starting",
    State.WAITING: "waiting",
    State.DISABLED: "disabled",
}


@attrs.define
class Meter:
    """What a process uses; each component that beats has one of its own, of its own process unless told otherwise."""

    process: psutil.Process = attrs.field(factory=psutil.Process)
    _read: float = attrs.field(init=False)
    _percent: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._read = time.monotonic()
        self.process.cpu_percent()  # from here it counts

    def usage(self) -> ProcessUsage:
        """CPU in percent of one core since it was last asked, and resident memory in bytes.

        What is asked again within a second is told the same: so short a time says nothing.
        """
        if (at := time.monotonic()) - self._read >= 1:
            self._read, self._percent = at, self.process.cpu_percent()
        return ProcessUsage(cpu_percent=self._percent, rss_bytes=self.process.memory_info().rss)


def sub_components(health: Mapping[str, Condition]) -> dict[str, SubComponent]:
    """The supervised tasks as a beat carries them; an error is told until the task has run well again."""
    return {
        name: SubComponent(
            status=WORDS[condition.state],
            error=condition.error if condition.state is State.WAITING else None,
            address=condition.address,
            crashes=condition.crashes,
        )
        for name, condition in health.items()
    }


async def keep_beating(
    beat: Callable[[], Awaitable[None]],
    interval: float,
    sooner: Callable[[], Awaitable[None]] = trio.sleep_forever,
) -> NoReturn:
    """Beat every `interval` seconds, and once `sooner` returns, until cancelled.

    While the broker is away, try every second.
    """
    while True:
        try:
            await beat()
        except Unavailable as error:
            log.warning("no beat", reason=str(error))
            await trio.sleep(1)
            continue
        with trio.move_on_after(interval):
            await sooner()
