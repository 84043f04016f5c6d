"""Following a bucket: every change of its keys once and in order, across outages.

Sources: NATS ADR-8 (key-value), ADR-48 (delete markers).
"""

import time
from collections.abc import Mapping

import attrs
import trio

from osapi.bus import Entry, Message
from osapi.bus.ordered import Follower, Position
from osapi.bus.streams import Info


def is_marker(message: Message) -> bool:
    """Whether a message says that its key is gone."""
    return bool(message.headers) and (
        message.headers.get("KV-Operation") in ("DEL", "PURGE") or "Nats-Marker-Reason" in message.headers
    )


@attrs.define(eq=False, kw_only=True)
class Watcher(Follower[Entry]):
    """The task behind one watch; `prefix` is what the subjects of keys begin with."""

    prefix: str
    marker_life: float
    """Seconds for which the broker remembers that a key has gone."""

    _last: int = attrs.field(default=0, init=False)
    """Sequence in the stream of the last entry handed over."""
    _made: str = attrs.field(default="", init=False)
    """When the stream was made: another time, another stream."""
    _present: set[str] = attrs.field(factory=set, init=False)
    """Keys the reader believes to be there."""
    _unseen: set[str] = attrs.field(factory=set, init=False)
    """Those of them that a fresh look at the bucket has not shown yet."""

    def begin(self, found: Info) -> Mapping[str, object]:
        """After the last entry, or with a fresh look at all keys.

        A fresh look is needed at first, when the bucket is another one, and after an outage so long that
        the broker may have forgotten which keys went meanwhile.
        """
        if found.created != self._made or found.state.last_seq < self._last:
            self._made, self._last = found.created, 0
        elif self._last and trio.current_time() - self.heard < self.marker_life / 2:
            return {"deliver_policy": "by_start_sequence", "opt_start_seq": self._last + 1}
        self._unseen = set(self._present)
        return {"deliver_policy": "last_per_subject"}

    async def take(self, message: Message, position: Position) -> None:
        key = message.subject.removeprefix(self.prefix)
        self._unseen.discard(key)
        if position.stream > self._last:
            gone = is_marker(message)
            lapsed = "Nats-Marker-Reason" in message.headers
            entry = Entry(key, None if gone else message.data, position.stream, position.time, lapsed)
            await self.hand(entry)
            self._last = position.stream
            (self._present.discard if gone else self._present.add)(key)

    async def caught_up(self) -> None:
        for key in sorted(self._unseen):
            self._present.discard(key)
            await self.hand(Entry(key, None, self._last, time.time(), lapsed=True))
        self._unseen.clear()
        await super().caught_up()
