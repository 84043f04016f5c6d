"""An installation to be fuzzed, and how it is seen that nothing happened to this machine or to the daemons.

The agent may well be root here. So three things hold: every request that would change a host asks for a dry run,
or is not sent; the daemons find no program on their PATH but a few that only print, and traps; and what the
modifications of a host are about is compared before and after.
"""

import json
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import httpx
import psutil
from processes import Daemon, Installation, eventually, installation

from osapi.operation import operations

AGENT = "fuzz-01"
CANARY = "osapi-canary"
"""No file of this name, or one that begins with it, may ever appear."""

PRINTING = "printf", "hostname", "pwd"
TRAPS = (
    "bash", "cat", "chmod", "chpasswd", "cp", "curl", "dd", "gpasswd", "groupadd", "groupdel",
    "hostnamectl", "id", "kill", "ln", "mv", "nc", "python3", "reboot", "rm", "sh", "shutdown", "sleep",
    "systemctl", "tee", "timedatectl", "touch", "useradd", "userdel", "usermod", "wget",
)  # fmt: skip
LOOKS = {"systemctl": 'case "$1" in is-*|show|list-*|cat|status) exit 4 ;; esac\n'}
"""What some of them do that changes nothing, and is no trap."""
PROTECTED = (
    "/etc/group", "/etc/hostname", "/etc/hosts", "/etc/localtime", "/etc/passwd", "/etc/shadow", "/etc/timezone",
    "/proc/sys/kernel/hostname",
)  # fmt: skip
EXPECTED_LEVELS = {"debug", "info", "warning"}


QUERIES = [
    re.compile(re.sub(r"{\w+}", "[^/]+", operation.spec.path))
    for operation in operations().values()
    if operation.spec.method == "POST" and not operation.spec.modifies
]
"""Paths to which a POST only asks."""


class Harmful(AssertionError):
    """A request that could change this machine was about to be sent."""


def assert_harmless(method: str, url: str) -> None:
    """Refuse what asks a host for more than to be read, or to rehearse."""
    parts = urlsplit(url)
    if method.upper() in {"GET", "HEAD", "OPTIONS"} or not parts.path.startswith("/api/node/"):
        return
    if method.upper() == "POST" and any(query.fullmatch(parts.path) for query in QUERIES):
        return
    if parse_qs(parts.query, keep_blank_values=True).get("dry_run") != ["true"]:
        raise Harmful(f"{method} {url} is no dry run")


class Careful(httpx.Client):
    """A client that sends nothing harmful."""

    def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        assert_harmless(request.method, str(request.url))
        return super().send(request, **how)


@attrs.define
class Fuzzed:
    """The installation, with the traps on the PATH of its daemons, and what they have logged so far."""

    site: Installation
    traps: Path
    read: dict[Path, int] = attrs.field(factory=dict)
    protected: dict[str, object] = attrs.field(factory=lambda: {name: looks(name) for name in PROTECTED})

    @property
    def sprung(self) -> list[str]:
        """The programs that were run and should not have been."""
        log = self.traps / "sprung"
        return log.read_text(errors="replace").splitlines() if log.exists() else []

    def client(self, token: str | None = None) -> Careful:
        """With the admin's token, another, or none ("")."""
        bearer = self.site.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        # without certificates, which take longer to read than most tests
        return Careful(base_url=self.site.url, headers=headers, timeout=20, verify=False)

    def token(self, role: str) -> str:
        return str(self.site.json("token", "generate", "-u", "fuzzer", "-r", role)["token"])

    def logged(self) -> list[dict[str, Any]]:
        """What the daemons have logged since this was last asked; each line must be one JSON object."""
        found = []
        for daemon in self.site.daemons:
            with daemon.log.open("rb") as file:
                file.seek(self.read.get(daemon.log, 0))
                whole = file.read().rpartition(b"\n")
            self.read[daemon.log] = self.read.get(daemon.log, 0) + len(whole[0] + whole[1])
            found += [as_object(line, daemon) for line in whole[0].decode().split("\n") if line]
        return found

    def unharmed(self) -> None:
        """Nothing has run, no canary is there, nothing has changed, and every daemon lives."""
        assert self.sprung == []
        assert canaries([self.site.folder, *working_folders(self.site.daemons)]) == []
        assert {name: looks(name) for name in PROTECTED} == self.protected
        for daemon in self.site.daemons:
            assert daemon.process
            assert daemon.process.poll() is None, daemon.text

    def works(self) -> None:
        """The main job still works, and no component is or has been down."""
        with self.client() as http:
            http.post(f"/api/agent/{AGENT}/undrain")  # a request may well have drained it
            answer = http.get(f"/api/node/{AGENT}/uptime").json()
            health = http.get("/api/health/status").json()
        assert [item["status"] for item in answer["results"]] == ["ok"]
        assert {each["status"] for each in health["components"].values()} <= {"ok", "starting", "disabled"}, (
            health
        )
        assert health["status"] == "ok"


def as_object(line: str, daemon: Daemon) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        raise AssertionError(f"{daemon.log.name}: not one JSON object a line: {line!r}") from None
    assert isinstance(found, dict)
    return {"daemon": daemon.log.stem, **found}


def looks(name: str) -> object:
    """What a file is and holds."""
    path = Path(name)
    if path.is_symlink():
        return str(path.readlink())
    return (path.read_bytes(), path.stat().st_mode) if path.exists() else None


def working_folders(daemons: list[Daemon]) -> list[Path]:
    """Where a relative name would lead to, from the daemons, and one folder up from there."""
    folders = {Path(psutil.Process(d.process.pid).cwd()) for d in daemons if d.process}
    return [*folders, *(folder.parent for folder in folders), Path("/"), Path("/etc"), Path("/tmp")]


def canaries(folders: list[Path]) -> list[Path]:
    return [path for folder in folders for path in folder.glob(f"{CANARY}*")]


def lay_traps(folder: Path) -> Path:
    """A folder for PATH: programs that only print, and traps, which note that they were run."""
    folder.mkdir()
    for name in PRINTING:
        (folder / name).symlink_to(str(shutil.which(name)))
    for name in TRAPS:
        trap = folder / name
        trap.write_text(f'#!/bin/sh\n{LOOKS.get(name, "")}echo "{name} $*" >>{folder}/sprung\n')
        trap.chmod(trap.stat().st_mode | stat.S_IXUSR)
    return folder


@contextmanager
def fuzzed(folder: Path) -> Iterator[Fuzzed]:
    """A broker, a controller that takes any number of requests, and an agent; started, and stopped cleanly."""
    with installation(folder) as site:
        traps = lay_traps(folder / "path")
        site.env |= {
            "PATH": str(traps),
            "OSAPI_CONTROLLER_API_RATE_LIMIT_PER_SECOND": "1000000",
            "OSAPI_CONTROLLER_API_RATE_LIMIT_BURST": "1000000",
            "OSAPI_CONTROLLER_API_JOB_TIMEOUT": "5s",
            "OSAPI_BLOBS_REFERENCES_S3_BUCKETS": "images",
        }
        site.broker(), site.controller()
        site.agent(AGENT, labels="group=fuzz.one")
        found = Fuzzed(site, traps)
        for daemon in site.daemons:
            found.read[daemon.log] = daemon.log.stat().st_size
        eventually(lambda: ready(found))
        yield found
        assert [daemon.stop() for daemon in reversed(site.daemons)] == [0] * len(site.daemons)


def ready(found: Fuzzed) -> bool:
    with found.client() as http:
        return bool(http.get("/api/agent").json()["total"])
