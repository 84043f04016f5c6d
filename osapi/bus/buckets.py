"""Buckets: keys and values in a stream that keeps the last message of each subject (NATS ADR-8)."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import attrs
import trio

from osapi.bus import AlreadyExists, BucketSpec, CaughtUp, Entry, Message, Stale, Usage, Watch
from osapi.bus.ordered import AHEAD, following
from osapi.bus.streams import EXPECTED, MARKER_TTL, SECOND, Full, Stream, config
from osapi.bus.watch import Watcher, is_marker
from osapi.errors import BadInput

KEY = re.compile(r"[-/_=a-zA-Z0-9]+(\.[-/_=a-zA-Z0-9]+)*")
PATTERN = re.compile(r"([-/_=a-zA-Z0-9]+|\*)(\.([-/_=a-zA-Z0-9]+|\*))*(\.>)?|>")


def stream_of(spec: BucketSpec) -> str:
    """The name of the stream behind a bucket."""
    return f"KV_{spec.name}"


def stream_config(spec: BucketSpec) -> dict[str, Any]:
    """The stream behind a bucket."""
    return config(spec, stream_of(spec), [f"$KV.{spec.name}.>"]) | {
        "max_msgs_per_subject": 1,
        "deny_delete": True,
        "subject_delete_marker_ttl": MARKER_TTL * SECOND,
    }


@attrs.frozen(eq=False)
class NatsBucket:
    """A bucket on the broker; see `osapi.bus.Bucket`."""

    spec: BucketSpec
    stream: Stream

    @property
    def prefix(self) -> str:
        return f"$KV.{self.spec.name}."

    async def get(self, key: str) -> Entry | None:
        entry = await self._last(key)
        return entry if entry is not None and entry.value is not None else None

    async def put(self, key: str, value: bytes) -> int:
        return await self.stream.write(self._subject(key), value)

    async def create(self, key: str, value: bytes) -> int:
        try:
            return await self.update(key, value, 0)
        except Stale:
            marker = await self._last(key)
        if marker is None or marker.value is not None:
            raise AlreadyExists(f"{key} exists in {self.spec.name}")
        try:
            return await self.update(key, value, marker.revision)
        except Stale:
            raise AlreadyExists(f"{key} exists in {self.spec.name}") from None

    async def update(self, key: str, value: bytes, revision: int) -> int:
        return await self.stream.write(self._subject(key), value, {EXPECTED: str(revision)})

    async def delete(self, key: str) -> None:
        """Leave a mark, which tells the watchers and goes by itself; where there is no room for it, do without."""
        subject = self._subject(key)
        try:
            await self.stream.write(subject, b"", {"KV-Operation": "DEL", "Nats-TTL": f"{MARKER_TTL}s"})
        except Full:
            await self.stream.purge(subject)

    @asynccontextmanager
    async def watch(self, keys: str = ">") -> AsyncGenerator[Watch]:
        """See `osapi.bus.Bucket`. Where the bus ends first, the channel does, and `Unavailable` follows."""
        if not PATTERN.fullmatch(keys):
            raise BadInput(
                f"{keys!r} matches no keys: expected words between dots, `*` for one, `>` at the end"
            )
        send, receive = trio.open_memory_channel[Entry | CaughtUp](AHEAD)
        watcher = Watcher(
            stream=self.stream,
            subjects=self.prefix + keys,
            send=send,
            prefix=self.prefix,
            marker_life=min(self.spec.ttl or MARKER_TTL, MARKER_TTL),
        )
        async with following(watcher, receive) as changes:
            yield changes

    async def usage(self) -> Usage:
        """Deleted and expired keys count until their marks go."""
        state = (await self.stream.info()).state
        return Usage(name=self.spec.name, keys=state.messages, bytes=state.bytes)

    async def _last(self, key: str) -> Entry | None:
        message = await self.stream.last(self._subject(key))
        return None if message is None else _entry(key, message)

    def _subject(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise BadInput(f"{key!r} is no key: expected letters, digits and -/_= between dots")
        return self.prefix + key


def _entry(key: str, message: Message) -> Entry:
    return Entry(
        key=key,
        value=None if is_marker(message) else message.data,
        revision=int(message.headers["Nats-Sequence"]),
        created=datetime.fromisoformat(message.headers["Nats-Time-Stamp"]).timestamp(),
    )
