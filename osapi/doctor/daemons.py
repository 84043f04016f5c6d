"""Daemons of this machine: which run, the ports they are to have, how many files they may open, and their units."""

import os
from collections.abc import Sequence
from pathlib import Path

import attrs
import psutil
import trio

from osapi.doctor.findings import Finding, Machine, fail, ok, skip, warn
from osapi.install.daemons import AGENT, BROKER, CONTROLLER, Daemon

LOCKS = {"broker": "nats", "controller": "controller", "agent": "agent"}
"""What the lock of each is called in the state directory."""
UNITS = {"broker": BROKER, "controller": CONTROLLER, "agent": AGENT}

FEWEST = 4096
"""Open files that a broker should be allowed: each agent is a connection."""
NEARLY = 0.8
PATIENCE = 5.0
"""Seconds that systemctl may take."""


def running(machine: Machine, role: str) -> int | None:
    """The process that holds the lock of a daemon, as /proc/locks tells anybody (proc_locks(5))."""
    path = machine.state(role).path / f"{LOCKS[role]}.lock"
    try:
        about = path.stat()
        lines = (machine.root / "proc/locks").read_text().splitlines()
    except OSError:
        return None
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    for line in lines:
        words = line.split()
        if place in words and "FLOCK" in words and "->" not in words:
            return int(words[words.index(place) - 1])
    return None


@attrs.frozen
class Port:
    """A port that a daemon is to listen on, and the key that says so."""

    role: str
    key: str
    number: int


async def ports(machine: Machine) -> list[Finding]:
    """Whether the ports are free, or held by the daemon that is to have them."""
    wanted = [port for port in _wanted(machine) if port.role in machine.roles]
    if not wanted:
        return []
    held = await trio.to_thread.run_sync(_listening)
    return [_port(machine, port, held) for port in wanted]


def _wanted(machine: Machine) -> list[Port]:
    config = machine.config
    found = [
        Port("broker", "nats.server.port", config.nats.server.port),
        Port("controller", "controller.api.port", config.controller.api.port),
    ]
    for role, section, key in (
        ("broker", config.nats.server.metrics, "nats.server.metrics.port"),
        ("controller", config.controller.metrics, "controller.metrics.port"),
        ("agent", config.agent.metrics, "agent.metrics.port"),
    ):
        if section.enabled:
            found.append(Port(role, key, section.port))
    return found


def _listening() -> dict[int, int | None]:
    """The ports that somebody listens on, with their processes, as far as this user may know."""
    return {
        each.laddr.port: each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr
    }


def _port(machine: Machine, port: Port, held: dict[int, int | None]) -> Finding:
    check, daemon = f"port {port.number}", running(machine, port.role)
    if port.number not in held:
        if daemon is None:
            return ok(check, f"free for the {port.role}, which does not run")
        return fail(
            check, f"the {port.role} runs (pid {daemon}), and does not listen", f"restart the {port.role}"
        )
    pid = held[port.number]
    if pid is None:
        return skip(check, "somebody listens; only root may know who", "run this with sudo")
    if daemon is not None and daemon in _family(pid):
        return ok(check, f"held by the {port.role} (pid {daemon})")
    return fail(check, f"held by {_who(pid)}", f"stop that, or set {port.key}")


def _family(pid: int) -> set[int]:
    """A process and those that started it; the broker is a child of its daemon."""
    try:
        return {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
    except psutil.Error:
        return {pid}


def _who(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return f"{process.name()} (pid {pid}, user {process.username()})"
    except psutil.Error:
        return f"pid {pid}"


async def open_files(machine: Machine) -> list[Finding]:
    """Whether daemons that run may open as many files as they need (proc_pid_limits(5))."""
    roles: dict[int, list[str]] = {}
    for role in machine.present:
        if role in LOCKS and (pid := running(machine, role)) is not None:
            roles.setdefault(pid, []).append(role)
    return [_open_files(machine.root / "proc" / str(pid), daemons) for pid, daemons in roles.items()]


def _open_files(process: Path, roles: list[str]) -> Finding:
    check, named = "open files", ", ".join(roles)
    try:
        lines = (process / "limits").read_text().splitlines()
        most = next(line.split()[3] for line in lines if line.startswith("Max open files"))
        used = len(list((process / "fd").iterdir()))
    except (OSError, StopIteration):
        return skip(check, f"{named}: only its user and root may know", "run this with sudo")
    fix = f"LimitNOFILE=65536 in a drop-in: systemctl edit {UNITS[roles[0]].unit}"
    told = f"{named}: {used} of {most}"
    if most == "unlimited":
        return ok(check, told)
    if used > NEARLY * int(most):
        return fail(check, f"{told}; none can be opened soon", fix)
    if "broker" in roles and int(most) < FEWEST:
        return warn(check, f"{told}; a fleet needs {FEWEST} or more", fix)
    return ok(check, told)


async def units(machine: Machine) -> list[Finding]:
    """How systemd sees the daemons of this machine."""
    if not (machine.root / "run/systemd/system").is_dir():
        return []
    return [await _unit(UNITS[role]) for role in machine.present if role in UNITS]


async def _unit(daemon: Daemon) -> Finding:
    asked = (
        "LoadState",
        "ActiveState",
        "SubState",
        "UnitFileState",
        "Result",
        "NeedDaemonReload",
        "NRestarts",
    )
    told = await _show(daemon, asked)
    return unit(daemon, told) if told else skip(f"unit {daemon.name}", "systemd does not tell")


async def user(machine: Machine, role: str) -> str:
    """Who a daemon runs as; where it does not run, who its unit names, else who asks."""
    pid = running(machine, role)
    if pid is not None:
        return psutil.Process(pid).username()
    told = await _show(UNITS[role], ("User",)) if (machine.root / "run/systemd/system").is_dir() else {}
    return told.get("User") or psutil.Process().username()


async def _show(daemon: Daemon, properties: Sequence[str]) -> dict[str, str]:
    """Properties of a unit (systemctl(1), `show`); none where systemd does not tell."""
    command = ["systemctl", "show", daemon.unit, *(f"--property={name}" for name in properties)]
    try:
        with trio.fail_after(PATIENCE):
            done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    except (OSError, trio.TooSlowError):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.decode().splitlines() if "=" in line)


def unit(daemon: Daemon, told: dict[str, str]) -> Finding:
    """What the properties of a unit mean (org.freedesktop.systemd1(5))."""
    check, name = f"unit {daemon.name}", daemon.unit
    active, state = told.get("ActiveState", ""), f"{told.get('ActiveState')} ({told.get('SubState')})"
    if told.get("LoadState") == "not-found":
        return skip(check, "systemd has none", f"osapi {daemon.words} install makes one")
    if told.get("LoadState") not in {"loaded", "masked"}:
        return fail(check, f"cannot be loaded: {told.get('LoadState')}", f"systemd-analyze verify {name}")
    if active == "failed":
        return fail(
            check, f"failed: {told.get('Result')}", f"journalctl -u {name}, then systemctl restart {name}"
        )
    if told.get("NeedDaemonReload") == "yes":
        return warn(check, f"{state}, and its file was changed since", "systemctl daemon-reload")
    if active != "active":
        return warn(check, state, f"systemctl start {name}")
    if told.get("UnitFileState") not in {"enabled", "enabled-runtime", "static", "generated"}:
        return warn(
            check, f"{state}, and not at boot: {told.get('UnitFileState')}", f"systemctl enable {name}"
        )
    restarts = told.get("NRestarts", "0")
    return ok(check, state if restarts == "0" else f"{state}, restarted {restarts} times")
