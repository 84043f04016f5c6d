"""Values as a person reads them."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def text(value: Any) -> str:
    """Any value on one line; nothing for what is not there."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(text(inner) for inner in value)
    return " ".join(str(value).split())


def printable(found: str) -> str:
    """A text without what a terminal would obey: hosts and processes choose their names themselves."""
    return (
        found if found.isprintable() else "".join(c if c.isprintable() or c == "\t" else "�" for c in found)
    )


def size(value: Any) -> str:
    """Bytes in the largest binary unit that leaves something before the point: `1.5 GiB`."""
    if value is None:
        return ""
    amount = float(value)
    for unit in UNITS:
        if amount < 1024 or unit == UNITS[-1]:
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def percent(value: Any) -> str:
    return "" if value is None else f"{float(value):.1f}%"


def usage(value: Any) -> str:
    """How much of `total` is `used`, in percent."""
    total = (value or {}).get("total")
    return percent(100 * value.get("used", 0) / total) if total else ""


def memory(value: Any) -> str:
    return f"{size(value.get('used'))} of {size(value.get('total'))} ({usage(value)})" if value else ""


def load(value: Any) -> str:
    return " ".join(f"{value.get(minutes, 0):.2f}" for minutes in ("1min", "5min", "15min")) if value else ""


def system(value: Any) -> str:
    return f"{value.get('distribution', '')} {value.get('version', '')}".strip() if value else ""


def labels(value: Any) -> str:
    return ", ".join(f"{key}:{label}" for key, label in sorted((value or {}).items()))


def moment(value: Any) -> str:
    """A time, in the time zone of who reads it."""
    return "" if not value else f"{datetime.fromisoformat(value).astimezone():%Y-%m-%d %H:%M:%S}"


def clock(value: Any) -> str:
    return moment(value).partition(" ")[2]


def age(value: Any) -> str:
    """The time since a moment: `3d 4h`, `4h 5m`, `5m`, `9s`."""
    if not value:
        return ""
    seconds = max(int((datetime.now(UTC) - datetime.fromisoformat(value)).total_seconds()), 0)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m" if minutes else f"{seconds}s"


def ago(value: Any) -> str:
    return f"{age(value)} ago" if value else ""


def ready(value: Any) -> str:
    """How many there are of what counts `total` and `ready`."""
    return f"{value['ready']} of {value['total']} ready" if value else ""


def conditions(value: Any) -> str:
    """Those that hold."""
    return ", ".join(
        one if isinstance(one, str) else one["type"] for one in value or () if one and holds(one)
    )


def holds(condition: Any) -> bool:
    return isinstance(condition, str) or bool(condition.get("status"))


def first_line(value: Any) -> str:
    """The first line of a text, with a mark where there are more."""
    head, _, more = (value or "").strip().partition("\n")
    return f"{head} …" if more else head


def fold(names: Iterable[str], most: int = 40) -> str:
    """Names of hosts in short: `web-[01-03,07]`; their number, where that is still longer than `most`."""
    parts: dict[tuple[str, str, int], list[int]] = {}
    alone: list[str] = []
    known = sorted(set(names))
    for name in known:
        match = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
        if match:
            parts.setdefault((match[1], match[3], len(match[2])), []).append(int(match[2]))
        else:
            alone.append(name)
    folded = [
        f"{before}{_ranges(numbers, digits)}{after}" for (before, after, digits), numbers in parts.items()
    ]
    short = ", ".join(alone + folded)
    return short if len(known) == 1 or len(short) <= most else f"{len(known)} hosts"


def _ranges(numbers: list[int], digits: int) -> str:
    if len(numbers) == 1:
        return f"{numbers[0]:0{digits}d}"
    runs = []
    for _, run in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        found = [f"{number:0{digits}d}" for _, number in run]
        runs.append(found[0] if len(found) == 1 else f"{found[0]}-{found[-1]}")
    return f"[{','.join(runs)}]"
