"""What jobs do to one file, one after the other: each looks at it first, and must not miss what another does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import attrs
import trio


@attrs.frozen(eq=False)
class Turns:
    """The files that are being changed, by their paths; shared by all jobs of an agent."""

    _locks: WeakValueDictionary[str, trio.Lock] = attrs.field(factory=WeakValueDictionary)

    @asynccontextmanager
    async def at(self, path: str) -> AsyncGenerator[None]:
        """Wait until nobody else is at it, and be so."""
        lock = self._locks.get(path)
        if lock is None:
            lock = self._locks[path] = trio.Lock()
        async with lock:
            yield
