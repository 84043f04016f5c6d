"""The machine as the system shows it: processes, network interfaces, file systems, users and groups.

All of this blocks; `agent.host` calls it in threads.
"""

import grp
import os
import pwd
import signal as signals
import socket
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import attrs
import psutil

from osapi.errors import NotFound, Refused
from osapi.operations.process import Process
from osapi.registry import Interface

DETAILS = (
    "pid", "name", "username", "status", "cpu_times", "create_time", "memory_info", "memory_percent", "cmdline",
)  # fmt: skip

STATES = {"sleeping": "sleep", "disk-sleep": "blocked", "stopped": "stop", "tracing-stop": "stop"}
"""psutil's words where the API has others."""

NO_ID = 2**32 - 1
"""The number that no user or group has: to chown(2), it says that an owner is kept."""


def processes() -> list[Process]:
    """All processes; one that ends meanwhile is left out."""
    return [_process(one.info) for one in psutil.process_iter(DETAILS)]


def process(pid: int) -> Process:
    """One process, or `NotFound`."""
    try:
        return _process(_existing(pid).as_dict(DETAILS))
    except psutil.NoSuchProcess:
        raise _missing(pid) from None


def check_signal(pid: int) -> None:
    """Whether a process is there and may be sent a signal: `NotFound` and `Refused` where not."""
    if pid <= 1:
        raise Refused(f"process {pid} is the first of the host; it is not sent signals")
    if pid == os.getpid():
        raise Refused(f"process {pid} is the agent itself; it is not sent signals")
    _existing(pid)


def signal(pid: int, name: str) -> None:
    """Send the signal of a name such as `TERM`."""
    check_signal(pid)
    try:
        os.kill(pid, signals.Signals[f"SIG{name}"])
    except ProcessLookupError:
        raise _missing(pid) from None
    except PermissionError:
        raise Refused(f"the agent may not send signals to process {pid}") from None


def _existing(pid: int) -> psutil.Process:
    # kill(2) also takes the id of a thread, and hits its process, be it the agent: pid_exists tells them apart.
    if not psutil.pid_exists(pid):
        raise _missing(pid)
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        raise _missing(pid) from None


def _missing(pid: int) -> NotFound:
    return NotFound(f"there is no process {pid}")


def _process(info: dict[str, Any]) -> Process:
    cpu, memory = info["cpu_times"], info["memory_info"]
    age = max(time.time() - info["create_time"], 0.01)
    return Process(
        pid=info["pid"],
        name=info["name"],
        user=info["username"] or "",
        state=STATES.get(info["status"], info["status"]),
        cpu_percent=round(100 * (cpu.user + cpu.system) / age, 2) if cpu else 0.0,
        mem_percent=round(info["memory_percent"] or 0.0, 2),
        mem_rss=memory.rss if memory else 0,
        # A kernel thread and a zombie have no command line; ps(1) shows their names so.
        command=" ".join(info["cmdline"] or ()).strip() or f"[{info['name']}]",
        start_time=datetime.fromtimestamp(info["create_time"], UTC).isoformat(timespec="seconds"),
    )


@attrs.frozen(kw_only=True)
class Space:
    """The room of a file system, in bytes; `free` is what ordinary users can have (statvfs(3))."""

    total: int
    used: int
    free: int


def user_id(name: str) -> int:
    """The number of a user, given by name or as a number; `NotFound` where there is none of that name."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return _number(name, "user")


def group_id(name: str) -> int:
    """The number of a group, as `user_id`."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return _number(name, "group")


def _number(text: str, kind: str) -> int:
    if text.isascii() and text.isdecimal() and int(text) < NO_ID:
        return int(text)
    raise NotFound(f"there is no {kind} {text}")


def user_name(uid: int) -> str:
    """The name of a user; the number in text where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The name of a group; the number in text where there is none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def space(folder: Path) -> Space:
    found = os.statvfs(folder)
    unit = found.f_frsize
    return Space(
        total=unit * found.f_blocks,
        used=unit * (found.f_blocks - found.f_bfree),
        free=unit * found.f_bavail,
    )


def interfaces() -> list[Interface]:
    """The network interfaces that are up, without the loopback."""
    states = psutil.net_if_stats()
    return [
        interface(name, [(address.family, address.address) for address in addresses])
        for name, addresses in sorted(psutil.net_if_addrs().items())
        if name in states and states[name].isup and "loopback" not in states[name].flags.split(",")
    ]


def interface(name: str, addresses: Iterable[tuple[int, str]]) -> Interface:
    """An interface with its first addresses that reach beyond the link."""
    found: dict[int, str] = {}
    for family, text in addresses:
        address = text.partition("%")[0]
        if family == socket.AF_PACKET or not ip_address(address).is_link_local:
            found.setdefault(family, address)
    ipv4, ipv6 = found.get(socket.AF_INET), found.get(socket.AF_INET6)
    return Interface(
        name=name,
        ipv4=ipv4,
        ipv6=ipv6,
        mac=found.get(socket.AF_PACKET),
        family="dual" if ipv4 and ipv6 else "inet" if ipv4 else "inet6" if ipv6 else None,
    )
