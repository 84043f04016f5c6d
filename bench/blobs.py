"""How fast one large file goes through each backend of blobs, and in how much memory: `python bench/blobs.py`.

Real processes: it is uploaded over HTTP, written to a host by an agent, and downloaded over HTTP, 1 GiB (or
64 MiB with --short). Beside it the disk alone. What a process needs more while it does that is the highest that
its memory came to (VmHWM, proc(5)) above where it began, after a first small blob has loaded what is needed.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import httpx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "e2e"))

from processes import Daemon, Installation, installation  # noqa: E402 - the path comes first
from seaweed import seaweed  # noqa: E402

MIB = 1024 * 1024
WHOLE, SHORT = 1024 * MIB, 64 * MIB
FLAT = "≤ 50"
HOST = "bench"
SETTINGS = {"OSAPI_CONTROLLER_API_JOB_TIMEOUT": "10m", "OSAPI_AGENT_HOSTNAME": HOST}


class Figures(Protocol):
    """Where a figure goes: see `run.Figures`."""

    def add(self, name: str, value: float, unit: str, meant: str = "") -> float: ...


class Printed:
    def add(self, name: str, value: float, unit: str, meant: str = "") -> float:
        print(f"  {name:58} {value:10.2f} {unit:8} {meant}", flush=True)
        return value


class Memory:
    """What the memory of processes comes to, from now on."""

    def __init__(self, **daemons: Daemon) -> None:
        self.processes = {name: Path(f"/proc/{daemon.process.pid}") for name, daemon in daemons.items()}
        for process in self.processes.values():
            (process / "clear_refs").write_text("5")  # the highest is as it is now
        self.before = {name: self._of(process, "VmRSS") for name, process in self.processes.items()}

    def grown(self) -> dict[str, float]:
        """In MB."""
        return {
            name: max(self._of(process, "VmHWM") - self.before[name], 0) / 1000
            for name, process in self.processes.items()
        }

    def _of(self, process: Path, field: str) -> int:
        [line] = [line for line in (process / "status").read_text().splitlines() if line.startswith(field)]
        return int(line.split()[1])


def fill(file: Path, size: int) -> None:
    """A file that nothing can make smaller."""
    with file.open("wb") as out:
        for _ in range(size // MIB):
            out.write(os.urandom(MIB))
        out.flush()
        os.fsync(out.fileno())


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def upload(http: httpx.Client, file: Path) -> str:
    with file.open("rb") as data:
        answer = http.post("/api/blobs", files={"file": data})
    answer.raise_for_status()
    assert answer.json()["changed"]
    return answer.json()["sha256"]


def write(http: httpx.Client, sha: str, path: Path) -> None:
    answer = http.put(f"/api/node/{HOST}/file/write", json={"path": str(path), "source_sha256": sha})
    assert answer.json()["results"][0]["status"] == "ok", answer.json()


def download(http: httpx.Client, sha: str) -> None:
    with http.stream("GET", f"/api/blobs/{sha}") as answer:
        answer.raise_for_status()
        for _ in answer.iter_raw():
            pass


def through(http: httpx.Client, file: Path, target: Path, memory: Callable[[], Memory]) -> Iterator[tuple]:
    """One file from the client to the host and back: what was done, in how many seconds, and what memory it took."""
    shas: list[str] = []
    for name, act in (
        ("upload", lambda: shas.append(upload(http, file))),
        ("write to a host", lambda: write(http, shas[0], target)),
        ("download", lambda: download(http, shas[0])),
    ):
        before = memory()
        seconds = timed(act)
        yield name, seconds, before.grown()
    http.delete(f"/api/blobs/{shas[0]}").raise_for_status()
    target.unlink()


@contextmanager
def stack(backend: str, folder: Path) -> Iterator[tuple[Installation, Callable[[], Memory]]]:
    """A broker, a controller and an agent, with a backend that is empty."""
    (folder / "blobs").mkdir()
    with ExitStack() as stack:
        site = stack.enter_context(installation(folder))
        site.env |= SETTINGS | {"OSAPI_BLOBS_BACKEND": backend, "OSAPI_BLOBS_FS_PATH": str(folder / "blobs")}
        if backend == "s3":
            server = stack.enter_context(seaweed(folder / "s3"))
            site.env |= server.env | {"OSAPI_BLOBS_S3_ENDPOINT": server.endpoint}
        site.broker()
        controller, agent = site.controller(), site.agent(HOST)
        yield site, lambda: Memory(controller=controller, agent=agent)


def blobs(figures: Figures, size: int) -> None:
    """Measure every backend, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        small, file = Path(folder) / "small", Path(folder) / "file"
        fill(small, 16 * MIB)
        label = f"{size // MIB} MiB"
        figures.add(
            f"{label} to the disk alone", size / MIB / timed(lambda: fill(file, size)), "MiB/s", "baseline"
        )
        for backend in ("nats", "fs", "s3"):
            with (
                tempfile.TemporaryDirectory() as own,
                stack(backend, Path(own)) as (site, memory),
                site.http() as http,
            ):
                http.timeout = httpx.Timeout(600)
                target = Path(own) / "target"
                for _ in through(http, small, target, memory):
                    pass
                for name, seconds, grown in through(http, file, target, memory):
                    figures.add(f"{label}, {backend}, {name}", size / MIB / seconds, "MiB/s")
                    for process, megabytes in grown.items():
                        figures.add(f"  the {process} needs more", megabytes, "MB", FLAT)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="the short form: 64 MiB")
    print(f"\n  {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    blobs(Printed(), SHORT if parser.parse_args().short else WHOLE)


if __name__ == "__main__":
    main()
