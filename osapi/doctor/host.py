"""The machine under the daemons: its clock, its disks, and its identity."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

from osapi.doctor.findings import Finding, Machine, fail, ok, skip, warn

UNSYNCHRONIZED = 0x40
"""STA_UNSYNC of timex.h."""

FULL, NEARLY = 0.03, 0.10
"""Parts of a disk or its inodes that are free."""
LEAST = 256 * 1024 * 1024
"""Bytes that must be free."""

GIB = 1024**3


class _Timex(ctypes.Structure):
    """adjtimex(2); what is not asked for is padding."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("most", ctypes.c_long),
        ("estimated", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    ]


async def clock(machine: Machine) -> list[Finding]:
    """Whether the kernel's clock is kept by some program (adjtimex(2)); asking changes nothing."""
    del machine
    found = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(found)) < 0:
        return [skip("ntp", f"the kernel does not tell: {os.strerror(ctypes.get_errno())}")]
    if found.status & UNSYNCHRONIZED:
        fix = "timedatectl set-ntp true, or install chrony; in a container, on its host"
        return [warn("ntp", "nothing keeps the clock: it is not synchronized", fix)]
    return [ok("ntp", f"the clock is synchronized, within {found.estimated / 1000:.1f} ms")]


async def disks(machine: Machine) -> list[Finding]:
    """Whether there is room below the state directories, the broker's store and blobs in files."""
    places = [machine.state(role).path for role in sorted(machine.roles - {"client"})]
    if "broker" in machine.roles:
        store = machine.config.nats.server.store_dir
        places.append(Path(store) if store else machine.state("broker").nats)
    by_disk = {_existing(place).stat().st_dev: place for place in reversed(places)}
    return [_disk(place, _existing(place)) for place in reversed(by_disk.values())]


def _existing(place: Path) -> Path:
    """A place, or the folder above it that is there already and may be looked at."""
    for path in (place, *place.parents):
        with suppress(OSError):
            path.stat()
            return path
    return Path("/")


def _disk(place: Path, there: Path) -> Finding:
    try:
        disk = os.statvfs(there)
    except OSError as error:
        return skip("disk", f"{there}: {error.strerror}")
    free, share = disk.f_bavail * disk.f_frsize, disk.f_bavail / max(disk.f_blocks, 1)
    inodes = disk.f_favail / disk.f_files if disk.f_files else 1.0
    told = f"{place}: {free / GIB:.1f} GiB free ({share:.0%})"
    fix = "make room, or put it on a larger disk (state_dir, nats.server.store_dir)"
    if free < LEAST or share < FULL:
        return fail("disk", told, fix)
    if inodes < FULL:
        return fail("disk", f"{place}: {inodes:.0%} of the inodes are free", "remove small files there")
    if share < NEARLY or inodes < NEARLY:
        return warn("disk", f"{told}, {inodes:.0%} of the inodes", fix)
    return ok("disk", told)


async def identity(machine: Machine) -> list[Finding]:
    """Whether the agent has a machine id; whether another has the same one, only the controller knows."""
    if "agent" not in machine.roles:
        return []
    if configured := machine.config.agent.machine_id:
        return [ok("machine id", f"{configured} (agent.machine_id)")]
    path = machine.root / "etc/machine-id"
    fix = "systemd-machine-id-setup, or set agent.machine_id"
    try:
        found = path.read_text().strip()
    except OSError as error:
        return [fail("machine id", f"{path}: {error.strerror}", fix)]
    if not found or found == "uninitialized":
        return [fail("machine id", f"{path}: {found or 'empty'}", fix)]
    return [ok("machine id", found)]
