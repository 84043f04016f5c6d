"""Lengths of time as people write them: `1h30m`, `250ms`, `90d`.

The grammar is that of Go's `time.ParseDuration`, which existing configuration files are written in, and `d`
for a day of 24 hours.
"""

import re

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
LONGEST = 2**63 - 1
"""Nanoseconds; some 292 years."""

_PART = re.compile(r"(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h|d)")
_WHOLE = re.compile(rf"([-+]?)(?:0|((?:{_PART.pattern})+))")


class Duration(float):
    """Seconds; as text, such as `1h30m0s`. `f"{duration:.1f}"` gives plain seconds."""

    __slots__ = ()

    def __str__(self) -> str:
        total = nanoseconds(abs(self))
        sign = "-" if self < 0 else ""
        if total < NANOSECONDS["s"]:
            return sign + _small(total)
        minutes, rest = divmod(total, NANOSECONDS["m"])
        hours, minutes = divmod(minutes, 60)
        larger = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
        return f"{sign}{larger}{_decimal(rest, NANOSECONDS['s'])}s"

    def __repr__(self) -> str:
        return f"Duration({float(self)!r})"


def parse(text: str) -> Duration:
    """Read a duration; `ValueError` where it is none, or longer than 292 years."""
    match = _WHOLE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a duration, such as 90s, 1h30m or 7d")
    total = sum(_part(*part) for part in _PART.findall(match[2] or ""))
    if total > LONGEST:
        raise ValueError(f"{text!r} is longer than 292 years")
    return Duration((-total if match[1] == "-" else total) / NANOSECONDS["s"])


def nanoseconds(seconds: float) -> int:
    """Whole nanoseconds, exact for durations of up to 52 days."""
    whole = int(seconds)
    return whole * NANOSECONDS["s"] + round((seconds - whole) * NANOSECONDS["s"])


def _part(whole: str, fraction: str, unit: str) -> int:
    scale = NANOSECONDS[unit]
    return int(whole or "0") * scale + int(fraction or "0") * scale // int(10 ** len(fraction))


def _small(total: int) -> str:
    """Less than a second, in the largest unit that leaves something before the point."""
    for unit in ("ms", "µs"):
        if total >= NANOSECONDS[unit]:
            return f"{_decimal(total, NANOSECONDS[unit])}{unit}"
    return f"{total}ns" if total else "0s"


def _decimal(total: int, unit: int) -> str:
    whole, rest = divmod(total, unit)
    fraction = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0")
    return f"{whole}.{fraction}" if fraction else str(whole)
