"""A job and its answers, as they lie in the broker's buckets and travel between controller and agents.

A job is on each host in one `State`; what it is in as a whole is computed from those (`overall`). Times are
RFC 3339 in UTC.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import attrs
import msgspec

from osapi.results import Plan, Time

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]
"""The id of a job or of a machine: one word of a subject, and of a key."""


class State(StrEnum):
    """Where a job is on one host."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    """Nobody took it in time."""
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """It was begun, the agent died, and to do it again could do it twice."""
    LOST = "lost"
    """It was taken, and the agent did not come back before it expired."""

    @property
    def final(self) -> bool:
        return self not in {State.SUBMITTED, State.ACCEPTED, State.STARTED}


class Overall(StrEnum):
    """Where a job is on all its hosts together."""

    SUBMITTED = "submitted"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    PARTIAL_FAILURE = "partial_failure"
    SKIPPED = "skipped"


def overall(states: Collection[State]) -> Overall:
    """Completed beats skipped; failures beside successes are partial."""
    if all(state is State.SUBMITTED for state in states):
        return Overall.SUBMITTED
    if not all(state.final for state in states):
        return Overall.PROCESSING
    bad = [state for state in states if state not in {State.COMPLETED, State.SKIPPED}]
    if bad and State.COMPLETED in states:
        return Overall.PARTIAL_FAILURE
    if bad:
        return Overall.FAILED
    return Overall.COMPLETED if State.COMPLETED in states else Overall.SKIPPED


@attrs.frozen(kw_only=True)
class JobHost:
    """A host a job is meant for."""

    machine_id: Id
    hostname: str


@attrs.frozen(kw_only=True)
class Job:
    """The definition: written once, never changed.

    `hosts` are those it is meant for, or with `any_host` those of which one will do it; agents are sent it
    without them. `digest` stands for the request that an Idempotency-Key stands for. `reruns` is the job that it
    retries. `sealed` are the secrets among its parameters, in a box for each host (`osapi.sealed`). `traceparent`
    is where in which trace it was asked for, however much later it is done.
    """

    id: Id
    operation: str
    params: dict[str, Any]
    target: str
    hosts: list[JobHost]
    user: str
    created: Time
    expires: Time
    any_host: bool = False
    dry_run: bool = False
    modifies: bool = False
    repeatable: bool = True
    digest: str | None = None
    reruns: str | None = None
    sealed: dict[str, str] | None = None
    traceparent: str | None = None

    def for_host(self, machine_id: str) -> "Job":
        """The definition as one host is sent it: without the boxes of others."""
        if self.sealed is None:
            return self
        return attrs.evolve(
            self, sealed={name: box for name, box in self.sealed.items() if name == machine_id}
        )

    @property
    def kind(self) -> str:
        """The word in its subjects."""
        return "modify" if self.modifies else "query"

    def expired(self, at: datetime) -> bool:
        return at >= self.expires


Reference = Annotated[
    str, msgspec.Meta(pattern=r"^osapi/results/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+@[0-9a-f]{64}$(?!\n)")
]
"""Where a result lies in the object store: its name, and after `@` its SHA-256."""

NOTHING = msgspec.Raw(b"null")
"""No result."""


@attrs.frozen(kw_only=True)
class Answer:
    """How a job ended on one host; written by its agent, or by a controller where no agent will.

    `data` is the result as plain JSON; one that does not fit a message is in the object store, as `object`.
    """

    job_id: Id
    machine_id: Id
    hostname: str
    state: State
    changed: bool = False
    error: str | None = None
    code: str | None = None
    plan: Plan | None = None
    data: msgspec.Raw = NOTHING
    object: Reference | None = None
    accepted: Time | None = None
    started: Time | None = None
    finished: Time | None = None
    agent_version: str | None = None


class Taking(StrEnum):
    """What an agent says when a job reaches it."""

    ACCEPTED = "accepted"
    BUSY = "busy"
    RUNNING = "running"
    DONE = "done"
    EXPIRED = "expired"
    REFUSED = "refused"


@attrs.frozen(kw_only=True)
class Reply:
    """An agent's reply to a dispatch."""

    job_id: Id
    machine_id: Id
    hostname: str
    taking: Taking
    reason: str | None = None


class EventKind(StrEnum):
    """What can happen to a job, as event streams tell it."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    STARTED = "started"
    OUTPUT = "output"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    """It has ended on every host."""
    DELETED = "deleted"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to a job; `number` counts an agent's own, from 1."""

    job_id: Id
    kind: EventKind
    time: Time
    machine_id: Id | None = None
    hostname: str | None = None
    number: int = 0
    data: dict[str, Any] = {}


def now() -> datetime:
    return datetime.now(UTC)
