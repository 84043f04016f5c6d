"""Three brokers that keep one state: a cluster as an operator runs it, with nothing of OSAPI in it."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
from processes import eventually, free_port

from osapi.bus.server import _binary

REPLICATED = (
    "NATS_KV", "NATS_REGISTRY", "NATS_FACTS", "NATS_STATE", "NATS_OBJECTS", "NATS_FILE_STATE",
    "BLOBS_INDEX", "BLOBS_NATS",
)  # fmt: skip
"""Sections of the configuration whose buckets are kept on all three."""


@attrs.define(eq=False)
class Broker:
    """One nats-server of a cluster; its monitoring tells what it knows (docs.nats.io, Monitoring)."""

    name: str
    folder: Path
    port: int = attrs.field(factory=free_port)
    routes: int = attrs.field(factory=free_port)
    monitoring: int = attrs.field(factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self, routes: list[str]) -> None:
        config = {
            "server_name": self.name,
            "listen": f"127.0.0.1:{self.port}",
            "http": f"127.0.0.1:{self.monitoring}",
            "jetstream": {"store_dir": str(self.folder / self.name), "sync_interval": "always"},
            "cluster": {"name": "osapi", "listen": f"127.0.0.1:{self.routes}", "routes": routes},
        }
        file = self.folder / f"{self.name}.json"
        file.write_text(json.dumps(config))
        with (self.folder / f"{self.name}.out").open("ab") as out:
            self.process = subprocess.Popen([str(_binary()), "-c", str(file)], stdout=out, stderr=out)

    def kill(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def healthy(self) -> bool:
        """Whether it has all that the others have."""
        return self._ask("healthz").get("status") == "ok"

    def leads(self, stream: str) -> bool:
        found = self._ask("jsz?streams=true")
        streams = [each for account in found["account_details"] for each in account["stream_detail"]]
        return any(each["name"] == stream and each["cluster"].get("leader") == self.name for each in streams)

    def _ask(self, what: str) -> Any:
        try:
            return httpx.get(f"http://127.0.0.1:{self.monitoring}/{what}").json()
        except httpx.TransportError:
            return {}


@attrs.define
class Cluster:
    """The three, by name."""

    brokers: dict[str, Broker]

    @property
    def env(self) -> dict[str, str]:
        """What controllers and agents are told of it."""
        servers = ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers.values())
        hosts = {f"OSAPI_{who}_NATS_HOST": servers for who in ("CONTROLLER", "AGENT")}
        return hosts | {f"OSAPI_{section}_REPLICAS": "3" for section in REPLICATED}

    def leader(self, stream: str) -> str:
        """The name of the one that leads a stream."""
        return str(eventually(lambda: [each.name for each in self.brokers.values() if each.leads(stream)])[0])

    def start(self, *names: str) -> None:
        """Start some, and wait until they are of one mind with the rest."""
        routes = [f"nats://127.0.0.1:{broker.routes}" for broker in self.brokers.values()]
        for name in names:
            self.brokers[name].start(routes)
        eventually(lambda: all(self.brokers[name].healthy() for name in names))


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    found = Cluster({name: Broker(name, folder) for name in ("n1", "n2", "n3")})
    try:
        found.start(*found.brokers)
        yield found
    finally:
        for broker in found.brokers.values():
            broker.kill()
