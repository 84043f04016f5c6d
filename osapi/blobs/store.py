"""The blobs of an installation, as controller and agents see them: an index on the broker, and bytes behind it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import attrs

from osapi import wire
from osapi.blobs import EXTERNAL, MANAGED, Backend, references
from osapi.blobs.content import Content, Verified, media_type
from osapi.blobs.fs import FolderBackend
from osapi.blobs.nats import NatsBackend
from osapi.bus import AlreadyExists, Bucket, Bus, Entry, Stale
from osapi.bus.layout import Specs, specs
from osapi.calls.blob import Blob, BlobUploaded
from osapi.config import Config
from osapi.errors import BadInput, Conflict, NotFound, Refused
from osapi.jobs import now


@attrs.frozen(eq=False)
class Blobs:
    """What is known of each blob, by SHA-256 in hex, and its bytes, wherever they are.

    `Unavailable` is raised where the broker or the backend is away.
    """

    index: Bucket
    _bus: Bus
    _config: Config
    _layout: Specs
    _backends: dict[str, Backend] = attrs.field(factory=dict)

    @staticmethod
    async def open(bus: Bus, config: Config, namespace: str) -> "Blobs":
        """Those of a namespace on the broker; a backend is reached for when it is needed."""
        layout = specs(config, namespace)
        return Blobs(await bus.bucket(layout.blob_index), bus, config, layout)

    async def describe(self, sha256: str) -> Blob | None:
        """What is known of a blob."""
        return _blob(await self.index.get(sha256))

    async def find(self, sha256: str) -> Blob:
        """The same; `NotFound` where there is none."""
        found = await self.describe(sha256)
        if found is None:
            raise NotFound(f"there is no blob {sha256}; `osapi client blob list` shows those that are")
        return found

    async def add(
        self, pieces: AsyncIterator[bytes], *, filename: str | None = None, mime_type: str | None = None
    ) -> BlobUploaded:
        """Take in the bytes of a blob; its media type is guessed unless told. `NoSpace` where there is no room."""
        backend = await self._backend(self._config.blobs.backend)
        content = Content(pieces)
        stored = await backend.store(content)
        blob = Blob(
            sha256=content.sha256,
            size=content.size,
            source=MANAGED,
            backend=backend.name,
            created_at=now(),
            filename=filename,
            mime_type=mime_type or media_type(filename, content.start),
        )
        while True:
            entry = await self.index.get(blob.sha256)
            found = _blob(entry)
            if found and not stored and found.backend == backend.name:
                return _said(found, changed=False)
            if await self._write(blob, entry):
                return _said(blob, changed=True)

    async def register(
        self,
        sha256: str,
        source: str,
        size: int,
        *,
        filename: str | None = None,
        mime_type: str | None = None,
    ) -> BlobUploaded:
        """Note where a blob lies; nothing is read from there.

        `BadInput` where the configuration does not allow the source, `Conflict` where the blob is known otherwise.
        """
        try:
            await references.check(source, self._config.blobs)
        except Refused as error:
            raise BadInput(f"source: {error}", "source") from None
        blob = Blob(
            sha256=sha256,
            size=size,
            source=source,
            backend=EXTERNAL,
            created_at=now(),
            filename=filename,
            mime_type=mime_type or media_type(filename or source, b"\0"),
        )
        while True:
            entry = await self.index.get(sha256)
            if found := _blob(entry):
                _same(found, blob)
                return _said(found, changed=False)
            if await self._write(blob, entry):
                return _said(blob, changed=True)

    async def delete(self, sha256: str) -> None:
        """Delete a blob, or forget where it lies; `NotFound` where there is none."""
        found = await self.find(sha256)
        if found.source == MANAGED:
            backend = await self._backend(found.backend)
            await backend.delete(sha256)
        await self.index.delete(sha256)

    @asynccontextmanager
    async def read(self, blob: Blob) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Its bytes in pieces, wherever they are; they end only where SHA-256 and size are right.

        Until that end nothing may be done with them that cannot be undone: an `OperationError` may be in its place.
        """
        async with await self._open(blob) as pieces:
            yield Verified(Content(pieces), blob)

    async def sweep(self, age: float) -> int:
        """See `Backend.sweep`, of the backend that new blobs go to."""
        return await (await self._backend(self._config.blobs.backend)).sweep(age)

    async def _open(self, blob: Blob) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        if blob.source == MANAGED:
            return (await self._backend(blob.backend)).read(blob.sha256)
        return references.read(blob.source, self._config.blobs)

    async def _backend(self, name: str) -> Backend:
        """The backend of that name, which need not be the one that new blobs go to."""
        if name not in self._backends:
            self._backends[name] = await self._reach(name)
        return self._backends[name]

    async def _reach(self, name: str) -> Backend:
        blobs = self._config.blobs
        match name:
            case "fs":
                return FolderBackend(Path(blobs.fs.path))
            case "s3":
                from osapi.blobs.s3 import S3Backend  # the library is loaded only where it is used

                return S3Backend.open(blobs.s3)
            case _:
                return NatsBackend(await self._bus.objects(self._layout.blobs))

    async def _write(self, blob: Blob, before: Entry | None) -> bool:
        """Put a blob into the index; False where that has changed meanwhile."""
        data = wire.encode(wire.plain(blob))
        try:
            if before is None:
                await self.index.create(blob.sha256, data)
            else:
                await self.index.update(blob.sha256, data, before.revision)
        except (AlreadyExists, Stale):
            return False
        return True


def _blob(entry: Entry | None) -> Blob | None:
    return wire.decode(Blob, entry.value) if entry and entry.value else None


def _said(blob: Blob, *, changed: bool) -> BlobUploaded:
    return BlobUploaded(**attrs.asdict(blob), changed=changed)


def _same(found: Blob, blob: Blob) -> None:
    """`Conflict` where a blob is to be registered that is known otherwise."""
    if found.size != blob.size:
        raise Conflict(f"blob {blob.sha256} has {found.size} bytes, not {blob.size}")
    if found.source not in {MANAGED, blob.source}:
        raise Conflict(f"blob {blob.sha256} is registered already, at {found.source}; delete it first")
