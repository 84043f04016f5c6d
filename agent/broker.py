"""What an agent takes from the broker for a job, and leaves there: the `Store` that is."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import structlog
import trio

from agent.buckets import Buckets
from agent.deliver import RETRY
from osapi import wire
from osapi.blobs.store import Blobs
from osapi.bus import AlreadyExists, ObjectInfo, Stale, layout
from osapi.calls.blob import Blob
from osapi.deployments import Deployment
from osapi.errors import BadInput, Conflict, NotFound, Unavailable

TRIES = 10
"""How often a record is written that somebody else writes at the same time."""

log = structlog.get_logger()


@attrs.frozen
class BrokerStore:
    """The object store, the blobs wherever they are, and the deployments of one machine."""

    machine_id: str
    buckets: Buckets
    blobs: Blobs

    async def object(self, name: str) -> ObjectInfo:
        found = await self.buckets.objects.describe(name)
        if found is None:
            raise NotFound(
                f"there is no object {name} in the object store; `osapi client file upload` puts it there"
            )
        return found

    @asynccontextmanager
    async def read_object(self, found: ObjectInfo) -> AsyncGenerator[AsyncIterator[bytes]]:
        yield self.buckets.objects.read(found)

    async def blob(self, sha256: str) -> Blob:
        return await self.blobs.find(sha256)

    def read_blob(self, found: Blob) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self.blobs.read(found)

    async def deployment(self, path: str) -> Deployment | None:
        entry = await self.buckets.file_state.get(layout.deployment(self.machine_id, path))
        if entry is None or entry.value is None:
            return None
        try:
            return wire.decode(Deployment, entry.value)
        except BadInput as error:
            log.warning("a record of a deployment cannot be read", path=path, reason=str(error))
            return None

    async def record(self, deployment: Deployment) -> None:
        """However long the broker is away: the host has been changed, and its answer waits as well."""
        tries = 0
        while True:
            try:
                return await self._write(deployment)
            except Unavailable as error:
                tries += 1
                log.info("a record waits for the broker", path=deployment.path, reason=str(error))
                await trio.sleep(RETRY.after(min(tries, 10)))

    async def _write(self, deployment: Deployment) -> None:
        key, value = layout.deployment(self.machine_id, deployment.path), wire.encode(wire.plain(deployment))
        bucket = self.buckets.file_state
        for _ in range(TRIES):
            entry = await bucket.get(key)
            try:
                await (bucket.update(key, value, entry.revision) if entry else bucket.create(key, value))
            except (Stale, AlreadyExists):
                continue
            return
        raise Conflict(f"the record of {deployment.path} is written by somebody else again and again")
