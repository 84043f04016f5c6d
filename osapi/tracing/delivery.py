"""Traces of a daemon: begun with it, sent on while it runs, and the last of them when it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import structlog
import trio

from osapi import tracing
from osapi.config import Config
from osapi.errors import Error
from osapi.supervise import Backoff, Condition, State, keep

if TYPE_CHECKING:
    from osapi.tracing.recorder import Recorder

log = structlog.get_logger()

INTERVAL = 1.0
"""Seconds between two batches, unless one is full before."""

BACKOFF = Backoff(first=INTERVAL)
"""Pauses while the collector takes nothing."""


@contextmanager
def traced(config: Config, service: str) -> Iterator[None]:
    """Record what this task does, and what it starts meanwhile, where the configuration wants it.

    Raises `ConfigError` where it cannot be done as configured. `debug` stands for `enabled`, as it always did.
    """
    settings = config.telemetry.tracing
    found = None
    if settings.enabled or config.debug:
        from osapi.tracing.otlp import sender
        from osapi.tracing.recorder import recorder

        found = recorder(settings, service, sender(settings, sys.stdout))
    with tracing.recorded(found):
        yield


async def deliver(services: trio.Nursery, health: dict[str, Condition]) -> None:
    """Start the component that sends what is recorded here, where that is to be sent."""
    recorder = tracing.recording()
    if recorder and recorder.sender:
        await services.start(keep, "tracing", Delivery(recorder).run, health)
    else:
        health["tracing"] = Condition(State.DISABLED)


@attrs.define
class Delivery:
    """Sends what a recorder has, as a component of its daemon."""

    recorder: "Recorder"
    failures: int = 0

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Send until cancelled, and once more then."""
        task_status.started()
        try:
            while True:
                await self.pause()
                await self.send()
        except trio.Cancelled:
            if reason := await self.recorder.close():
                lost = self.recorder.queue.dropped + len(self.recorder.queue.waiting)
                log.warning("spans were dropped", spans=lost, to=self.recorder.where, reason=reason)
            raise

    async def pause(self) -> None:
        """Until there is something to send, and it makes sense to try."""
        if self.failures:
            await trio.sleep(BACKOFF.after(min(self.failures, 10)))
        else:
            full = self.recorder.queue.full
            with trio.move_on_after(INTERVAL):
                await full.wait()

    async def send(self) -> None:
        """Send what there is; an outage is told once, and once it is over."""
        recorder = self.recorder
        try:
            await recorder.send()
        except Error as error:
            self.failures += 1
            if self.failures == 1:
                log.warning("traces are not delivered", to=recorder.where, reason=str(error))
            return
        if self.failures:
            log.info("traces are delivered again", to=recorder.where)
        self.failures = 0
        if recorder.queue.dropped:
            log.warning("spans were dropped", spans=recorder.queue.dropped)
            recorder.queue.dropped = 0
