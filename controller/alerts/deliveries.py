"""Reading the log of deliveries, from its end."""

from collections.abc import Callable, Iterator

import structlog

from osapi import wire
from osapi.bus import CaughtUp, Line, Log
from osapi.calls.notification import Delivery
from osapi.errors import BadInput, NotFound

log = structlog.get_logger()

AT_ONCE = 500
"""Entries that are read from the log at once."""


async def latest(log_: Log, wanted: Callable[[Delivery], bool], limit: int) -> list[Delivery]:
    """The last deliveries of those that are wanted, the latest first."""
    found: list[Delivery] = []
    state = await log_.state()
    last = state.last
    while last >= state.first > 0 and len(found) < limit:
        first = max(state.first, last - AT_ONCE + 1)
        lines = await between(log_, first, last)
        found += filter(wanted, decoded(reversed(lines)))
        last = first - 1
    return found[:limit]


async def between(log_: Log, first: int, last: int) -> list[Line]:
    """The entries from one sequence to another."""
    found = []
    async with log_.read(first=first) as lines:
        async for line in lines:
            if isinstance(line, CaughtUp) or line.sequence > last:
                break
            found.append(line)
    return found


def decoded(lines: Iterator[Line]) -> Iterator[Delivery]:
    for line in lines:
        try:
            yield wire.decode(Delivery, line.data)
        except BadInput as error:
            log.warning("an entry that cannot be read was passed over", key=line.name, error=str(error))


async def find(log_: Log, id: str) -> Delivery:
    line = await log_.latest(id)
    if line is None:
        raise NotFound(f"no delivery {id} is known; `osapi client notification list` shows those that are")
    return wire.decode(Delivery, line.data)
