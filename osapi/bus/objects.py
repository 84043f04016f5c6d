"""Objects: contents of any size, as chunks in a stream and a description beside them (NATS ADR-20)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import attrs
import msgspec
import trio

from osapi.bus import BucketSpec, Usage
from osapi.bus.streams import MARKER_TTL, Stream, config
from osapi.errors import Error

CHUNK = 128 * 1024
DIGEST = "SHA-256="


@attrs.frozen(kw_only=True)
class Description:
    """What is known of an object; `nuid` names its chunks, `digest` is in URL-safe base64."""

    name: str
    bucket: str
    nuid: str
    size: int
    chunks: int
    digest: str = ""
    mtime: datetime
    options: dict[str, Any] = attrs.field(factory=lambda: {"max_chunk_size": CHUNK})
    deleted: bool = False


def stream_config(spec: BucketSpec) -> dict[str, Any]:
    """The stream behind an object store."""
    return config(spec, f"OBJ_{spec.name}", [f"$O.{spec.name}.C.>", f"$O.{spec.name}.M.>"])


@attrs.frozen(eq=False)
class NatsObjects:
    """An object store on the broker; see `osapi.bus.Objects`."""

    spec: BucketSpec
    stream: Stream

    async def put(self, name: str, data: bytes) -> str:
        before = await self._describe(name)
        nuid = uuid4().hex
        try:
            digest = await self._write(nuid, data)
            await self._declare(
                Description(
                    name=name,
                    bucket=self.spec.name,
                    nuid=nuid,
                    size=len(data),
                    chunks=-(-len(data) // CHUNK),
                    digest=DIGEST + urlsafe_b64encode(digest).decode(),
                    mtime=datetime.now(UTC),
                )
            )
        except BaseException:
            with trio.move_on_after(1, shield=True):
                await self._drop(nuid)
            raise
        if before is not None:
            await self._drop(before.nuid)
        return digest.hex()

    async def get(self, name: str) -> bytes | None:
        found = await self._describe(name)
        while found is not None and not found.deleted:
            data = await self._read(found)
            if DIGEST + urlsafe_b64encode(sha256(data).digest()).decode() == found.digest:
                return data
            again = await self._describe(name)
            if again == found:
                wanted = urlsafe_b64decode(found.digest.removeprefix(DIGEST)).hex()
                raise Error(f"object {name} of {self.spec.name} is damaged: it has not the SHA-256 {wanted}")
            found = again  # it was replaced while it was read
        return None

    async def delete(self, name: str) -> None:
        found = await self._describe(name)
        if found is None or found.deleted:
            return
        gone = attrs.evolve(found, size=0, chunks=0, digest="", mtime=datetime.now(UTC), deleted=True)
        await self._declare(gone, {"Nats-TTL": f"{MARKER_TTL}s"})
        await self._drop(found.nuid)

    async def usage(self) -> Usage:
        """Deleted objects count until their marks go."""
        state = (await self.stream.info(f"$O.{self.spec.name}.M.>")).state
        return Usage(name=self.spec.name, keys=len(state.subjects or ()), bytes=state.bytes)

    async def _write(self, nuid: str, data: bytes) -> bytes:
        """Store the chunks in order, each acknowledged; the digest of all."""
        digest = sha256()
        for start in range(0, len(data), CHUNK):
            chunk = data[start : start + CHUNK]
            digest.update(chunk)
            await self.stream.write(self._chunks(nuid), chunk)
        return digest.digest()

    async def _read(self, found: Description) -> bytes:
        """What there is of its chunks."""
        data, sequence = bytearray(), 0
        for _ in range(found.chunks):
            message = await self.stream.following(self._chunks(found.nuid), sequence + 1)
            if message is None:
                break
            sequence = int(message.headers["Nats-Sequence"])
            data += message.data
        return bytes(data)

    async def _describe(self, name: str) -> Description | None:
        message = await self.stream.last(self._description(name))
        return None if message is None else msgspec.json.decode(message.data, type=Description)

    async def _declare(self, description: Description, headers: dict[str, str] | None = None) -> None:
        """Replace what is known of an object."""
        await self.stream.write(
            self._description(description.name),
            msgspec.json.encode(description),
            {"Nats-Rollup": "sub", **(headers or {})},
        )

    async def _drop(self, nuid: str) -> None:
        await self.stream.purge(self._chunks(nuid))

    def _chunks(self, nuid: str) -> str:
        return f"$O.{self.spec.name}.C.{nuid}"

    def _description(self, name: str) -> str:
        return f"$O.{self.spec.name}.M.{urlsafe_b64encode(name.encode()).decode()}"
