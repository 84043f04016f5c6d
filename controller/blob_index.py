"""The blobs as lists show them: an index in memory, fed by a watch of the one on the broker."""

from bisect import bisect_left, bisect_right

import attrs
import structlog
import trio

from osapi import wire
from osapi.bus import Bucket, CaughtUp, Entry
from osapi.calls.blob import Blob, BlobPage
from osapi.errors import BadInput

log = structlog.get_logger()


@attrs.define
class BlobIndex:
    """All blobs by SHA-256, and those in order."""

    _blobs: dict[str, Blob] = attrs.field(factory=dict)
    _order: list[str] = attrs.field(factory=list)

    def put(self, blob: Blob) -> None:
        if blob.sha256 not in self._blobs:
            self._order.insert(bisect_left(self._order, blob.sha256), blob.sha256)
        self._blobs[blob.sha256] = blob

    def forget(self, sha256: str) -> None:
        if self._blobs.pop(sha256, None):
            del self._order[bisect_left(self._order, sha256)]

    def clear(self) -> None:
        self._blobs.clear()
        self._order.clear()

    def apply(self, entry: Entry) -> None:
        """Take in one revision of a key."""
        if entry.value is None:
            self.forget(entry.key)
            return
        try:
            self.put(wire.decode(Blob, entry.value))
        except BadInput as error:
            log.warning("an entry that cannot be read was passed over", key=entry.key, error=str(error))

    def page(self, limit: int, cursor: str | None) -> BlobPage:
        """So many blobs after a SHA-256, whether or not that is of one."""
        start = bisect_right(self._order, cursor) if cursor else 0
        shown = self._order[start : start + limit]
        more = start + limit < len(self._order)
        return BlobPage(
            blobs=[self._blobs[sha256] for sha256 in shown],
            total=len(self._order),
            next_cursor=shown[-1] if more else None,
        )


async def follow_blobs(bucket: Bucket, index: BlobIndex, task_status: trio.TaskStatus[None]) -> None:
    """Feed the index, for ever; started once all that was there has been read."""
    index.clear()  # of what was deleted while nobody followed, nothing is told
    async with bucket.watch() as watch:
        async for seen in watch:
            if isinstance(seen, CaughtUp):
                task_status.started()
            else:
                index.apply(seen)
