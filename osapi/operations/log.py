"""The journal of hosts."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Operation, text

Lines = Annotated[int, msgspec.Meta(ge=1, le=10000, description="Entries to show at most, the newest")]
Since = Annotated[
    str,
    text(
        r"[0-9A-Za-z:@.+_/ -]*",
        "Entries from then on: a moment of RFC 3339, or what systemd.time(7) has, such as '1 hour ago' or 2026-01-31",
        example="1 hour ago",
        most=64,
    ),
]
Priority = Annotated[
    str,
    text(
        "(?:emerg|alert|crit|err|warning|notice|info|debug)?",
        "Entries of this importance and above: emerg, alert, crit, err, warning, notice, info or debug",
        example="warning",
        most=7,
    ),
]
Unit = Annotated[
    str,
    text(
        r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*",
        "Unit of systemd, such as ssh or ssh.service",
        example="ssh",
        most=255,
    ),
]
Duration = Annotated[
    int,
    msgspec.Meta(
        ge=1, le=300, description="Seconds to follow; for more than a few, do not wait for the answer"
    ),
]


@attrs.frozen(kw_only=True)
class LogEntry:
    """One entry; `timestamp` in RFC 3339, `unit` the name under which it was told (SYSLOG_IDENTIFIER)."""

    timestamp: str | None = None
    unit: str | None = None
    priority: str | None = None
    message: str | None = None
    pid: int | None = None
    hostname: str | None = None


@attrs.frozen(kw_only=True)
class LogEntries:
    """Entries, the oldest first."""

    entries: list[LogEntry]


@attrs.frozen(kw_only=True)
class LogSources:
    """The names under which something was told."""

    sources: list[str]


class Query(Operation[LogEntries], GET="/log"):
    """Show the newest entries of the journal."""

    lines: Lines = 100
    since: Since | None = None
    priority: Priority | None = None


class Source(Operation[LogSources], GET="/log/source"):
    """List who has told something."""


class OfUnit(Operation[LogEntries], GET="/log/unit/{name}", command="log unit"):
    """Show the newest entries of one unit.

    A unit that the host does not have, and of which the journal tells nothing, is not found.
    """

    name: Unit
    lines: Lines = 100
    since: Since | None = None
    priority: Priority | None = None


class Follow(Operation[LogEntries], GET="/log/follow"):
    """Show what comes into the journal, for a while.

    Each entry is told as an event of the job as it comes; the answer has the last 10,000.
    """

    name: Unit | None = None
    priority: Priority | None = None
    timeout: Duration = 10
