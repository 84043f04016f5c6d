"""What is measured on this host, as conditions; the thresholds and words are those of `osapi.conditions`."""

from datetime import datetime

from agent.identity import Identity
from agent.providers.node import unescaped
from osapi import conditions
from osapi.config.schema import Conditions
from osapi.operations.node import NodeReport
from osapi.registry import NodeCondition


async def of_host(
    identity: Identity, report: NodeReport, limits: Conditions, at: datetime
) -> list[NodeCondition]:
    """How the host does, as of `at`; what could not be measured is not held against it."""
    mounts = await identity.host.read("/proc/self/mounts") or ""
    fixed = read_only(mounts)
    disks = [disk for disk in report.disks if disk.name not in fixed]
    return [
        conditions.memory_pressure(report.memory, limits, at),
        conditions.high_load(report.load_average, identity.facts.cpu_count or 0, limits, at),
        conditions.disk_pressure(disks, limits, at),
        conditions.clock_skew(identity.skew, limits, at),
    ]


def read_only(mounts: str) -> set[str]:
    """Where /proc/self/mounts (proc_mounts(5)) has a file system that cannot get fuller."""
    found = {}
    for line in mounts.splitlines():
        _, folder, _, options = line.split(" ")[:4]
        found[unescaped(folder)] = "ro" in options.split(",")
    return {folder for folder, fixed in found.items() if fixed}
