"""What an agent takes from the broker for a job, and leaves there: objects, blobs, records of deployments."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from osapi.bus import ObjectInfo
from osapi.calls.blob import Blob
from osapi.deployments import Deployment
from osapi.errors import Unsupported


class Store(Protocol):
    """See `agent.broker` for the one that is; tests have one in memory."""

    async def object(self, name: str) -> ObjectInfo:
        """What is known of an object of the object store; `NotFound` where there is none."""
        ...

    def read_object(self, found: ObjectInfo) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Its bytes, in pieces; an `Error` at their end where they are not those of `found.sha256`."""
        ...

    async def blob(self, sha256: str) -> Blob:
        """What is known of a blob; `NotFound` where there is none."""
        ...

    def read_blob(self, found: Blob) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Its bytes, in pieces, wherever they lie; an `Error` at their end where they are not those of its SHA-256."""
        ...

    async def deployment(self, path: str) -> Deployment | None:
        """What is on record of a path of this host."""
        ...

    async def record(self, deployment: Deployment) -> None:
        """Put on record what is deployed at a path now, over whatever revision there is."""
        ...


class NoStore:
    """That of an agent without a broker, as in tests of what needs none: `Unsupported`."""

    async def object(self, name: str) -> ObjectInfo:
        raise _unsupported(f"object {name}")

    def read_object(self, found: ObjectInfo) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise _unsupported(f"object {found.name}")

    async def blob(self, sha256: str) -> Blob:
        raise _unsupported(f"blob {sha256}")

    def read_blob(self, found: Blob) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise _unsupported(f"blob {found.sha256}")

    async def deployment(self, path: str) -> Deployment | None:
        raise _unsupported(f"record of {path}")

    async def record(self, deployment: Deployment) -> None:
        raise _unsupported(f"record of {deployment.path}")


def _unsupported(what: str) -> Unsupported:
    return Unsupported(f"this agent has no store, and so no {what}")
