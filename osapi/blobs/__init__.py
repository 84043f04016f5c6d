"""Blobs: immutable contents by SHA-256, in one of several backends, or registered where they lie.

`osapi.blobs.store.Blobs` is what controller and agents use. It knows each blob by an index on the broker, and
its bytes by a backend (`Backend`), or by a reference to where they lie elsewhere.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

MANAGED = "managed"
"""The source of a blob whose bytes are in the backend."""


class BlobDraft(Protocol):
    """A content on its way into a backend, where nobody sees it yet."""

    async def write(self, data: bytes) -> None:
        """Add to it; `NoSpace` where the backend is full."""
        ...

    async def commit(self, sha256: str) -> None:
        """Give it its name, which the caller has computed while writing."""
        ...


class Backend(Protocol):
    """Where the bytes of managed blobs are; `Unavailable` where it cannot be reached."""

    @property
    def name(self) -> str:
        """nats, s3 or fs."""
        ...

    def draft(self) -> AbstractAsyncContextManager[BlobDraft]:
        """A content to be; unless it is committed, nothing is left of it."""
        ...

    def read(self, sha256: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Its bytes in pieces, not yet verified; `NotFound` where there are none."""
        ...

    async def exists(self, sha256: str) -> bool: ...
    async def delete(self, sha256: str) -> None:
        """Also where there is none."""
        ...
