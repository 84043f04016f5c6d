"""The journal of systemd, read with journalctl(1) and its JSON (systemd.journal-fields(7))."""

import json
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from agent.dispatch import performs
from agent.host import Host
from osapi.errors import BadInput, CommandFailed, Error, NotFound, Refused, Unsupported
from osapi.operations import log

JOURNAL = ("journalctl", "--quiet", "--no-pager")
ENTRIES = (
    *JOURNAL,
    "--output=json",
    "--all",
    "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID,SYSLOG_PID,_HOSTNAME",
)
PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Names of the levels from 0, syslog(3)."""
DIGITS = {str(number) for number in range(len(PRIORITIES))}

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 10_000
"""Entries of an answer."""


@performs(log.Query, "debian", "redhat", "suse", "arch")
async def query(host: Host, p: log.Query) -> log.LogEntries:
    return log.LogEntries(entries=await _entries(host, p.lines, *chosen(since=p.since, priority=p.priority)))


@performs(log.Source, "debian", "redhat", "suse", "arch")
async def source(host: Host, _: log.Source) -> log.LogSources:
    names = (await _journal(host, *JOURNAL, "--field=SYSLOG_IDENTIFIER")).split("\n")
    return log.LogSources(sources=sorted(filter(None, names)))


@performs(log.OfUnit, "debian", "redhat", "suse", "arch")
async def unit(host: Host, p: log.OfUnit) -> log.LogEntries:
    words = chosen(unit=p.name, since=p.since, priority=p.priority)
    entries = await _entries(host, p.lines, *words)
    if not entries:
        await _exists(host, p.name)
    return log.LogEntries(entries=entries)


@performs(log.Follow, "debian", "redhat", "suse", "arch")
async def follow(host: Host, p: log.Follow) -> log.LogEntries:
    await _booted(host)
    if p.name and not await _entries(host, 1, *chosen(unit=p.name)):
        await _exists(host, p.name)
    found: deque[log.LogEntry] = deque(maxlen=MOST)

    def take(line: str) -> None:
        found.append(parse(line))
        host.emit("stdout", shown(found[-1]))

    words = chosen(unit=p.name, priority=p.priority)
    try:
        await host.listen(*ENTRIES, "--follow", "--lines=0", *words, seconds=p.timeout, emit=Lines(take).add)
    except CommandFailed as error:
        raise explained(error) from None
    return log.LogEntries(entries=[*found])


async def _entries(host: Host, lines: int, *words: str) -> list[log.LogEntry]:
    """The newest entries, the oldest of them first.

    They are asked for backwards: with `--since`, journalctl of Debian 12 counts `--lines` from the other end.
    """
    text = await _journal(host, *ENTRIES, "--reverse", f"--lines={lines}", *words)
    return await host.in_thread(lambda: [parse(line) for line in reversed(text.split("\n")) if line])


async def _journal(host: Host, *argv: str) -> str:
    await _booted(host)
    try:
        return await host.run(*argv)
    except CommandFailed as error:
        raise explained(error) from None


async def _booted(host: Host) -> None:
    if not await host.stat("/run/systemd/system"):  # sd_booted(3)
        raise Unsupported("there is no journal where systemd does not run")


def explained(error: CommandFailed) -> Error:
    if "insufficient permissions" in error.stderr:
        return Refused("the agent's user may not read the journal; add it to the group systemd-journal")
    if "Failed to parse timestamp" in error.stderr:
        return BadInput(f"since: {error.stderr.strip()}; see systemd.time(7)", "since")
    return error


async def _exists(host: Host, name: str) -> None:
    """`NotFound` where there is no such unit."""
    state = await host.run("systemctl", "show", "--value", "--property=LoadState", "--", name)
    if state.strip() == "not-found":
        raise NotFound(f"there is no unit {name}, and the journal tells nothing of one")


def chosen(*, unit: str | None = None, since: str | None = None, priority: str | None = None) -> list[str]:
    """The options that choose entries."""
    given = {"unit": unit, "since": since and moment(since), "priority": priority}
    return [f"--{name}={value}" for name, value in given.items() if value]


def moment(since: str) -> str:
    """A moment of RFC 3339 in seconds since the epoch, as systemd 252 does not know the former; else as it is."""
    try:
        found = datetime.fromisoformat(since)
    except ValueError:
        return since
    return f"@{found.timestamp():.6f}" if found.tzinfo else str(found)


def parse(line: str) -> log.LogEntry:
    """An entry as `journalctl --output=json` prints it."""
    found: dict[str, Any] = json.loads(line)
    fields = {name: text(value) for name, value in found.items()}
    pid = fields.get("_PID") or fields.get("SYSLOG_PID") or ""
    priority = fields.get("PRIORITY") or ""
    return log.LogEntry(
        timestamp=(EPOCH + timedelta(microseconds=int(fields["__REALTIME_TIMESTAMP"]))).isoformat(),
        unit=fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM"),
        priority=PRIORITIES[int(priority)] if priority in DIGITS else None,
        message=fields.get("MESSAGE"),
        pid=int(pid) if pid.isdecimal() else None,
        hostname=fields.get("_HOSTNAME"),
    )


def text(value: Any) -> str:
    """A field: what is not printable is a list of its bytes, and what was given several times a list of those."""
    if isinstance(value, list):
        if all(isinstance(each, int) for each in value):
            return bytes(value).decode(errors="replace")
        return "\n".join(map(text, value))
    return value or ""


def shown(entry: log.LogEntry) -> str:
    """An entry as a line, as journalctl shows it with `--output=short-iso`."""
    pid = f"[{entry.pid}]" if entry.pid else ""
    return f"{entry.timestamp} {entry.unit or '-'}{pid}: {entry.message or ''}\n"


@attrs.define
class Lines:
    """Hands whole lines on, of text that comes in pieces."""

    take: Callable[[str], None]
    _begun: str = ""

    def add(self, stream: str, piece: str) -> None:
        if stream == "stdout":
            *lines, self._begun = (self._begun + piece).split("\n")
            for line in lines:
                self.take(line)
