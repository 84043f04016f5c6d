"""A real S3 server (SeaweedFS) on loopback, with a folder of its own; ended with SIGKILL."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import httpx
from processes import eventually, free_port

WEED = str(Path(sys.executable).with_name("weed"))
KEY, SECRET = "osapi-key", "osapi-secret"
MAY = ["Admin", "Read", "List", "Tagging", "Write"]
PORTS = ("master", "volume", "filer", "s3")


@attrs.frozen
class Seaweed:
    """Where it is: `endpoint` for S3, `files` to look at what is stored; `env` lets one in."""

    endpoint: str
    files: str
    process: subprocess.Popen[bytes]

    @property
    def env(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}

    def names(self, folder: str) -> list[str]:
        """What is in a folder, `bucket` or `bucket/folder`."""
        found = httpx.get(
            f"{self.files}/buckets/{folder}/", headers={"Accept": "application/json"}, trust_env=False
        )
        if found.status_code == httpx.codes.NOT_FOUND:
            return []
        return [Path(entry["FullPath"]).name for entry in found.json()["Entries"] or ()]

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.endpoint}/status", trust_env=False).is_success
        except httpx.TransportError:
            return False


@contextmanager
def seaweed(folder: Path) -> Iterator[Seaweed]:
    """It, started and answering; buckets come to be when something is put into them."""
    http = {name: free_port() for name in PORTS}
    grpc = {name: free_port() for name in PORTS}
    users = {
        "identities": [
            {"name": "osapi", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": MAY}
        ]
    }
    (folder / "data").mkdir(parents=True)
    (folder / "users.json").write_text(json.dumps(users))
    words = [
        WEED,
        "-logtostderr",
        "server",
        "-dir",
        str(folder / "data"),
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
    ]
    words += [f"-{name}.port={port}" for name, port in http.items()]
    words += [f"-{name}.port.grpc={port}" for name, port in grpc.items()]
    words += ["-filer", "-s3", f"-s3.config={folder / 'users.json'}", "-s3.iam=false"]
    words += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    words += ["-volume.max=10000", "-master.volumeSizeLimitMB=1024"]
    with (folder / "seaweed.log").open("wb") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    found = Seaweed(f"http://127.0.0.1:{http['s3']}", f"http://127.0.0.1:{http['filer']}", process)
    try:
        eventually(lambda: process.poll() is not None or found.answers())
        assert process.poll() is None, (folder / "seaweed.log").read_text()
        yield found
    finally:
        process.kill()
        process.wait()
        for port in (*http.values(), *grpc.values()):
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink()
