"""Silences: which alerts they fit, and an index in memory of them, fed by a watch."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

import attrs
import structlog

from controller.alerts.record import Record
from osapi import wire
from osapi.bus import Bucket, Entry, layout
from osapi.calls.silence import Silence
from osapi.errors import BadInput, NotFound
from osapi.jobs import now
from osapi.results import Time

log = structlog.get_logger()

KEPT = timedelta(days=1)
"""For how long one that is over is shown."""


def fits(silence: Silence, record: Record) -> bool:
    """Whether an alert has all that a silence asks for."""
    names = [record.hostname, record.machine_id or ""]
    if not any(fnmatchcase(name, silence.host) for name in names):
        return False
    if silence.label is not None and not carries(record, silence.label):
        return False
    return silence.condition is None or fnmatchcase(record.condition, silence.condition)


def carries(record: Record, label: str) -> bool:
    """Whether a host has a label, as targets have it: `group:web` is also web.dev."""
    key, _, value = label.partition(":")
    return f"{record.labels.get(key, '')}.".startswith(f"{value}.")


def active(silence: Silence, at: datetime) -> bool:
    return silence.starts_at <= at < silence.ends_at


@attrs.define
class Silences:
    """All silences by id, and the bucket they are kept in."""

    bucket: Bucket
    by_id: dict[str, Silence] = attrs.field(factory=dict)

    def apply(self, entry: Entry) -> None:
        """Take in one revision of a key."""
        id = entry.key.partition(".")[2]
        try:
            if entry.value is None:
                self.by_id.pop(id, None)
            else:
                self.by_id[id] = wire.decode(Silence, entry.value)
        except BadInput as error:
            log.warning("an entry that cannot be read was passed over", key=entry.key, error=str(error))

    def of(self, record: Record, at: datetime) -> Iterator[Silence]:
        """Those that an alert is silenced by."""
        return (each for each in self.by_id.values() if active(each, at) and fits(each, record))

    def find(self, id: str) -> Silence:
        if id not in self.by_id:
            raise NotFound(f"no silence {id} is known; `osapi client silence list` shows those that are")
        return self.by_id[id]

    async def put(self, silence: Silence) -> None:
        await self.bucket.put(layout.silence(silence.id), wire.encode(silence))
        self.by_id[silence.id] = silence

    async def expire(self, id: str, at: Time) -> Silence:
        """End one; one that is over stays as it is."""
        found = self.find(id)
        if found.ends_at > at:
            found = attrs.evolve(found, ends_at=at)
            await self.put(found)
        return found

    async def forget(self) -> None:
        """Remove those that have been over for long."""
        for found in list(self.by_id.values()):
            if found.ends_at + KEPT < now():
                await self.bucket.delete(layout.silence(found.id))
