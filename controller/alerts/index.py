"""All alerts: an index in memory, fed by a watch, and the one way to change an alert on the broker."""

from collections.abc import Callable, Iterator

import attrs
import structlog

from controller.alerts.record import Record
from osapi import wire
from osapi.bus import AlreadyExists, Bucket, Entry, Stale
from osapi.errors import BadInput

log = structlog.get_logger()

Edit = Callable[[Record | None], Record | None]
"""From an alert as it is, or None where there is none, to what it becomes; None to leave it."""


@attrs.define
class Alerts:
    """Alerts by their keys in the bucket of state, each with its revision.

    `telling` are the keys of those of which somebody is still to be told; `changed` is called whenever any changes.
    """

    bucket: Bucket
    records: dict[str, Record] = attrs.field(factory=dict)
    telling: set[str] = attrs.field(factory=set)
    changed: Callable[[], None] = attrs.field(default=lambda: None)
    _revisions: dict[str, int] = attrs.field(factory=dict)
    _keys: dict[str, set[str]] = attrs.field(factory=dict)

    def apply(self, entry: Entry) -> None:
        """Take in one revision of a key; what is older than what is known is passed over."""
        if entry.revision <= self._revisions.get(entry.key, 0):
            return
        record = None
        if entry.value is not None:
            try:
                record = wire.decode(Record, entry.value)
            except BadInput as error:
                log.warning("an entry that cannot be read was passed over", key=entry.key, error=str(error))
        self._keep(entry.key, record, entry.revision)

    def _keep(self, key: str, record: Record | None, revision: int) -> None:
        """One that is unreadable counts as none, and is written over."""
        self._revisions[key] = revision
        if record is None:
            if gone := self.records.pop(key, None):
                self._keys[gone.component].discard(key)
        else:
            self.records[key] = record
            self._keys.setdefault(record.component, set()).add(key)
        (self.telling.add if record and record.notices else self.telling.discard)(key)
        self.changed()

    def firing(self) -> Iterator[Record]:
        return (record for record in self.records.values() if record.active)

    def of(self, component: str) -> list[Record]:
        """What is known of a component; one for each condition that ever held."""
        return [self.records[key] for key in self._keys.get(component, ())]

    async def change(self, key: str, edit: Edit) -> Record | None:
        """Take a step, unless there is none to take any more; the record where it was this controller that took it.

        The step is made anew from what is there, as often as somebody else was faster.
        """
        while True:
            after = edit(self.records.get(key))
            if after is None:
                return None
            known = self._revisions.get(key, 0)
            try:
                value = wire.encode(after)
                revision = await (
                    self.bucket.update(key, value, known) if known else self.bucket.create(key, value)
                )
            except (Stale, AlreadyExists):
                await self._look(key)
                continue
            self._keep(key, after, revision)
            return after

    async def _look(self, key: str) -> None:
        """Learn what is there now."""
        entry = await self.bucket.get(key)
        self._revisions.pop(key, None)
        if entry is None:
            self._keep(key, None, 0)
        else:
            self.apply(entry)

    async def forget(self, key: str) -> None:
        await self.bucket.delete(key)
