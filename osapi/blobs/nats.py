"""Blobs in an object store of the broker, each under its SHA-256."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import attrs

from osapi.blobs.content import Content
from osapi.bus import Objects, Stale
from osapi.errors import NotFound


@attrs.frozen(eq=False)
class NatsBackend:
    """See `osapi.blobs.Backend`."""

    objects: Objects
    name: str = "nats"

    async def store(self, content: Content) -> bool:
        async with self.objects.draft() as draft:
            async for piece in content:
                await draft.write(piece)
            found = await self.objects.describe(content.sha256)
            if found is not None and found.size == content.size:
                return False
            try:
                await draft.commit(content.sha256, revision=found.revision if found else 0)
            except Stale:
                return False  # somebody else has stored it meanwhile
            return True

    @asynccontextmanager
    async def read(self, sha256: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        found = await self.objects.describe(sha256)
        if found is None:
            raise NotFound(f"blob {sha256} is not in the object store of the broker")
        yield self.objects.read(found)

    async def delete(self, sha256: str) -> None:
        await self.objects.delete(sha256)

    async def sweep(self, age: float) -> int:
        return await self.objects.sweep(age)
