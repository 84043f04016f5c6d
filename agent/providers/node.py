"""What a host is and how it does, as /proc and os-release tell it."""

import re
from collections.abc import Awaitable
from typing import TypeVar

from agent.dispatch import performs
from agent.host import Host
from agent.release import NAMES, parse
from osapi.durations import Duration
from osapi.errors import NotFound, OperationError
from osapi.operations import node

T = TypeVar("T")

FULL_IMAGES = {"squashfs", "erofs", "iso9660", "udf", "cramfs", "romfs"}
"""Read-only images, full by nature; snaps are such."""


@performs(node.Status)
async def status(host: Host, _: node.Status) -> node.NodeReport:
    seconds = await _readable(uptime_seconds(host))
    return node.NodeReport(
        uptime=None if seconds is None else in_words(seconds),
        os_info=await _readable(system(host)),
        load_average=await _readable(load_average(host)),
        memory=await _readable(memory_usage(host)),
        disks=await _readable(disk_usage(host)) or [],
    )


@performs(node.Disk)
async def disk(host: Host, _: node.Disk) -> node.Disks:
    return node.Disks(disks=await disk_usage(host))


@performs(node.Memory)
async def memory(host: Host, _: node.Memory) -> node.MemoryReport:
    return node.MemoryReport(memory=await memory_usage(host))


@performs(node.Load)
async def load(host: Host, _: node.Load) -> node.LoadReport:
    return node.LoadReport(load_average=await load_average(host))


@performs(node.OS)
async def os(host: Host, _: node.OS) -> node.SystemReport:
    return node.SystemReport(os_info=await system(host))


@performs(node.Uptime)
async def uptime(host: Host, _: node.Uptime) -> node.UptimeReport:
    return node.UptimeReport(uptime=str(Duration(await uptime_seconds(host))))


async def uptime_seconds(host: Host) -> int:
    return int(float((await _text(host, "/proc/uptime")).split()[0]))


def in_words(seconds: int) -> str:
    """A time such as `1 day, 2 hours, 0 minutes`."""
    minutes = seconds // 60
    parts = {"day": minutes // 1440, "hour": minutes // 60 % 24, "minute": minutes % 60}
    return ", ".join(f"{n} {unit}{'' if n == 1 else 's'}" for unit, n in parts.items())


async def system(host: Host) -> node.System:
    text = await host.read(NAMES[0]) or await _text(host, NAMES[1])
    release = parse(text)
    # A rolling distribution has no VERSION_ID, but may name its build (os-release(5)).
    version = release.get("VERSION_ID") or release.get("BUILD_ID") or release.get("VERSION_CODENAME", "")
    return node.System(distribution=release.get("ID", "linux"), version=version)


async def load_average(host: Host) -> node.LoadAverage:
    one, five, fifteen = map(float, (await _text(host, "/proc/loadavg")).split()[:3])
    return node.LoadAverage(one=one, five=five, fifteen=fifteen)


async def memory_usage(host: Host) -> node.MemoryUsage:
    """`MemAvailable` is the kernel's estimate of what can be had without swapping (proc_meminfo(5))."""
    found = parse_memory(await _text(host, "/proc/meminfo"))
    try:
        total, free, available = found["MemTotal"], found["MemFree"], found["MemAvailable"]
    except KeyError as missing:
        raise NotFound(f"/proc/meminfo has no {missing}") from None
    return node.MemoryUsage(total=total, free=free, used=total - available)


def parse_memory(text: str) -> dict[str, int]:
    """The sizes of /proc/meminfo, in bytes."""
    return {name: int(kib) * 1024 for name, kib in re.findall(r"^(\S+): +(\d+) kB$", text, re.MULTILINE)}


async def disk_usage(host: Host) -> list[node.DiskUsage]:
    """The file systems on disks of this host, each once, and its root whatever it is on."""
    mounts = parse_mounts(await _text(host, "/proc/self/mounts"), await _text(host, "/proc/filesystems"))
    found: dict[str, node.DiskUsage] = {}
    for device, folder in mounts:
        if device not in found and (usage := await _usage(host, folder)):
            found[device] = usage
    return list(found.values())


async def _usage(host: Host, folder: str) -> node.DiskUsage | None:
    """How full a mounted file system is; None for a single file mounted, and what may not be looked at."""
    try:
        under = await host.stat(folder)
        space = await host.space(folder)
    except OperationError:
        return None
    if under is None or under.kind != "folder" or not space.total:
        return None
    return node.DiskUsage(name=folder, total=space.total, used=space.used, free=space.free)


def parse_mounts(mounts: str, filesystems: str) -> list[tuple[str, str]]:
    """Device and folder of the disks in /proc/self/mounts (proc_mounts(5)), and of the root.

    What has no disk is what /proc/filesystems has as `nodev`: what is made up, and what lies on other hosts.
    """
    made_up = {line.split()[1] for line in filesystems.splitlines() if line.startswith("nodev")} - {"zfs"}
    visible: dict[str, tuple[str, str]] = {}
    for line in mounts.splitlines():
        device, folder, kind = line.split(" ")[:3]
        visible[unescaped(folder)] = device, kind.partition(".")[0]
    return [
        (device, folder)
        for folder, (device, kind) in visible.items()
        if folder == "/" or kind not in made_up | FULL_IMAGES
    ]


def unescaped(folder: str) -> str:
    """The kernel writes blanks and backslashes of a name in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), folder)


async def _text(host: Host, name: str) -> str:
    text = await host.read(name)
    if text is None:
        raise NotFound(f"this host has no {name}")
    return text


async def _readable(part: Awaitable[T]) -> T | None:
    """A part of a report; None where it cannot be read."""
    try:
        return await part
    except OperationError:
        return None
