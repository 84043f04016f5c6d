"""Hosts that were not there when this controller started: gone without a goodbye, or stopped meanwhile.

Their beats have lapsed by then; their timelines know.
"""

from osapi import wire
from osapi.bus import CaughtUp, Log
from osapi.calls.agent import TimelineEvent
from osapi.errors import BadInput

COMING, GOING = {"registered", "started"}, {"stopped"}
"""Events that an agent puts into the timeline of its host."""


async def last_word(timeline: Log, machine_id: str) -> tuple[float, bool] | None:
    """When an agent last came or went, by the broker's clock, and whether it went; None where that is not known."""
    found = None
    async with timeline.read(names=machine_id) as lines:
        async for line in lines:
            if isinstance(line, CaughtUp):
                break
            try:
                event = wire.decode(TimelineEvent, line.data).event
            except BadInput:
                continue  # who shows timelines has a word in the log for it
            if event in COMING | GOING:
                found = line.created, event in GOING
    return found
