"""A registry of container images, served to hosts that reach no other, and small images to put into it."""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import image
import yaml
from booted import HERE, Host
from processes import eventually

PORT = 5000
ADDRESS = f"{HERE}:{PORT}"
BOX = "root/box.tar"
APPLETS = ("cat", "echo", "env", "httpd", "pwd", "sh", "sleep", "touch")


class Registry:
    """What is stored lies in a folder, as docker-registry keeps it; hosts that add to it have `files`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, host: Host, name: str, *changes: str) -> str:
        """Have a host's Docker make an image of busybox, push it here, and forget it; its name."""
        reference = f"{ADDRESS}/{name}"
        words = [word for change in changes for word in ("--change", change)]
        host.run("docker", "import", *words, f"/{BOX}", reference)
        host.run("docker", "push", "--quiet", reference)
        host.run("docker", "rmi", reference)
        return reference

    @contextmanager
    def damaged(self) -> Iterator[None]:
        """While this lasts, what images are made of is not what it should be."""
        stored = {path: path.read_bytes() for path in self.folder.rglob("data")}
        layers = {path: data for path, data in stored.items() if not data.startswith(b"{")}
        for path, data in layers.items():
            path.write_bytes(bytes(len(data)))
        try:
            yield
        finally:
            for path, data in layers.items():
                path.write_bytes(data)


def files() -> dict[str, bytes]:
    """What a host needs for this: Docker is told whom it may trust, and what images are made of."""
    trusted = {"insecure-registries": [ADDRESS]}
    return {"etc/docker/daemon.json": json.dumps(trusted).encode(), BOX: box()}


def box() -> bytes:
    """The files of an image: busybox, under a few of its names."""
    data = BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(image.registry() / "bin/busybox", "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for folder in ("tmp", "srv"):
            made = tarfile.TarInfo(folder)
            made.type, made.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(made)
    return data.getvalue()


@contextmanager
def served(folder: Path) -> Iterator[Registry]:
    """An empty registry at an address that the hosts reach."""
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": ADDRESS, "secret": "of no use"},
    }
    (folder / "registry.yml").write_text(yaml.safe_dump(config))
    argv = [image.registry() / "usr/bin/docker-registry", "serve", folder / "registry.yml"]
    with (
        (folder / "registry.log").open("wb") as log,
        subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        try:
            eventually(answers)
            yield Registry(folder / "registry")
        finally:
            server.kill()


def answers() -> bool:
    try:
        return httpx.get(f"http://{ADDRESS}/v2/").is_success
    except httpx.TransportError:
        return False
