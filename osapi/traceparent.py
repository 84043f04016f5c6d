"""Which trace something belongs to: `traceparent` as it travels in headers (W3C Trace Context, section 3.2).

Of use without any tracing: the ids alone join what the CLI, the controller and the agents say of one call.
"""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import attrs

HEADER = "traceparent"
TRACE_ID = "Trace-Id"
"""The header of an answer that names its trace."""

SHAPE = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
LONGEST = 512
SAMPLED = 0x01


@attrs.frozen
class Traceparent:
    """A place in a trace: 32 hexadecimal digits for the trace, 16 for the span, neither of them all zero.

    `sampled`: who continues the trace is to record it, if it records any; without, it is to be left alone.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{SAMPLED if self.sampled else 0:02x}"


current: ContextVar[Traceparent | None] = ContextVar("traceparent", default=None)
"""Where the task that asks is; its child tasks begin where it was when it started them."""


def parse(header: str | None) -> Traceparent | None:
    """What a header says; None where there is none, or none that is valid (then a new trace is begun).

    Later versions may say more after the flags, and are read as far as this one goes (section 3.2.3).
    """
    found = SHAPE.fullmatch(header.strip()) if header and len(header) <= LONGEST else None
    if not found:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Traceparent(trace_id, span_id, bool(int(flags, 16) & SAMPLED))


def fresh() -> Traceparent:
    """The beginning of a trace, by one who does not record it: whether those do who continue it is up to them."""
    return Traceparent(digits(32), digits(16))


@contextmanager
def within(place: Traceparent | None) -> Iterator[None]:
    """Be at that place; None is in no trace."""
    before = current.set(place)
    try:
        yield
    finally:
        current.reset(before)


def trace_id() -> str | None:
    """The trace that one is in."""
    place = current.get()
    return place.trace_id if place else None


def digits(count: int) -> str:
    """So many random hexadecimal digits, not all of them zero; they need be unique, not secret."""
    return f"{random.randrange(1, 16**count):0{count}x}"
