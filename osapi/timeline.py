"""What happened to a host, in order: an append-only log, one name for each machine id.

Whoever does something to a host tells it here, once; times are by the clock of who tells.
"""

from datetime import datetime

import structlog

from osapi import wire
from osapi.bus import CaughtUp, Log
from osapi.calls.agent import TimelineEvent
from osapi.errors import BadInput, NoSpace, Unavailable
from osapi.jobs import now

logger = structlog.get_logger()


async def tell(
    log: Log, machine_id: str, hostname: str, event: str, message: str, *, at: datetime | None = None
) -> None:
    """Add an event, such as `drain`; where the broker takes none, the daemon's own log has it."""
    happened = TimelineEvent(timestamp=at or now(), event=event, hostname=hostname, message=message)
    try:
        await log.append(machine_id, wire.encode(happened))
    except (Unavailable, NoSpace) as error:
        logger.warning(
            "an event is missing from the timeline",
            machine_id=machine_id,
            happened=event,
            message=message,
            reason=str(error),
        )


async def read(log: Log, machine_id: str) -> list[TimelineEvent]:
    """What is known of a host, the oldest first."""
    found = []
    async with log.read(names=machine_id) as lines:
        async for line in lines:
            if isinstance(line, CaughtUp):
                break
            try:
                found.append(wire.decode(TimelineEvent, line.data))
            except BadInput as error:
                logger.warning(
                    "an event that cannot be read was passed over", name=line.name, error=str(error)
                )
    return sorted(found, key=lambda event: event.timestamp)
