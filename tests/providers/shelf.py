"""A store in memory: what an agent finds on the broker, and leaves there."""

from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256

import attrs

from osapi.blobs import MANAGED
from osapi.bus import ObjectInfo
from osapi.calls.blob import Blob
from osapi.calls.file import CONTENT_TYPE
from osapi.deployments import Deployment
from osapi.errors import Error, NotFound

PIECE = 1024
"""Bytes that a reader gets at a time."""


@attrs.define
class Shelf:
    """An `agent.store.Store`; `written` counts the records that were written, `read` the contents that were read."""

    objects: dict[str, tuple[ObjectInfo, bytes]] = attrs.field(factory=dict)
    blobs: dict[str, tuple[Blob, bytes]] = attrs.field(factory=dict)
    deployments: dict[str, Deployment] = attrs.field(factory=dict)
    written: int = 0
    read: int = 0

    def put(self, name: str, data: bytes, content_type: str = "") -> str:
        """What an upload does; the SHA-256."""
        digest = sha256(data).hexdigest()
        info = ObjectInfo(
            name=name,
            size=len(data),
            sha256=digest,
            modified=datetime.now(UTC),
            headers={CONTENT_TYPE: content_type} if content_type else {},
            revision=self.objects[name][0].revision + 1 if name in self.objects else 1,
        )
        self.objects[name] = info, data
        return digest

    def put_blob(self, data: bytes) -> str:
        digest = sha256(data).hexdigest()
        blob = Blob(
            sha256=digest, size=len(data), source=MANAGED, backend="nats", created_at=datetime.now(UTC)
        )
        self.blobs[digest] = blob, data
        return digest

    async def object(self, name: str) -> ObjectInfo:
        if name not in self.objects:
            raise NotFound(f"there is no object {name}")
        return self.objects[name][0]

    @asynccontextmanager
    async def read_object(self, found: ObjectInfo):
        async with aclosing(self._pieces(self.objects[found.name][1], found.sha256)) as pieces:
            yield pieces

    async def blob(self, sha256: str) -> Blob:
        if sha256 not in self.blobs:
            raise NotFound(f"there is no blob {sha256}")
        return self.blobs[sha256][0]

    @asynccontextmanager
    async def read_blob(self, found: Blob):
        async with aclosing(self._pieces(self.blobs[found.sha256][1], found.sha256)) as pieces:
            yield pieces

    async def deployment(self, path: str) -> Deployment | None:
        return self.deployments.get(path)

    async def record(self, deployment: Deployment) -> None:
        self.written += 1
        self.deployments[deployment.path] = deployment

    async def _pieces(self, data: bytes, digest: str):
        self.read += 1
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE]
        if sha256(data).hexdigest() != digest:
            raise Error(f"not the content with the SHA-256 {digest}")
