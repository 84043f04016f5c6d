"""Makes a package for Debian of a checkout: `python -m osapi.install.deb --output dist`.

A virtual environment in /opt/osapi with the locked dependencies, the units, and nothing that starts by itself:
`osapi agent install` and its like do that. The same checkout makes the same package, byte for byte, where
SOURCE_DATE_EPOCH says of when it is (reproducible-builds.org).

Sources: Debian Policy 6 (maintainer scripts), deb-control(5), and PEP 405 (virtual environments).
"""

import argparse
import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from osapi.errors import CommandFailed, Error
from osapi.install.daemons import DAEMONS

HOME = "opt/osapi"
PROGRAM = f"""\
#!/{HOME}/bin/python3
import sys

from osapi.cli.main import main

sys.exit(main())
"""
SETTINGS = "home = /usr/bin\ninclude-system-site-packages = false\n"
SCRIPTS = ("postinst", "prerm", "postrm")


def main() -> None:
    """The program."""
    here = Path(__file__).parents[2]
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    arguments = argparse.ArgumentParser(prog="python -m osapi.install.deb", description=__doc__)
    arguments.add_argument("--source", type=Path, default=here, help="the checkout; this one")
    arguments.add_argument(
        "--output", type=Path, default=here / "dist", help="the folder for the package; dist"
    )
    arguments.add_argument("--python", default=running, help=f"the Python it is for; {running}")
    arguments.add_argument(
        "--wheels", type=Path, help="dependencies that were fetched before; fetched unless given"
    )
    arguments.add_argument("--maintainer", default="OSAPI <osapi@localhost>", help="who made it")
    said = arguments.parse_args()
    said.output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        work = Path(folder)
        tree = work / "tree"
        tree.mkdir(mode=0o755)
        if not (wheels := said.wheels):
            wheels = work / "wheels"
            fetch(said.source / "requirements.lock", said.python, wheels)
        lay_out(tree, said.source, wheels, said.python, work)
        version = describe(tree, said.python, said.maintainer)
        sys.stdout.write(f"{pack(tree, said.output, version)}\n")


def fetch(lock: Path, python: str, folder: Path) -> None:
    """Have the dependencies as wheels for a version of Python, each with a hash that the lock knows."""
    locked = ("--no-deps", "--require-hashes", "--python-version", python, "-r", str(lock))
    pip("download", *locked, "--dest", str(folder))
    for source in folder.glob("*.tar.gz"):
        pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
        source.unlink()


def lay_out(tree: Path, source: Path, wheels: Path, python: str, work: Path) -> None:
    """Have all that the package brings, where it will be."""
    build = ("-m", "hatchling", "build", "--target", "wheel", "--directory", str(work / "own"))
    run(sys.executable, *build, cwd=source)
    packages = tree / HOME / f"lib/python{python}/site-packages"
    found = ("--no-index", "--find-links", str(wheels), "--find-links", str(work / "own"))
    fitting = ("--python-version", python, "--only-binary", ":all:", "--no-compile")
    pip("install", "--target", str(packages), *fitting, *found, "osapi")
    shutil.rmtree(packages / "bin", ignore_errors=True)  # programs of dependencies
    binaries = tree / HOME / "bin"
    binaries.mkdir()
    (binaries / "python3").symlink_to("/usr/bin/python3")
    (binaries / "python").symlink_to("python3")
    write(binaries / "osapi", PROGRAM, mode=0o755)
    write(tree / HOME / "pyvenv.cfg", SETTINGS)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/osapi").symlink_to(f"/{HOME}/bin/osapi")
    for file in (file for daemon in DAEMONS for file in daemon.files(f"/{HOME}")):
        write(tree / file.vendor.lstrip("/"), file.text)
    write(tree / "usr/share/doc/osapi/copyright", (source / "LICENSE").read_text())


def describe(tree: Path, python: str, maintainer: str) -> str:
    """Have what dpkg is told of the package, and what it runs; returns the version."""
    [about] = tree.glob(f"{HOME}/lib/*/site-packages/osapi-*.dist-info")
    major, minor = python.split(".")
    values = {
        "version": about.name.removeprefix("osapi-").removesuffix(".dist-info"),
        "architecture": run("dpkg", "--print-architecture"),
        "maintainer": maintainer,
        "size": str(sum(path.lstat().st_size for path in tree.rglob("*")) // 1024),
        "python": python,
        "next": f"{major}.{int(minor) + 1}",
    }
    control = template("control")
    for name, value in values.items():
        control = control.replace(f"@{name}@", value)
    write(tree / "DEBIAN/control", control)
    for script in SCRIPTS:
        write(tree / "DEBIAN" / script, template(script), mode=0o755)
    return f"{values['version']}_{values['architecture']}"


def pack(tree: Path, output: Path, version: str) -> Path:
    """Make the package."""
    package = output / f"osapi_{version}.deb"
    run("chmod", "--recursive", "u=rwX,go=rX", str(tree))
    run("dpkg-deb", "--root-owner-group", "-Zzstd", "--build", str(tree), str(package))
    return package


def template(name: str) -> str:
    return files("osapi.install").joinpath("data", "debian", name).read_text()


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def pip(command: str, *words: str) -> None:
    run(sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *words)


def run(*argv: str, cwd: Path | None = None) -> str:
    """What a program prints; raises `CommandFailed` where it fails."""
    done = subprocess.run(
        argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CommandFailed(argv, done.returncode, done.stderr, done.stdout)
    return done.stdout.strip()


if __name__ == "__main__":
    os.umask(0o022)
    try:
        main()
    except Error as error:
        sys.exit(str(error))
