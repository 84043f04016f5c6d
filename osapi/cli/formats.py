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


def versions(value: Any) -> str:
    """What became of packages: `curl 7.88.1 → 7.88.2, jq new 1.6, vim gone`."""
    return ", ".join(
        f"{each['name']} {_became(each.get('before'), each.get('after'))}" for each in value or ()
    )


def _became(before: str | None, after: str | None) -> str:
    if after is None:
        return "gone"
    return f"{before} → {after}" if before else f"new {after}"


def schedule(value: Any) -> str:
    """When an entry of cron runs."""
    return text(value.get("schedule") or value.get("interval"))


def digest(value: Any) -> str:
    """As much of a SHA-256 as tells it from others; Docker calls it by its name."""
    return str(value or "").removeprefix("sha256:")[:12]


def word(value: Any) -> str:
    """A value as JSON has it: `true`, `4096`."""
    return str(value).lower() if isinstance(value, bool) else text(value)


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


def lately(value: Any) -> str:
    """The time of a moment today, the date of any other."""
    date, _, time = moment(value).partition(" ")
    return time if date == f"{datetime.now().astimezone():%Y-%m-%d}" else date


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


def milliseconds(value: Any) -> str:
    """A length of time."""
    return "" if not value else f"{value} ms" if value < 1000 else f"{value / 1000:.1f} s"


def ended(entry: Any) -> str:
    """How the request of an audit entry was answered, in a number, or what else it tells of in words."""
    phase, code = entry.get("phase"), entry.get("response_code")
    if phase == "intent":
        return "begun"
    found = str(code) if code else str(entry.get("outcome") or phase or "")
    return f"{found} (dry run)" if entry.get("dry_run") else found


def alerting(alert: Any) -> str:
    """How an alert is: firing, or silenced, or resolved."""
    return "silenced" if alert.get("silenced_by") else str(alert.get("status") or "")


def first_line(value: Any) -> str:
    """The first line of a text, with a mark where there are more."""
    head, _, more = (value or "").strip().partition("\n")
    return f"{head} …" if more else head


def natural(name: str) -> list[tuple[int, str]]:
    """What to sort names by, so that web-9 comes before web-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def fold(names: Iterable[str], most: int = 40) -> str:
    """Names of hosts in short: `web-[01-03,07]`; their number, where that is still longer than `most`."""
    known = sorted(set(names), key=natural)
    parts = [_parts(name) for name in known]
    padded = any(digits.startswith("0") for _, digits, _ in parts)
    alike: dict[tuple[str, str, int], list[str]] = {}
    for before, digits, after in parts:
        alike.setdefault((before, after, len(digits) if padded else 0), []).append(digits)
    short = ", ".join(f"{before}{_ranges(digits)}{after}" for (before, after, _), digits in alike.items())
    return short if len(known) == 1 or len(short) <= most else f"{len(known)} hosts"


def _parts(name: str) -> tuple[str, str, str]:
    """What is before the last number of a name, the number, and what is after it."""
    match = re.fullmatch(r"(.*?)(\d*)(\D*)", name)
    assert match
    return (match[1], match[2], match[3]) if match[2] else (name, "", "")


def _ranges(found: list[str]) -> str:
    if len(found) == 1:
        return found[0]
    runs = []
    for _, run in groupby(enumerate(found), key=lambda pair: int(pair[1]) - pair[0]):
        digits = [text for _, text in run]
        runs.append(digits[0] if len(digits) == 1 else f"{digits[0]}-{digits[-1]}")
    return f"[{','.join(runs)}]"
