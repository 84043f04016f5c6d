"""What a daemon tells of its own process: how much it uses, and how its components are."""

from collections.abc import Mapping

import psutil

from osapi.registry import ProcessUsage, SubComponent
from osapi.supervise import Condition, State

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
