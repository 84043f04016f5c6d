"""The three backends, each with a real server behind it, and blobs in them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import attrs
import obstore
import pytest
from processes import Installation, installation
from seaweed import Seaweed, seaweed

from osapi.blobs.s3 import Bucket
from osapi.blobs.store import Blobs
from osapi.bus import Bus, Objects
from osapi.bus.connect import connect
from osapi.bus.layout import specs
from osapi.config import Config
from osapi.config.blobs import BlobFs, BlobS3
from osapi.config.blobs import Blobs as Settings
from osapi.config.schema import Auth, NatsConnection


@attrs.frozen
class Shelf:
    """Blobs in one of the backends, and a way behind their back: to see what is stored, and to change it."""

    blobs: Blobs
    behind: "Folder | Drawer | Store"

    async def add(self, data: bytes, piece: int = 100_000, **named: str):
        return await self.blobs.add(in_pieces(data, piece), **named)

    async def read(self, blob) -> bytes:
        async with self.blobs.read(blob) as pieces:
            return b"".join([piece async for piece in pieces])


async def in_pieces(data: bytes, piece: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), piece):
        yield data[start : start + piece]


@attrs.frozen
class Folder:
    """Behind fs."""

    folder: Path

    async def stored(self) -> set[str]:
        return {file.name for file in self.folder.glob("??/*")}

    async def drafts(self) -> int:
        return len(list(self.folder.glob(".incoming/*")))

    async def replace(self, sha256: str, data: bytes) -> None:
        (self.folder / sha256[:2] / sha256).write_bytes(data)

    async def litter(self) -> None:
        (self.folder / ".incoming").mkdir(exist_ok=True)
        (self.folder / ".incoming" / "killed").write_bytes(b"half")

    async def lose(self, sha256: str) -> None:
        (self.folder / sha256[:2] / sha256).unlink()


@attrs.frozen
class Drawer:
    """Behind s3."""

    server: Seaweed
    bucket: Bucket

    async def stored(self) -> set[str]:
        return set(self.server.names(f"{self.bucket.name}/blobs"))

    async def drafts(self) -> int:
        name = self.bucket.name
        return len(self.server.names(f"{name}/uploads") + self.server.names(f"{name}/.uploads"))

    async def replace(self, sha256: str, data: bytes) -> None:
        obstore.put(self.bucket.store, f"blobs/{sha256}", data)

    async def litter(self) -> None:
        obstore.put(self.bucket.store, "uploads/killed", b"half")

    async def lose(self, sha256: str) -> None:
        await self.bucket.delete(f"blobs/{sha256}")


@attrs.frozen
class Store:
    """Behind nats."""

    objects: Objects

    async def stored(self) -> set[str]:
        return {found.name for found in await self.objects.list()}

    async def drafts(self) -> int:
        return await self.objects.sweep(-3600)

    async def replace(self, sha256: str, data: bytes) -> None:
        await self.objects.put(sha256, data)

    async def litter(self) -> None:
        await self.objects.stream.write(self.objects.chunks("killed"), b"half")

    async def lose(self, sha256: str) -> None:
        await self.objects.delete(sha256)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("broker")) as site:
        site.broker()
        yield site


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
def credentials(s3, monkeypatch):
    """In the environment, from where they are taken."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def bus(broker, nursery) -> Bus:
    password = (broker.folder / "state" / "broker.password").read_text().strip()
    login = Auth(type="user_pass", username="osapi", password=password)
    found = connect(NatsConnection(host="127.0.0.1", port=broker.broker_port, client_name="test", auth=login))
    await nursery.start(found.run)
    return found


@pytest.fixture
def open_blobs(bus):
    """Open the blobs of a namespace of their own, with these settings."""
    namespace = uuid4().hex

    async def open_blobs(**settings) -> Blobs:
        return await Blobs.open(bus, Config(blobs=Settings(**settings)), namespace)

    return open_blobs


@pytest.fixture
def shelves(s3, credentials, bus, tmp_path):
    """Open a shelf by the name of its backend."""

    async def shelves(backend: str, **settings) -> Shelf:
        namespace = uuid4().hex
        if backend == "fs":
            folder = tmp_path / "blobs"
            folder.mkdir()
            settings["fs"] = BlobFs(path=str(folder))
            behind = Folder(folder)
        elif backend == "s3":
            settings["s3"] = BlobS3(endpoint=s3.endpoint, bucket=f"b-{namespace}")
            behind = Drawer(s3, Bucket.open(settings["s3"], settings["s3"].bucket))
        else:
            layout = specs(Config(blobs=Settings(**settings)), namespace)
            behind = Store(await bus.objects(layout.blobs))
        config = Config(blobs=Settings(backend=backend, **settings))
        return Shelf(await Blobs.open(bus, config, namespace), behind)

    return shelves


@pytest.fixture(params=["nats", "fs", "s3"])
async def shelf(request, shelves) -> Shelf:
    return await shelves(request.param)
