"""Blobs: immutable contents by SHA-256, in one of several backends, or registered where they lie.

`osapi.blobs.store.Blobs` is what controller and agents use. It knows each blob by an index on the broker, and
its bytes by a backend (`Backend`), or by a reference to where they lie elsewhere (`osapi.blobs.references`).

The index learns of a blob once its bytes are durable, and forgets it once they are gone. What a crash leaves are
bytes that nothing speaks of: uploaded or deleted once more, a blob is whole again, and what is left of an upload
that did not end is swept.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from osapi.blobs.content import Content

MANAGED = "managed"
"""The source of a blob whose bytes are in the backend."""

EXTERNAL = "external"
"""The backend of a blob whose bytes lie elsewhere."""


class Backend(Protocol):
    """Where the bytes of managed blobs are; `Unavailable` where it cannot be reached."""

    @property
    def name(self) -> str:
        """nats, s3 or fs."""
        ...

    async def store(self, content: Content) -> bool:
        """Take a content in, durably, under the SHA-256 it turns out to have; False where it was there already.

        Nobody sees it before it is whole; where it breaks off, nothing is left of it. `NoSpace` where it is full.
        """
        ...

    def read(self, sha256: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Its bytes in pieces, not yet verified; `NotFound` where there are none."""
        ...

    async def delete(self, sha256: str) -> None:
        """Also where there is none."""
        ...

    async def sweep(self, age: float) -> int:
        """Remove what uploads left that did not end, and have not gone on for so many seconds; how many that were."""
        ...


__all__ = ["EXTERNAL", "MANAGED", "Backend", "Content"]
