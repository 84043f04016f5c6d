"""What hosts boot from: Debian, a virtual environment with the locked dependencies, and this project's wheel.

Each is made once, kept outside of the checkout under a hash of what it is made from, and lies on the one before.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from osapi.install.deb import fetch

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "lab"
CACHE = Path(os.environ.get("LAB_CACHE", "/var/cache/lab-hosts"))

KEPT = 8
"""How many of a kind stay in the cache, for other branches."""

PYTHON = "3.11"
"""The hosts'."""

MACHINE = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
"""The network of this machine. Tests run in that of the hosts, where no mirror is."""

VENV = "/opt/osapi/.venv"
PIP = f"{VENV}/bin/pip --quiet install --no-cache-dir --no-index"


def lower() -> str:
    """The folders that hosts start from, as `lab` takes them."""
    debian = base()
    wheels = wheelhouse()
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    venv = layer("venv", [debian], wheels, f'python3 -m venv {VENV} && {PIP} --find-links /mnt "$@"', *needs)
    wheel = kept("wheel", content(ROOT / "pyproject.toml", *sources()), build)
    program = layer("osapi", [venv, debian], wheel, f"{PIP} --no-deps /mnt/*.whl")
    return ":".join(map(str, (program, venv, debian)))


def base() -> Path:
    """The root file system of Debian."""
    return used(Path(output(SCRIPTS / "lab", "prepare")))


def docker() -> Path:
    """Docker, to put on top of what hosts start from."""
    return layer("docker", [base()], debs("dockerdebs", "docker.io"), "dpkg --install /mnt/*.deb")


def registry() -> Path:
    """A registry of images and a busybox to make images of, as files that run on this machine."""
    packed = debs("registrydebs", "docker-registry", "busybox-static")

    def unpack(folder: Path) -> None:
        for deb in packed.glob("*.deb"):
            output("dpkg-deb", "--extract", deb, folder)

    return kept("registry", str(packed).encode(), unpack)


def prometheus() -> Path:
    """Prometheus and promtool, as files that run on this machine."""
    packed = debs("prometheusdebs", "prometheus")

    def unpack(folder: Path) -> None:
        [deb] = packed.glob("prometheus_*.deb")
        output("dpkg-deb", "--extract", deb, folder)

    return kept("prometheus", str(packed).encode(), unpack)


def debs(kind: str, *names: str) -> Path:
    """Packages of Debian with what they need, but for what is in the root file system."""
    debian = base()

    def fetch(folder: Path) -> None:
        (folder / "partial").mkdir(parents=True)
        with TemporaryDirectory() as lists:
            state = {
                "Dir::State::Lists": lists,
                "Dir::State::Status": debian / "var/lib/dpkg/status",
                "Dir::Cache::Archives": folder,
                "APT::Sandbox::User": "root",
                "APT::Install-Recommends": "false",
                "Acquire::Check-Valid-Until": "false",
            }
            options = [f"--option={name}={value}" for name, value in state.items()]
            apt = ("nsenter", f"--net=/proc/self/fd/{MACHINE}", "apt-get", "-qq", *options)
            output(*apt, "update", "--error-on=any")
            output(*apt, "--yes", "--download-only", "install", *names)
        (folder / "lock").unlink()
        (folder / "partial").rmdir()

    return kept(kind, " ".join([str(debian), *names]).encode(), fetch)


def wheelhouse() -> Path:
    """The dependencies as wheels for the hosts' Python, each with a hash that the lock knows."""
    lock = ROOT / "requirements.lock"
    return kept("wheels", content(lock), lambda folder: fetch(lock, PYTHON, folder))


def package() -> Path:
    """The package for Debian."""
    wheels = wheelhouse()
    made_from = str(wheels).encode() + content(ROOT / "pyproject.toml", *sources())
    program = (sys.executable, "-m", "osapi.install.deb", "--python", PYTHON, "--wheels", wheels)
    [deb] = kept("deb", made_from, lambda folder: output(*program, "--output", folder)).glob("*.deb")
    return deb


def build(folder: Path) -> None:
    output(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)


def sources() -> list[Path]:
    return [
        path
        for package in ("osapi", "agent", "controller")
        for path in sorted((ROOT / package).rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    ]


def layer(kind: str, below: list[Path], given: Path, script: str, *words: str) -> Path:
    """What a shell script changes in the root file system of `below`, where it finds `given` at /mnt."""
    made_from = "\n".join([*map(str, below), str(given), script, *words]).encode()
    folders = ":".join(map(str, below))
    return kept(
        kind,
        made_from,
        lambda folder: output(SCRIPTS / "layer", folder, folders, given, "sh", "-euc", script, "sh", *words),
    )


def kept(kind: str, made_from: bytes, make: Callable[[Path], object]) -> Path:
    """A folder of the cache, made where it is not there."""
    found = CACHE / f"{kind}-{hashlib.sha256(made_from).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # runs side by side make it once
        if not found.exists():
            making = CACHE / f"making-{found.name}"
            shutil.rmtree(making, ignore_errors=True)
            make(making)
            making.rename(found)
        return used(found)


def used(folder: Path) -> Path:
    """A folder of the cache; those of its kind that were not used for long go."""
    os.utime(folder)
    kind = folder.name.partition("-")[0]
    for old in sorted(CACHE.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old)
    return folder


def content(*paths: Path) -> bytes:
    return b"".join(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes() for path in paths)


def output(*argv: str | Path) -> str:
    """What a program prints; what it complained of, where it failed."""
    done = subprocess.run(
        argv,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[MACHINE],
    )
    assert done.returncode == 0, f"{' '.join(map(str, argv))}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()
