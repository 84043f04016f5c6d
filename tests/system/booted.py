"""Booted hosts with the agent as a unit of systemd, and the site they belong to.

Broker, controller, command line and the tests themselves are in the network of the hosts, as 10.77.0.1.
"""

import ctypes
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import image
import yaml
from processes import Installation, eventually

from osapi.install.daemons import AGENT

HERE = "10.77.0.1"
LAB = os.environ.get("LAB_NAME", "lab")
AGENT_USER = os.environ.get("LAB_AGENT_USER", "")
"""The user that agents run as, where that is not root."""
STATE = Path("/var/lib/lab-hosts")
UNIT = "osapi-agent"
DISK = "/srv/data"
"""Where a host has a disk that a test fills."""
PREFIX = "/opt/osapi/.venv"
NEW_NETWORK = 0x40000000
"""CLONE_NEWNET, of sched.h."""

OWN_USER = f"""\
[Unit]
Requires=agent-user.service
After=agent-user.service

[Service]
User={AGENT_USER}
AmbientCapabilities=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL
SupplementaryGroups=systemd-journal
"""
MAKE_USER = f"""\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'id {AGENT_USER} || useradd --system {AGENT_USER}'
ExecStart=/bin/sh -c 'chown -R {AGENT_USER}: /etc/osapi'
ExecStart=/bin/sh -c 'umask 0227; echo "{AGENT_USER} ALL=(root) NOPASSWD: /usr/bin/systemctl" > /etc/sudoers.d/lab'
ExecStart=/bin/sh -c '/opt/osapi/.venv/bin/osapi agent sudoers --user {AGENT_USER} > /etc/sudoers.d/osapi'
"""
"""What docs/how-to/run-under-systemd.md has an administrator do, and a right of the tests' own."""

AS_ROOT = "sudo -n " if AGENT_USER else ""
"""What a command line of a test begins with that only root may run; such an agent's own commands are not root's."""

AUTH = {"type": "user_pass", "username": "osapi", "password": os.urandom(16).hex()}


def lab(*words: str | Path, below: str = "", nspawn: str = "") -> str:
    """What the script `lab` prints."""
    done = subprocess.run(
        [image.SCRIPTS / "lab", *words],
        env={**os.environ, "LAB_LOWER": below, "LAB_NSPAWN": nspawn},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout.strip()


class Host:
    """One host; what it is looked into with are its own programs, never the agent."""

    def __init__(self, name: str, address: str, below: str, nspawn: str) -> None:
        self.name, self.address, self.below, self.nspawn = name, address, below, nspawn

    def __repr__(self) -> str:
        return self.name

    def run(self, *argv: str) -> str:
        """What a program in the host prints."""
        return lab("exec", self.name, *argv)

    def sh(self, line: str) -> str:
        return self.run("sh", "-c", line)

    def read(self, path: str) -> str:
        """What a file holds; nothing where there is none."""
        return self.sh(f"cat {path} 2>/dev/null || true")

    @property
    def boot_id(self) -> str:
        return self.read("/proc/sys/kernel/random/boot_id")

    @property
    def boots(self) -> int:
        """How often it has booted, as its journal knows."""
        return len(self.run("journalctl", "--list-boots").splitlines())

    @property
    def machine_id(self) -> str:
        return self.read("/etc/machine-id")

    def unit(self, name: str, unit: str = UNIT) -> str:
        """A property of a unit, such as ActiveState."""
        return self.run("systemctl", "show", "--value", "--property", name, unit)

    @property
    def started(self) -> float:
        """When its agent was started, in whole seconds."""
        shown = self.run(
            "systemctl", "show", "--timestamp=unix", "--property", "ExecMainStartTimestamp", UNIT
        )
        return float(shown.partition("@")[2])

    def off(self) -> None:
        """Switch it off properly; its disk stays."""
        lab("down", self.name, "keep")

    def reset(self) -> None:
        """Press its reset button; it boots again."""
        lab("reset", self.name)

    def cut(self) -> None:
        """Pull its plug."""
        lab("cut", self.name)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Partitioned: its port is off the switch, which it cannot tell from silence."""
        port = ("ip", "link", "set", f"v{self.name}")
        subprocess.run([*port, "nomaster"], check=True)
        try:
            yield
        finally:
            subprocess.run([*port, "master", "br0"], check=True)

    @contextmanager
    def impaired(self, *, delay: float, jitter: float, loss: float) -> Iterator[dict[str, int]]:
        """On a bad cable, each way: delay in ms, loss in per cent; at the end, the frames `carried` and `lost`."""
        argv = [sys.executable, image.SCRIPTS / "netimp.py", self.name, *map(str, (delay, jitter, loss))]
        counts: dict[str, int] = {}
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as cable:
            assert cable.stdout
            try:
                assert cable.stdout.readline()
                yield counts
            finally:
                cable.terminate()
                counts |= json.loads(cable.stdout.read())

    def log(self) -> str:
        """What the agent has told."""
        return self.run("journalctl", "--unit", UNIT, "--output", "cat")


class Site:
    """A broker, a controller, and hosts."""

    def __init__(self, folder: Path, below: str) -> None:
        self.folder, self.below = folder, below
        self.hosts: dict[str, Host] = {}
        self.installation = Installation(folder)
        file = folder / "osapi.yaml"
        file.write_text(yaml.safe_dump(self.here()))
        self.installation.env |= {"OSAPI_OSAPIFILE": str(file)}
        self.cli, self.json = self.installation.cli, self.installation.json

    def here(self) -> dict[str, Any]:
        """osapi.yaml of broker and controller (docs/how-to/several-hosts.md); a thousand requests are welcome."""
        user = {"username": AUTH["username"], "password": AUTH["password"]}
        return {
            "nats": {
                "server": {
                    "host": "0.0.0.0",
                    "auth": {"type": AUTH["type"], "users": [user]},
                    "metrics": {"enabled": True},
                }
            },
            "controller": {
                "metrics": {"enabled": True},
                "nats": {"host": HERE, "auth": AUTH},
                "api": {"rate_limit": {"per_second": 2000, "burst": 2000}},
            },
        }

    def http(self) -> httpx.Client:
        return self.installation.http()

    def ask(self, *words: str, on: str) -> list[dict[str, Any]]:
        """The answers of hosts, as `osapi client node` has them."""
        found: list[dict[str, Any]] = self.json("client", "node", *words, "--target", on)["results"]
        return found

    def begin(self, line: str, *words: str, on: str) -> str:
        """Have a command line run on hosts without waiting for it; the id of the job."""
        shell = ("client", "node", "command", "shell", "--timeout", "300", "--detach", "--command", line)
        job_id: str = self.json(*shell, "--target", on, *words)["job_id"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        with self.http() as http:
            found: dict[str, Any] = http.get(f"/api/job/{job_id}").json()
        return found

    def ended(self, job_id: str, within: float = 30) -> dict[str, Any]:
        """A job once it is in a final state."""
        eventually(lambda: self.job(job_id)["status"] not in {"submitted", "processing"}, within=within)
        return self.job(job_id)

    def state(self, job_id: str, host: Host) -> str:
        """Where a job is on one host."""
        state: str = self.job(job_id)["agent_states"][host.name]["status"]
        return state

    def new(
        self,
        name: str,
        address: str,
        labels: Mapping[str, str],
        *,
        above: Path | None = None,
        files: Mapping[str, bytes] | None = None,
        plain: str = "",
        nspawn: str = "",
    ) -> Host:
        """Switch on a host that was never there.

        `above` is a layer on top of what all start from, `files` it has besides, `plain` is a folder that is not
        to lie on layers.
        """
        below = f"{above}:{self.below}" if above else self.below
        if plain:
            folder = STATE / LAB / "hosts" / name / "plain"
            folder.mkdir(parents=True)
            nspawn += f" --bind={folder}:{plain}"
        given = self.files(name, labels)
        for path, data in (files or {}).items():
            (given / path).parent.mkdir(parents=True, exist_ok=True)
            (given / path).write_bytes(data)
        host = self.hosts[name] = Host(name, address, below, nspawn)
        lab("up", name, address, given, below=below, nspawn=nspawn)
        return host

    def files(self, name: str, labels: Mapping[str, str]) -> Path:
        """What a host is given before it boots: the agent's configuration, and its unit as we ship it."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)  # another of that name may have been here
        units, config = folder / "etc/systemd/system", folder / "etc/osapi/osapi.yaml"
        wanted = units / "multi-user.target.wants"
        for path in (wanted, config.parent):
            path.mkdir(parents=True)
        unit, *_ = AGENT.files(PREFIX)
        (units / f"{UNIT}.service").write_text(unit.text)
        (wanted / f"{UNIT}.service").symlink_to(f"../{UNIT}.service")
        config.touch(mode=0o600)
        config.write_text(yaml.safe_dump(self.there(labels)))
        if AGENT_USER:
            (units / f"{UNIT}.service.d").mkdir()
            (units / f"{UNIT}.service.d" / "lab.conf").write_text(OWN_USER)
            (units / "agent-user.service").write_text(MAKE_USER)
        return folder

    def there(self, labels: Mapping[str, str]) -> dict[str, Any]:
        """osapi.yaml of a host."""
        nats = {"host": HERE, "port": self.installation.broker_port, "auth": AUTH}
        own = {"privilege_escalation": {"enabled": True}} if AGENT_USER else {}
        metrics = {"enabled": True, "host": "0.0.0.0"}
        common = {"nats": nats, "labels": dict(labels), "drain_timeout": "6s", "metrics": metrics}
        return {"agent": {**common, **own}}

    def remove(self, host: Host) -> None:
        """Switch a host off for ever; another may have its name."""
        machine_id = host.machine_id
        lab("down", host.name)
        del self.hosts[host.name]
        with self.http() as http:
            eventually(lambda: http.delete(f"/api/agent/{machine_id}").status_code == 200, within=60)

    def label(self, host: Host, labels: Mapping[str, str]) -> None:
        """Give a host other labels, as an administrator would."""
        text = yaml.safe_dump(self.there(labels))
        host.sh(f"cat > /etc/osapi/osapi.yaml <<'END'\n{text}END")
        host.run("systemctl", "restart", UNIT)
        self.ready(host)

    def on(self, host: Host) -> None:
        """Switch a host on that is off."""
        lab("up", host.name, below=host.below, nspawn=host.nspawn)
        self.ready(host)

    def mend(self, host: Host) -> None:
        """See that a host is on and its agent runs."""
        if host.name not in lab("list").split():
            self.on(host)
        elif host.unit("ActiveState") != "active":
            host.run("systemctl", "start", UNIT)
            self.ready(host)

    def ready(self, host: Host) -> None:
        """Wait until it has booted, and the controller has heard of its agent as it runs now."""
        lab("wait", host.name)
        eventually(lambda: host.unit("ActiveState") == "active", within=60)
        machine_id, started = host.machine_id, host.started
        with self.http() as http:
            eventually(lambda: self.heard(http, machine_id) >= started)

    def logs(self) -> Iterator[Path]:
        """What broker, controller and agents have told; of agents, those whose hosts are on."""
        for host in map(self.hosts.__getitem__, lab("list").split()):
            (self.folder / f"{host.name}.log").write_text(host.log())
        yield from self.folder.glob("*.log")

    def heard(self, http: httpx.Client, name: str) -> float:
        """When the agent that the controller hears was started, in seconds; 0 while it hears none."""
        found = http.get(f"/api/agent/{name}").json()
        ready = found.get("status") == "Ready"
        return datetime.fromisoformat(found["started_at"]).timestamp() if ready else 0.0


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A broker and a controller on a switch to which no host is connected yet; at the end all of it is gone."""
    with alone():
        below = image.lower()
        lab("clear")
        found = Site(folder, below)
        try:
            lab("net-up")
            with network(f"{LAB}sw"):
                try:
                    found.installation.broker()
                    found.installation.controller()
                    yield found
                finally:
                    found.installation.close()
        finally:
            lab("clear")


@contextmanager
def alone() -> Iterator[None]:
    """Wait for another run on this machine; there is one switch, and one host of each name."""
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / f"{LAB}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def network(name: str) -> Iterator[None]:
    """This thread, and whatever it starts, in a network namespace (setns(2))."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(namespace: int) -> None:
        if libc.setns(namespace, NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"network namespace {name}")

    with Path("/proc/thread-self/ns/net").open() as before, Path("/run/netns", name).open() as there:
        enter(there.fileno())
        try:
            yield
        finally:
            enter(before.fileno())
