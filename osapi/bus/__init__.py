"""The bus: what OSAPI needs of a broker, over bytes.

`osapi.bus.bridge` is the one implementation. A bus is given to a daemon's nursery as a supervised component;
everything here raises `Unavailable` while the broker is away, at once or when the time for it is over.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

import attrs
import trio

from osapi.errors import Error, NoSpace, Unavailable


class AlreadyExists(Error):
    """A key that was to be created is there."""


class Stale(Error):
    """A key has another revision than the one it was to be changed from."""


class NoResponders(Error):
    """Nobody listens to the subject of a request."""


class BrokerFull(NoSpace):
    """It is not the store that is full, but the broker: something must go, whatever it is."""


class Unconfirmed(Unavailable):
    """It was sent and nothing came back: whether the broker has done it is not known."""


@attrs.frozen
class Message:
    """What was published; `reply` is where an answer is awaited, if one is."""

    subject: str
    data: bytes
    reply: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Entry:
    """One revision of a key; `value` is None where the key was deleted or has expired."""

    key: str
    value: bytes | None
    revision: int
    created: float
    """When it was written, in seconds since the epoch by the broker's clock."""
    lapsed: bool = False
    """Whether nobody is known to have deleted it: its time was over, or it went while the broker was away."""


@attrs.frozen
class CaughtUp:
    """All that was there when a watch began has been seen."""


@attrs.frozen(kw_only=True)
class BucketSpec:
    """A bucket to create or bring up to date; `ttl` in seconds and `max_bytes` are 0 for no limit.

    With `evict`, a full bucket gives up its oldest entries; without, it refuses new ones. `chunk` is how many
    bytes of an object one message holds.
    """

    name: str
    ttl: float = 0
    max_bytes: int = 0
    storage: str = "file"
    replicas: int = 1
    evict: bool = False
    chunk: int = 128 * 1024


@attrs.frozen(kw_only=True)
class Usage:
    """What a bucket or object store holds."""

    name: str
    keys: int
    bytes: int


Watch = trio.MemoryReceiveChannel[Entry | CaughtUp]


class Bucket(Protocol):
    """Keys and values, each write acknowledged by the broker (NATS ADR-8)."""

    async def get(self, key: str) -> Entry | None: ...
    async def put(self, key: str, value: bytes) -> int:
        """Write, and return the revision."""
        ...

    async def create(self, key: str, value: bytes) -> int:
        """Write what must not exist yet; `AlreadyExists` where it does."""
        ...

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write over one revision; `Stale` where there is another."""
        ...

    async def delete(self, key: str) -> None: ...
    def watch(self, keys: str = ">") -> AbstractAsyncContextManager[Watch]:
        """The last entry of every key that matches, then `CaughtUp`, then every change in order.

        Goes on after an outage from where it was, within a second, without a gap or a repetition.
        """
        ...

    async def usage(self) -> Usage: ...


@attrs.frozen(kw_only=True)
class ObjectInfo:
    """What is known of an object; `sha256` in hex, `size` in bytes, `revision` changes with each put."""

    name: str
    size: int
    sha256: str
    modified: datetime
    headers: Mapping[str, str] = attrs.field(factory=dict)
    revision: int = 0


class ObjectDraft(Protocol):
    """Contents on their way into the store, where nobody sees them yet."""

    async def write(self, data: bytes) -> None:
        """Add to the contents; `NoSpace` where the store is full."""
        ...

    async def commit(
        self, name: str, *, headers: Mapping[str, str] | None = None, revision: int | None = None
    ) -> ObjectInfo:
        """Give the contents a name, in the place of what has it.

        With `revision`, only in the place of that one (0 is none): `Stale` where there is another.
        """
        ...


class Objects(Protocol):
    """Contents of any size, by name; written and read in chunks, checked by SHA-256 (NATS ADR-20)."""

    def draft(self) -> AbstractAsyncContextManager[ObjectDraft]:
        """Contents to be; unless they are committed, nothing is left of them."""
        ...

    async def describe(self, name: str) -> ObjectInfo | None: ...
    async def list(self) -> list[ObjectInfo]:
        """All of them, sorted by name."""
        ...

    def read(self, found: ObjectInfo) -> AsyncIterator[bytes]:
        """Its contents in pieces; `Error` at their end where they are damaged, or were replaced meanwhile."""
        ...

    async def put(self, name: str, data: bytes) -> str:
        """Write, and return the SHA-256 in hex."""
        ...

    async def get(self, name: str) -> bytes | None: ...
    async def delete(self, name: str) -> None: ...
    async def sweep(self, age: float) -> int:
        """Remove drafts to which nothing was added for so many seconds, as a killed process leaves them; how many."""
        ...

    async def usage(self) -> Usage: ...


@attrs.frozen(kw_only=True)
class LogSpec:
    """A log to create or bring up to date: what is published below `subject` is kept, in order.

    `max_age` in seconds, `max_bytes` and `max_per_name` (the latest of each name) are 0 for no limit. With `evict` a
    full log gives up its oldest entries; without, it refuses new ones with `NoSpace`.
    """

    name: str
    subject: str
    max_age: float = 0
    max_bytes: int = 0
    max_per_name: int = 0
    storage: str = "file"
    replicas: int = 1
    evict: bool = False


@attrs.frozen
class Line:
    """One entry of a log; `name` is what it was appended under, `created` in seconds since the epoch."""

    name: str
    data: bytes
    sequence: int
    created: float


@attrs.frozen(kw_only=True)
class LogState:
    """What a log holds; `first` and `last` are sequences, `last` the one of the latest entry ever, 0 for none."""

    first: int
    last: int
    entries: int
    bytes: int


class Log(Protocol):
    """Entries in the order they came, never changed (a JetStream stream; each append acknowledged by the broker)."""

    async def append(self, name: str, data: bytes, *, after: int | None = None) -> int:
        """Add an entry under a name of `[A-Za-z0-9_.-]`, and return its sequence.

        With `after`, only where that is the log's last sequence: `Stale` where there is another. `NoSpace` where it is
        full (`BrokerFull` where all is), `Unconfirmed` where whether it was taken is not known.
        """
        ...

    async def at(self, sequence: int) -> Line | None:
        """The entry of that sequence; None where it is gone, or yet to come."""
        ...

    async def latest(self, name: str) -> Line | None:
        """The last entry of a name."""
        ...

    def read(
        self, *, first: int = 1, names: str = ">"
    ) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Line | CaughtUp]]:
        """Entries from a sequence on, of names that match, in order; `CaughtUp` once all that was there was seen.

        Then what is appended, without an end: who wants a part only leaves.
        """
        ...

    async def state(self) -> LogState: ...


@attrs.frozen(kw_only=True)
class Held:
    """A stream as the broker has it, under its own name; `config` and `state` are as JetStream tells them.

    `time` is what the broker's clock said when it was asked, in seconds since the epoch.
    """

    name: str
    config: Mapping[str, Any]
    state: Mapping[str, Any]
    time: float | None = None

    @property
    def messages(self) -> int:
        return int(self.state["messages"])

    @property
    def last(self) -> int:
        """The sequence of its latest message ever."""
        return int(self.state["last_seq"])


@attrs.frozen(kw_only=True)
class Account:
    """What the broker keeps for who asks, and how many bytes it will keep at most, where it has a limit."""

    streams: int
    consumers: int
    bytes: int
    most: int | None


@attrs.frozen(kw_only=True)
class Snapshot:
    """A copy of a stream on its way; the pieces are to be read within a minute of each other."""

    held: Held
    pieces: AsyncIterator[bytes]


class Streams(Protocol):
    """The streams behind buckets, objects and logs, as a whole; asking makes none and changes none."""

    async def account(self) -> Account: ...
    async def find(self, name: str) -> Held | None: ...
    def take(self, name: str) -> AbstractAsyncContextManager[Snapshot]:
        """A copy of a stream as of now, its messages checked; others go on writing to it."""
        ...

    async def put_back(self, held: Held, pieces: AsyncIterator[bytes]) -> None:
        """Make a stream, which must not be there, of a copy."""
        ...

    async def remove(self, name: str) -> None: ...


@attrs.frozen(kw_only=True)
class ServerInfo:
    """The broker one is connected to."""

    url: str
    version: str
    max_payload: int


class Bus(Protocol):
    """A connection that comes back by itself."""

    @property
    def connected(self) -> bool: ...
    @property
    def connections(self) -> int:
        """How often there was a broker to connect to."""
        ...

    @property
    def server(self) -> ServerInfo:
        """The broker; `Unavailable` while there is none."""
        ...

    @property
    def streams(self) -> Streams:
        """What the broker has, to be looked at and copied."""
        ...

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Connect and stay connected until cancelled; `started()` at the first connection."""
        ...

    async def publish(
        self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send without acknowledgement."""
        ...

    async def request(self, subject: str, data: bytes, *, timeout: float) -> Message:
        """Send and await one answer; `NoResponders` or `Unavailable` where none comes."""
        ...

    def subscribe(
        self, subject: str, *, queue: str = ""
    ) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Message]]:
        """What is published from now on; with `queue`, each message to one of those of that name."""
        ...

    async def flush(self) -> None:
        """Wait until the broker has taken all that was published."""
        ...

    async def bucket(self, spec: BucketSpec) -> Bucket: ...
    async def objects(self, spec: BucketSpec) -> Objects: ...
    async def log(self, spec: LogSpec) -> Log: ...


__all__ = [
    "Account", "AlreadyExists", "BrokerFull", "Bucket", "BucketSpec", "Bus", "CaughtUp", "Entry", "Held",
    "Line", "Log", "LogSpec", "LogState", "Message", "NoResponders", "ObjectDraft", "ObjectInfo", "Objects",
    "ServerInfo", "Snapshot", "Stale", "Streams", "Unconfirmed", "Usage", "Watch",
]  # fmt: skip
