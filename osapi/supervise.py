"""Tasks that are kept running, and what is known of each.

A component is an async function that calls `task_status.started()` once it works and returns only
when its work is over.  `await nursery.start(keep, "heartbeat", beat, health)` waits until it works,
then restarts it whenever it crashes, pausing longer after each crash in a row.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from random import uniform

import attrs
import structlog
import trio

Component = Callable[[trio.TaskStatus[None]], Awaitable[object]]

log = structlog.get_logger()


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    DISABLED = "disabled"


@attrs.define
class Condition:
    """What a heartbeat tells of one component: `address` is where it listens.

    `worked` is when it last did what it is for, by trio's clock, where it notes that down.
    """

    state: State = State.STARTING
    crashes: int = 0
    error: str | None = None
    address: str | None = None
    worked: float | None = None


@attrs.frozen(kw_only=True)
class Backoff:
    """The pause after the nth crash in a row; a run of `settled` seconds forgives earlier ones."""

    first: float = 0.5
    most: float = 30.0
    settled: float = 60.0

    def after(self, crashes: int) -> float:
        return uniform(0.5, 1.0) * min(self.most, self.first * 2.0 ** (crashes - 1))


async def keep(
    name: str,
    component: Component,
    health: dict[str, Condition],
    backoff: Backoff = Backoff(),
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a component to its end; only a crash before it first worked reaches the caller."""
    condition = health[name] = Condition()
    in_a_row, worked = 0, False
    while True:
        began = trio.current_time()
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(_adapt, component)
                condition.state = State.RUNNING
                if not worked:
                    worked = True
                    task_status.started()
            condition.state = State.DONE
            return
        except* Exception as crash:
            if not worked:
                raise
            condition.state, condition.error = State.WAITING, reason(crash)
            condition.crashes += 1
            log.error("component crashed", component=name, error=condition.error, exc_info=crash)
        in_a_row = 1 if trio.current_time() - began > backoff.settled else in_a_row + 1
        await trio.sleep(backoff.after(in_a_row))


async def _adapt(component: Component, *, task_status: trio.TaskStatus[None]) -> None:
    await component(task_status)


def reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        [error] = error.exceptions
    return f"{type(error).__name__}: {error}"
