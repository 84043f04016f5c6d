"""What a job prints while it runs, as events on the bus.

`emit` never waits: what the broker cannot take is left out, and the numbers of the events show it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import structlog
import trio

from osapi import wire
from osapi.bus import Bus
from osapi.errors import Unavailable
from osapi.jobs import Event, EventKind, now

log = structlog.get_logger()

WAITING = 1000
"""Events that may wait for the broker."""


@attrs.define
class Output:
    """The events of one job on this host, numbered from 1."""

    job_id: str
    machine_id: str
    hostname: str
    _send: trio.MemorySendChannel[Event]
    _number: int = 0

    @staticmethod
    @asynccontextmanager
    async def open(
        bus: Bus, subject: str, job_id: str, machine_id: str, hostname: str
    ) -> AsyncIterator["Output"]:
        """Events are published while this is open; what waits at its end still goes out."""
        send, receive = trio.open_memory_channel[Event](WAITING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish, bus, subject, receive)
            with send:
                yield Output(job_id, machine_id, hostname, send)

    def tell(self, kind: EventKind, **data: str) -> None:
        self._number += 1
        event = Event(
            job_id=self.job_id,
            kind=kind,
            time=now(),
            machine_id=self.machine_id,
            hostname=self.hostname,
            number=self._number,
            data=data,
        )
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            log.debug("an event was left out", job=self.job_id, number=self._number)

    def emit(self, stream: str, text: str) -> None:
        """A piece of standard output or standard error."""
        self.tell(EventKind.OUTPUT, stream=stream, text=text)


async def publish(bus: Bus, subject: str, events: trio.MemoryReceiveChannel[Event]) -> None:
    async with events:
        async for event in events:
            try:
                await bus.publish(subject, wire.encode(event))
            except Unavailable as error:
                log.debug("an event was left out", job=event.job_id, number=event.number, reason=str(error))
