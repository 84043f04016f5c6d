"""What a host is and how it does: read-outs of one moment. Sizes are in bytes."""

import attrs
import msgspec

from osapi.operation import Operation


@attrs.frozen(kw_only=True)
class DiskUsage:
    """One mounted file system, named by its mount point."""

    name: str
    total: int
    used: int
    free: int


@attrs.frozen(kw_only=True)
class MemoryUsage:
    """Physical memory: `used` is what cannot be had without swapping, `free` what nothing uses at all."""

    total: int
    free: int
    used: int


class LoadAverage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"one": "1min", "five": "5min", "fifteen": "15min"},
):
    """Runnable tasks, averaged over 1, 5 and 15 minutes (proc_loadavg(5))."""

    one: float
    five: float
    fifteen: float


@attrs.frozen(kw_only=True)
class System:
    """The distribution, as os-release(5) names it."""

    distribution: str
    version: str


@attrs.frozen(kw_only=True)
class Disks:
    disks: list[DiskUsage]


@attrs.frozen(kw_only=True)
class MemoryReport:
    memory: MemoryUsage


@attrs.frozen(kw_only=True)
class LoadReport:
    load_average: LoadAverage


@attrs.frozen(kw_only=True)
class SystemReport:
    os_info: System


@attrs.frozen(kw_only=True)
class UptimeReport:
    """How long the host has run, such as `26h3m4s`."""

    uptime: str


@attrs.frozen(kw_only=True)
class NodeReport:
    """All of it at once; what could not be read is left out."""

    uptime: str | None = None
    os_info: System | None = None
    load_average: LoadAverage | None = None
    memory: MemoryUsage | None = None
    disks: list[DiskUsage] = attrs.field(factory=list)


class Status(Operation[NodeReport], GET="", command="status"):
    """Show how hosts are: system, uptime, load, memory and disks."""


class Disk(Operation[Disks], GET="/disk", command="disk get"):
    """Show how full the disks are."""


class Memory(Operation[MemoryReport], GET="/memory", command="memory get"):
    """Show how much memory is used."""


class Load(Operation[LoadReport], GET="/load", command="load get"):
    """Show the load averages."""


class OS(Operation[SystemReport], GET="/os", command="os get"):
    """Show the distribution and its version."""


class Uptime(Operation[UptimeReport], GET="/uptime", command="uptime get"):
    """Show how long hosts have been up."""
