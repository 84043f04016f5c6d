"""What is wrong with a host or a process of OSAPI: measurements and thresholds into conditions.

Each condition is always told, with whether it holds, as what is never told cannot be seen to be over; those that are
switched off are left out. Every function gives the present moment as that of the last transition; `carried` puts the
earlier one in its place where nothing has changed.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from osapi.config.schema import Conditions, ProcessConditions
from osapi.operations.node import DiskUsage, LoadAverage, MemoryUsage
from osapi.registry import NodeCondition, ProcessUsage


class Kind(StrEnum):
    """The types of conditions."""

    MEMORY_PRESSURE = "MemoryPressure"
    HIGH_LOAD = "HighLoad"
    DISK_PRESSURE = "DiskPressure"
    CLOCK_SKEW = "ClockSkew"
    DUPLICATE_MACHINE_ID = "DuplicateMachineId"
    DUPLICATE_HOSTNAME = "DuplicateHostname"
    PROCESS_MEMORY_PRESSURE = "ProcessMemoryPressure"
    PROCESS_HIGH_CPU = "ProcessHighCPU"


UNREACHABLE = "ComponentUnreachable"
"""What controllers tell of a component that has stopped beating, which cannot tell it itself."""

ALL = (*map(str, Kind), UNREACHABLE)

MIB = 1024 * 1024


def condition(kind: Kind, at: datetime, reason: str | None) -> NodeCondition:
    """A condition that holds for a reason, or without one does not."""
    return NodeCondition(type=kind, status=reason is not None, last_transition_time=at, reason=reason)


def carried(found: Iterable[NodeCondition], before: Iterable[NodeCondition]) -> list[NodeCondition]:
    """What is found, each since the moment that it has been so."""
    since = {(each.type, each.status): each.last_transition_time for each in before}
    return [
        NodeCondition(
            type=each.type,
            status=each.status,
            reason=each.reason,
            last_transition_time=since.get((each.type, each.status), each.last_transition_time),
        )
        for each in found
    ]


def memory_pressure(memory: MemoryUsage | None, limits: Conditions, at: datetime) -> NodeCondition:
    """Whether more of the memory is used, without swapping, than is good."""
    used = 100 * memory.used / memory.total if memory and memory.total else 0.0
    limit = limits.memory_pressure_threshold
    reason = f"{used:.0f}% of the memory is used, more than {limit}%" if used > limit else None
    return condition(Kind.MEMORY_PRESSURE, at, reason)


def high_load(load: LoadAverage | None, cpus: int, limits: Conditions, at: datetime) -> NodeCondition:
    """Whether more tasks want to run than so many for each CPU, on average of the last minute."""
    limit = cpus * limits.high_load_multiplier
    high = load is not None and load.one > limit > 0
    reason = f"load {load.one:.2f} on {cpus} CPUs, more than {limit:g}" if load and high else None
    return condition(Kind.HIGH_LOAD, at, reason)


def disk_pressure(disks: Iterable[DiskUsage], limits: Conditions, at: datetime) -> NodeCondition:
    """Whether a file system is fuller than is good, of what users can have, as df(1) counts; the first is named."""
    limit = limits.disk_pressure_threshold
    full = [(disk.name, used) for disk in disks if (used := percent_used(disk)) > limit]
    if not full:
        return condition(Kind.DISK_PRESSURE, at, None)
    name, used = full[0]
    others = f", and {len(full) - 1} more" if len(full) > 1 else ""
    return condition(Kind.DISK_PRESSURE, at, f"{name} is {used:.0f}% full, more than {limit}%{others}")


def percent_used(disk: DiskUsage) -> float:
    """How full a file system is, without what is kept back for root."""
    room = disk.used + disk.free
    return 100 * disk.used / room if room else 0.0


def clock_skew(skew: timedelta, limits: Conditions, at: datetime) -> NodeCondition:
    """Whether the clock is far from the broker's; `skew` is how far that one is ahead."""
    seconds = skew.total_seconds()
    if abs(seconds) <= limits.clock_skew_threshold:
        return condition(Kind.CLOCK_SKEW, at, None)
    side = "behind" if seconds > 0 else "ahead of"
    reason = (
        f"the clock is {abs(seconds):.1f} s {side} the broker's, more than {limits.clock_skew_threshold:g} s"
    )
    return condition(Kind.CLOCK_SKEW, at, reason)


def process_conditions(usage: ProcessUsage, limits: ProcessConditions, at: datetime) -> list[NodeCondition]:
    """Whether a process of OSAPI takes more than it should; what has no threshold is left out."""
    found = []
    if limit := limits.memory_pressure_bytes:
        rss = usage.rss_bytes
        words = f"{rss / MIB:.0f} MiB are resident, more than {limit / MIB:.0f} MiB"
        found.append(condition(Kind.PROCESS_MEMORY_PRESSURE, at, words if rss > limit else None))
    if most := limits.high_cpu_percent:
        percent = usage.cpu_percent
        words = f"{percent:.0f}% of a CPU since the last beat, more than {most:g}%"
        found.append(condition(Kind.PROCESS_HIGH_CPU, at, words if percent > most else None))
    return found
