"""What a daemon tells of its own process: how much it uses, how its components are, and that it is there."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

import psutil
import structlog
import trio

from osapi.errors import Unavailable
from osapi.registry import ProcessUsage, SubComponent
from osapi.supervise import Condition, State

log = structlog.get_logger()

PROCESS = psutil.Process()

WORDS = {State.RUNNING: "ok", State.DONE: "ok", State.STARTING: "starting", State.WAITING: "waiting"}


def process_usage() -> ProcessUsage:
    """CPU in percent of one core since the last call, and resident memory in bytes."""
    return ProcessUsage(cpu_percent=PROCESS.cpu_percent(), rss_bytes=PROCESS.memory_info().rss)


def sub_components(health: Mapping[str, Condition]) -> dict[str, SubComponent]:
    """The supervised tasks as a beat carries them; an error is told until the task has run well again."""
    return {
        name: SubComponent(
            status=WORDS[condition.state],
            error=condition.error if condition.state is State.WAITING else None,
            crashes=condition.crashes,
        )
        for name, condition in health.items()
    }


async def keep_beating(beat: Callable[[], Awaitable[None]], interval: float) -> NoReturn:
    """Beat every `interval` seconds until cancelled; while the broker is away, try every second."""
    while True:
        pause = interval
        try:
            await beat()
        except Unavailable as error:
            log.warning("no beat", reason=str(error))
            pause = 1.0
        await trio.sleep(pause)
