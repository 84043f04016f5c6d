"""Jobs: what was asked of hosts, and what came of it."""

from typing import Annotated, Any, Literal

import attrs
import msgspec

from osapi.calls.agent import TimelineEvent
from osapi.operation import Call, text
from osapi.results import EventStream, Time

Id = Annotated[
    str,
    text(
        r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        "Id of the job (a UUID)",
        example="6f9619ff-8b86-4011-b42d-00c04fc964ff",
        flag="job-id",
    ),
]
Filter = Annotated[
    Literal["submitted", "processing", "completed", "failed", "partial_failure", "skipped"],
    msgspec.Meta(description="Only jobs in this status"),
]
Limit = Annotated[int, msgspec.Meta(ge=1, le=100, description="Jobs to show at most")]
Offset = Annotated[int, msgspec.Meta(ge=0, description="Jobs to pass over")]
Cursor = Annotated[
    str,
    text(
        r"[0-9A-Za-z_.-]+",
        "Go on after this page: the next_cursor of the page before",
        example="1753000000.25_6f9619ff-8b86-4011-b42d-00c04fc964ff",
        most=128,
    ),
]
Target = Annotated[
    str,
    text(
        r"[^\x00-\x1f]+",
        "Hosts to do it on; those of the first job unless told otherwise",
        example="group:web",
        most=512,
        flag="target-hostname",
    ),
]


@attrs.frozen(kw_only=True)
class JobResponse:
    """The answer of one host."""

    hostname: str
    status: str
    data: Any = None
    changed: bool | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class AgentState:
    """Where a job is on one host; `duration` such as `1.2s`."""

    status: str
    error: str | None = None
    duration: str | None = None


@attrs.frozen(kw_only=True)
class JobDetail:
    """One job; `operation` has its type and its data."""

    id: str
    status: str
    created: Time
    operation: dict[str, Any]
    target: str
    user: str
    expires: Time
    changed: bool | None = None
    result: Any = None
    error: str | None = None
    hostname: str | None = None
    updated_at: Time | None = None
    dry_run: bool | None = None
    trace_id: str | None = None
    responses: dict[str, JobResponse] | None = None
    agent_states: dict[str, AgentState] | None = None
    timeline: list[TimelineEvent] | None = None


@attrs.frozen(kw_only=True)
class JobPage:
    """A page of jobs, newest first; `status_counts` are of all jobs, whatever the filter."""

    total_items: int
    status_counts: dict[str, int]
    items: list[JobDetail]
    next_cursor: str | None = None


@attrs.frozen(kw_only=True)
class JobCreated:
    """A job that was made of another; it runs by itself."""

    job_id: str
    status: str
    revision: int
    timestamp: Time


@attrs.frozen(kw_only=True)
class JobCancelled:
    """A job that is being stopped; `hosts` had not finished it."""

    job_id: str
    status: str
    hosts: list[str]


class List(Call[JobPage], GET="/job"):
    """List the jobs, newest first."""

    status: Filter | None = None
    limit: Limit = 10
    offset: Offset = 0
    cursor: Cursor | None = None


class Get(Call[JobDetail], GET="/job/{id}"):
    """Show one job, with the answer of every host."""

    id: Id


class Delete(Call[None], DELETE="/job/{id}", success=204):
    """Delete a job that has ended, and its answers."""

    id: Id


class Retry(Call[JobCreated], POST="/job/{id}/retry", success=201):
    """Do a job again: the same operation, on the same hosts unless told otherwise.

    Whoever asks needs the permission of that operation too.
    """

    id: Id
    target_hostname: Target | None = None


class Cancel(Call[JobCancelled], POST="/job/{id}/cancel"):
    """Stop a job: hosts that have not begun never will, and what runs is killed."""

    id: Id


class Events(Call[EventStream], GET="/job/{id}/events"):
    """Follow one job: its states, and the output of commands as it comes."""

    id: Id


class Watch(Call[EventStream], GET="/events"):
    """Follow all jobs."""
