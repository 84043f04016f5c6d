"""Requests that were refused: each is told of, until they are so many that they would fill the log; then counted."""

from collections.abc import Iterator

import attrs
import trio

WINDOW = 60.0
"""Seconds for which the refusals of one source are counted together."""
EACH = 5
"""Refusals of one source, user and status that are told one by one in that time."""
SOURCES = 200
"""Sources that are kept apart; others are counted together."""
OTHERS = ("", "", 0)

Who = tuple[str, str, int]
"""Source, user and status."""


@attrs.define
class _Seen:
    began: float
    count: int = 0


@attrs.define
class Refusals:
    """What is counted now."""

    _seen: dict[Who, _Seen] = attrs.field(factory=dict)

    def admit(self, who: Who) -> bool:
        """Count one; whether it is to be told by itself."""
        seen = self._seen.get(who)
        if seen is None and len(self._seen) >= SOURCES:
            who = OTHERS
        seen = self._seen.setdefault(who, _Seen(trio.current_time()))
        seen.count += 1
        return seen.count <= EACH and who != OTHERS

    def over(self, *, everything: bool = False) -> Iterator[tuple[Who, int]]:
        """Those whose time is over, or all, and how many were not told by themselves."""
        now = trio.current_time()
        for who, seen in list(self._seen.items()):
            if everything or now - seen.began >= WINDOW:
                del self._seen[who]
                more = seen.count - (0 if who == OTHERS else EACH)
                if more > 0:
                    yield who, more
