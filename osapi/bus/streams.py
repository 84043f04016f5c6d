"""JetStream streams, over requests: made as wanted, written with acknowledgement, read directly.

Buckets, objects and watches are each made of one stream; its state is the broker's.
Sources: NATS ADR-2 (API), ADR-31 (direct get), ADR-43 (per-message TTL), ADR-48 (delete markers).
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import attrs
import msgspec
import structlog
import trio

from osapi.bus import BucketSpec, Message, NoResponders, ServerInfo, Stale
from osapi.errors import ConfigError, Error, TooLarge, Unavailable

T = TypeVar("T")

TIMEOUT = 5.0
SECOND = 1_000_000_000
MARKER_TTL = 600
"""Seconds for which the broker keeps the mark of a key that expired or was deleted."""
DEDUPLICATION = 120

STATUS = "Status"
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_LAST = "Nats-Expected-Last-Sequence"

NO_SUCH_STREAM = 10059
NO_MESSAGE = 10037
NAME_TAKEN = 10058
TOO_LARGE = 10054
WRONG_LAST = frozenset({10071, 10164})
FULL = frozenset({10023, 10028, 10047, 10077, 10122})

log = structlog.get_logger()


class Connection(Protocol):
    """What is needed of the connection to the broker."""

    async def publish(
        self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None: ...
    async def request(
        self, subject: str, data: bytes, *, timeout: float, headers: Mapping[str, str] | None = None
    ) -> Message: ...
    def listening(
        self, subject: str, deliver: Callable[[Message], None], interrupted: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Hand over what is published, in trio's thread, and say when the connection is lost."""
        ...

    def inbox(self) -> str:
        """A subject that nobody else uses."""
        ...

    async def until_connected(self) -> None: ...
    @property
    def server(self) -> ServerInfo:
        """The broker; `Unavailable` while there is none."""
        ...

    @property
    def nursery(self) -> trio.Nursery:
        """Where watches live; `Unavailable` where the connection is not run."""
        ...


class Rejected(Error):
    """The broker understood and said no; `err_code` is of NATS ADR-7."""

    def __init__(self, message: str, err_code: int) -> None:
        super().__init__(message)
        self.err_code = err_code


class Full(Unavailable):
    """The stream may store no more, by its own `limit` or because the broker may not."""

    def __init__(self, message: str, *, limit: bool) -> None:
        super().__init__(message)
        self.limit = limit


@attrs.frozen
class Problem:
    code: int = 0
    err_code: int = 0
    description: str = ""


@attrs.frozen
class Acknowledgement:
    """What the broker answers to a message for a stream."""

    seq: int = 0
    error: Problem | None = None


@attrs.frozen
class State:
    """What is in a stream; `subjects` only where a filter for them was given."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    subjects: dict[str, int] | None = None


@attrs.frozen
class Info:
    config: dict[str, Any]
    created: str
    state: State


@attrs.frozen(eq=False)
class Stream:
    """One stream, kept as `config` says, and made again when the broker lost it."""

    connection: Connection
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.config["name"])

    async def ensure(self) -> None:
        """Make the stream, or change what differs; one with another storage is kept as it is."""
        try:
            found = (await self.info()).config
        except Rejected as error:
            if error.err_code != NO_SUCH_STREAM:
                raise
            await self._make()
            return
        changes = {name: value for name, value in self.config.items() if found.get(name) != value}
        if "storage" in changes:
            log.warning(
                "storage of a stream cannot be changed, it is kept",
                stream=self.name,
                storage=found.get("storage"),
                wanted=changes.pop("storage"),
            )
        if changes:
            await self._configure("UPDATE", {**found, **changes})

    async def _make(self) -> None:
        try:
            await self._configure("CREATE", self.config)
        except Rejected as error:
            if error.err_code != NAME_TAKEN:  # by another process, meanwhile
                raise

    async def _configure(self, verb: str, config: Mapping[str, Any]) -> None:
        try:
            await self.ask(f"STREAM.{verb}.{self.name}", config, Info)
        except Rejected as error:
            if error.err_code in FULL:
                raise Unavailable(f"{self.name}: {error}") from None
            if error.err_code == NAME_TAKEN:
                raise
            raise ConfigError(f"{self.name}: the broker refuses this bucket: {error}") from None

    async def info(self, subjects: str | None = None) -> Info:
        return await self.ask(f"STREAM.INFO.{self.name}", {"subjects_filter": subjects}, Info)

    async def ask(self, verb: str, body: object, kind: type[T], timeout: float = TIMEOUT) -> T:
        """One request to the API of JetStream; `Rejected` where it says no."""
        try:
            answer = await self.connection.request(
                f"$JS.API.{verb}", msgspec.json.encode(body), timeout=timeout
            )
        except NoResponders:
            raise Unavailable("the broker has no JetStream, or it is not ready") from None
        failed = msgspec.json.decode(answer.data, type=_Failed).error
        if failed is None:
            return msgspec.json.decode(answer.data, type=kind)
        if failed.code == 503:
            raise Unavailable(f"JetStream: {failed.description}")
        raise Rejected(failed.description, failed.err_code)

    async def write(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Store a message; its sequence, once the broker has acknowledged it."""
        answer = await self._of_the_stream(subject, data, headers)
        return self.accepted(answer, f"{subject}: {len(data)} bytes")

    def accepted(self, answer: Message, what: str) -> int:
        """The sequence of a message, as the broker acknowledges it; an error where it says no."""
        if answer.headers.get(STATUS) == "503":
            raise Unavailable(f"{self.name} does not answer")
        said = msgspec.json.decode(answer.data, type=Acknowledgement)
        if said.error is None:
            return said.seq
        code, why = said.error.err_code, said.error.description
        if code in WRONG_LAST:
            raise Stale(f"{what}: {why}")
        if code == TOO_LARGE:
            raise TooLarge(f"{what}: {why}")
        if code in FULL:
            raise Full(f"{self.name} is full: {why}", limit="maximum" in why)
        if said.error.code == 503:
            raise Unavailable(f"{self.name}: {why}")
        raise Rejected(f"{what}: {why}", code)

    async def purge(self, subject: str) -> None:
        """Remove all messages of a subject, and leave no mark of them."""
        await self.ask(f"STREAM.PURGE.{self.name}", {"filter": subject}, dict[str, Any])

    async def last(self, subject: str) -> Message | None:
        """The last message of a subject. Any replica answers; what that one has not got yet, the leader has."""
        answer = await self._of_the_stream(f"$JS.API.DIRECT.GET.{self.name}.{subject}", b"", None)
        found = self.direct(answer)
        if found is None and self.config["num_replicas"] > 1:
            found = await self.of_the_leader({"last_by_subj": subject})
        return found

    async def at(self, sequence: int) -> Message | None:
        """The message of a sequence, wherever it is; None where it is gone, or yet to come."""
        query = {"seq": sequence}
        answer = await self._of_the_stream(
            f"$JS.API.DIRECT.GET.{self.name}", msgspec.json.encode(query), None
        )
        found = self.direct(answer)
        if found is None and self.config["num_replicas"] > 1:
            found = await self.of_the_leader(query)
        return found

    def direct(self, answer: Message) -> Message | None:
        """The message that an answer to a direct get is, or None where there is none."""
        status = answer.headers.get(STATUS)
        if status == "404":
            return None
        if status is not None:
            raise Unavailable(f"{self.name}: the broker answered {status} to a read")
        return answer

    async def of_the_leader(self, query: Mapping[str, object]) -> Message | None:
        """One message as the leader has it, so that nothing acknowledged is missed (ADR-2: STREAM.MSG.GET)."""
        try:
            found = await self.ask(f"STREAM.MSG.GET.{self.name}", query, _Found)
        except Rejected as error:
            if error.err_code != NO_MESSAGE:
                raise
            return None
        stored = found.message
        lines = (line.partition(":") for line in stored.hdrs.decode().split("\r\n")[1:] if line)
        headers = {name: value.strip() for name, _, value in lines}
        placed = {"Nats-Sequence": str(stored.seq), "Nats-Time-Stamp": stored.time}
        return Message(stored.subject, stored.data, headers=headers | placed)

    async def _of_the_stream(self, subject: str, data: bytes, headers: Mapping[str, str] | None) -> Message:
        """A request that only the stream answers: where nobody does, the stream is gone and made again."""
        try:
            return await self.connection.request(subject, data, timeout=TIMEOUT, headers=headers)
        except NoResponders:
            await self.ensure()
        try:
            return await self.connection.request(subject, data, timeout=TIMEOUT, headers=headers)
        except NoResponders:
            raise Unavailable(f"{self.name} does not answer") from None


@attrs.frozen
class _Failed:
    error: Problem | None = None


@attrs.frozen
class _Stored:
    """A message as the API tells it, contents and headers in base64."""

    subject: str
    seq: int
    time: str
    data: bytes = b""
    hdrs: bytes = b""


@attrs.frozen
class _Found:
    message: _Stored


def config(spec: BucketSpec, name: str, subjects: list[str]) -> dict[str, Any]:
    """What buckets and object stores have in common (NATS ADR-8, ADR-20)."""
    return {
        "name": name,
        "subjects": subjects,
        "storage": spec.storage,
        "num_replicas": spec.replicas,
        "max_age": round(spec.ttl * SECOND),
        "max_bytes": spec.max_bytes or -1,
        "discard": "old" if spec.evict else "new",
        "duplicate_window": round(min(spec.ttl or DEDUPLICATION, DEDUPLICATION) * SECOND),
        "allow_rollup_hdrs": True,
        "allow_direct": True,
        "allow_msg_ttl": True,
    }
