"""Reading the audit log: from its end backwards, by number, and all of it, some writes at a time.

A write holds entries whose numbers follow each other, and later writes have higher ones; so a number is found by
halving. Nothing is held between two steps: who stops reading leaves nothing behind.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any

import attrs
import msgspec
import structlog

from osapi.audit.chain import Entry, number_in, read
from osapi.bus import CaughtUp, Line, Log
from osapi.errors import BadInput, NotFound

FIRST_WINDOW, WINDOW = 32, 512
"""Writes that are read at once, at first and at most."""
WINDOW_BYTES = 4 * 1024 * 1024
"""Bytes after which no more are read at once."""

log = structlog.get_logger()

Match = Callable[[Entry], bool]


@attrs.frozen
class Reader:
    """Reads one log."""

    log: Log

    async def find(self, identity: str) -> Entry:
        """The entry of an id; `NotFound` where there is none, or none any more."""
        number = number_in(identity)
        for entry in await self._block(await self.locate(number)):
            if entry.get("id") == identity.lower():
                return entry
        raise NotFound(f"there is no audit entry {identity}; it may have been older than nats.audit.max_age")

    async def newest(self, below: int | None = None) -> AsyncGenerator[tuple[Line, list[Entry]], None]:
        """Writes from the end backwards, each with its entries, newest first; those `below` a number only."""
        state = await self.log.state()
        last = state.last if below is None else await self.locate(below)
        size = FIRST_WINDOW
        while last >= state.first and state.entries:
            first = max(state.first, last - size + 1)
            for line in reversed(await self.window(first, last)):
                found = entries_of(line)[::-1]
                if below is not None:
                    found = [entry for entry in found if number(entry) < below]
                yield line, found
            last, size = first - 1, min(size * 2, WINDOW)

    async def oldest(self, after: int = 0) -> AsyncGenerator[bytes, None]:
        """Lines in the order they lie in, as they were written, with a line break after each; many at a time."""
        state = await self.log.state()
        first = max(state.first, await self.locate(after + 1) if after else 1)
        while first <= state.last and state.entries:
            lines = await self.window(first, state.last, whole=False)
            if not lines:
                return
            blocks = [line.data if not after else above(line.data, after) for line in lines]
            yield b"".join(block + b"\n" for block in blocks if block)
            first = lines[-1].sequence + 1

    async def count(self) -> int:
        """How many entries there are, by their numbers."""
        state = await self.log.state()
        oldest, latest = await self._block(state.first), await self._block(state.last)
        return number(latest[-1]) - number(oldest[0]) + 1 if oldest and latest else 0

    async def locate(self, wanted: int) -> int:
        """The sequence of the write that has a number, or of the next that is there."""
        state = await self.log.state()
        low, high = state.first, state.last
        while low < high:
            middle = (low + high) // 2
            found = await self._block(middle)
            if found and number(found[-1]) < wanted:
                low = middle + 1
            else:
                high = middle
        return low

    async def window(self, first: int, last: int, *, whole: bool = True) -> list[Line]:
        """The writes of some sequences; unless the `whole` is wanted, as many as are read at once."""
        found: list[Line] = []
        size = 0
        async with self.log.read(first=first) as lines:
            async for line in lines:
                if isinstance(line, CaughtUp) or line.sequence > last:
                    break
                found.append(line)
                size += len(line.data)
                full = len(found) >= WINDOW or size >= WINDOW_BYTES
                if line.sequence == last or (full and not whole):
                    break
        return found

    async def _block(self, sequence: int) -> list[Entry]:
        line = await self.log.at(sequence)
        return entries_of(line) if line else []


def entries_of(line: Line) -> list[Entry]:
    """The entries of a write; what cannot be read is passed over, as verify will tell of it."""
    try:
        return read(line.data)
    except BadInput as error:
        log.error("a part of the audit log cannot be read", sequence=line.sequence, error=str(error))
        return []


def number(entry: Entry) -> int:
    found: Any = entry.get("number")
    return found if isinstance(found, int) else 0


def above(block: bytes, after: int) -> bytes:
    """The lines of a write that have higher numbers."""
    kept = []
    for line in block.split(b"\n"):
        with suppress(msgspec.DecodeError):
            if number(msgspec.json.decode(line, type=Entry)) <= after:
                continue
        kept.append(line)
    return b"\n".join(kept)
