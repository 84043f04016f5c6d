"""A repository of small Debian packages, served to hosts that reach no other.

Formats: deb-control(5), and the Packages and Release files of https://wiki.debian.org/DebianRepository/Format.
"""

import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from booted import HERE, Host

SOURCES = "/etc/apt/sources.list.d"
SET_ASIDE = "/root/sources"


class Repository:
    """Packages that are offered under a URL, as of the last time they were published."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.offered, self.building = folder / "offered", folder / "building"
        self.offered.mkdir()
        self.published = 0.0

    def add(
        self,
        name: str,
        version: str,
        *,
        files: Mapping[str, str] | None = None,
        conffiles: str = "",
        postinst: str = "",
        **fields: str,
    ) -> None:
        """Build a package, with a file that tells its version, and whatever else it is given."""
        root = self.building / f"{name}_{version}"
        control = {
            "Package": name,
            "Version": version,
            "Architecture": "all",
            "Maintainer": "Tests <tests@example.org>",
            **fields,
            "Description": f"{name} of the tests",
        }
        scripts = {"control": "".join(f"{field}: {value}\n" for field, value in control.items())}
        scripts |= {"postinst": f"#!/bin/sh\n{postinst}\n"} if postinst else {}
        scripts |= {"conffiles": f"{conffiles}\n"} if conffiles else {}
        put(root / "DEBIAN", scripts, mode=0o755)
        put(root, {f"usr/share/{name}/version": f"{version}\n", **(files or {})})
        deb = self.offered / f"{name}_{version.rpartition(':')[2]}_all.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", root, deb], stdout=subprocess.DEVNULL, check=True
        )

    def publish(self) -> None:
        """Offer what there is by now, a second later than before, as HTTP counts in seconds."""
        packages = "".join(map(entry, sorted(self.offered.glob("*.deb"))))
        digest = hashlib.sha256(packages.encode()).hexdigest()
        self.published = max(time.time(), self.published + 1)
        release = f"Date: {formatdate(self.published)}\nSHA256:\n {digest} {len(packages)} Packages\n"
        put(self.offered, {"Packages": packages, "Release": release})
        for name in ("Packages", "Release"):
            os.utime(self.offered / name, (self.published, self.published))

    @contextmanager
    def source_of(self, host: Host) -> Iterator[None]:
        """While this lasts, a host knows of no other packages."""
        host.sh(f"mv {SOURCES} {SET_ASIDE} && mkdir {SOURCES}")
        host.sh(f"echo 'deb [trusted=yes] {self.url} ./' > {SOURCES}/tests.list")
        try:
            yield
        finally:
            host.sh(f"rm -r {SOURCES} && mv {SET_ASIDE} {SOURCES}")


def put(folder: Path, files: Mapping[str, str], mode: int = 0o644) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)


def entry(deb: Path) -> str:
    """What Packages says of a package."""
    fields = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
    data = deb.read_bytes()
    return (
        f"{fields}Filename: ./{deb.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n"
    )


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Requests of apt are of no interest."""


@contextmanager
def served(folder: Path) -> Iterator[Repository]:
    """A repository without packages, at an address that the hosts reach."""
    offered = str(folder / "offered")

    def handle(*given: object) -> Silent:
        return Silent(*given, directory=offered)  # type: ignore[arg-type]

    with ThreadingHTTPServer((HERE, 0), handle) as server:  # type: ignore[arg-type]
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield Repository(folder, f"http://{HERE}:{server.server_port}")
        finally:
            server.shutdown()
            serving.join()
