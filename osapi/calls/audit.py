"""The audit log: who did what, from where, to which hosts, and how it ended."""

from typing import Annotated, Any, Literal

import attrs
import msgspec

from osapi.operation import Call, text
from osapi.results import Time

Id = Annotated[
    str,
    text(
        r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        "Id of the entry (a UUID)",
        example="00000000-04d2-8abc-9d11-5a6b7c8d9e0f",
        flag="audit-id",
    ),
]
Limit = Annotated[int, msgspec.Meta(ge=1, le=100, description="Entries to show at most")]
Offset = Annotated[int, msgspec.Meta(ge=0, description="Entries to pass over")]
Cursor = Annotated[
    str,
    text(r"[0-9]+", "Go on after this page: the next_cursor of the page before", example="1234", most=20),
]
Method = Annotated[
    Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], msgspec.Meta(description="Only this method")
]
Phase = Annotated[
    Literal["intent", "outcome", "end", "note"],
    msgspec.Meta(
        description="Only changes about to be made (intent), answers (outcome), ends of jobs that went on after "
        "the answer (end), or what controllers say of the log itself (note)"
    ),
]
Code = Annotated[
    str,
    text(
        r"[1-5](?:[0-9]{2}|xx)",
        "A status, such as 404, or a class of them, such as 4xx",
        example="4xx",
        most=3,
    ),
]


def word(description: str, example: str) -> msgspec.Meta:
    return text(r"[^\x00-\x1f]+", description, example=example, most=512)


Moment = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9:.]+(?:[Zz]|[+-][0-9:]+)?)?|[0-9.]+(?:ms|s|m|h|d)[0-9.a-z]*"
Since = Annotated[
    str,
    text(Moment, "From when on: a time (2026-01-31T12:00:00Z), or so long ago (2h)", example="24h", most=64),
]
Until = Annotated[
    str,
    text(
        Moment,
        "Until when: a time (2026-01-31T12:00:00Z), or so long ago (2h)",
        example="2026-01-31T12:00:00Z",
        most=64,
    ),
]
After = Annotated[int, msgspec.Meta(ge=0, description="Only entries with a higher number")]
Form = Annotated[
    Literal["json", "jsonl"],
    msgspec.Meta(
        description="One JSON document, newest first; or JSON lines, oldest first and as they were written, which "
        "verify can check. `Accept: application/x-ndjson` asks for the latter, too"
    ),
]


@attrs.frozen(kw_only=True)
class Checkpoint:
    """Seals an entry and all before it: a signature (Ed25519, base64), and the fingerprint of the key."""

    key: str
    signature: str


@attrs.frozen(kw_only=True)
class AuditEntry:
    """One entry; `phase` says what it tells of (see the audit log's how-to).

    `response_code` is 102 while a change is only about to be made, and 499 where the client left before the answer.
    `outcome` is what its job is in, `states` counts its hosts. `count` stands for so many requests that are not told
    one by one. `number` and `previous`, the digest of the entry before, chain the entries.
    """

    id: str
    timestamp: Time
    user: str
    roles: list[str]
    method: str
    path: str
    source_ip: str
    response_code: int
    duration_ms: int
    operation_id: str | None = None
    trace_id: str | None = None
    request_id: str | None = None
    phase: str | None = None
    target: str | None = None
    hosts: list[str] | None = None
    host_count: int | None = None
    job_id: str | None = None
    dry_run: bool | None = None
    params: Any = None
    outcome: str | None = None
    states: dict[str, int] | None = None
    count: int | None = None
    detail: str | None = None
    controller: str | None = None
    number: int | None = None
    previous: str | None = None
    checkpoint: Checkpoint | None = None


@attrs.frozen(kw_only=True)
class AuditPage:
    """A page of entries, newest first.

    `total_items` is how many there are; with filters, how many are known to match, which are those shown and those
    passed over, and one more where there are more.
    """

    total_items: int
    items: list[AuditEntry]
    next_cursor: str | None = None


@attrs.frozen(kw_only=True)
class AuditFound:
    entry: AuditEntry


@attrs.frozen(kw_only=True)
class AuditKey:
    """What entries are sealed with: a public key (Ed25519, base64) and its fingerprint, and others that are trusted.

    `head` is how far this controller knows the log to go, as NUMBER:DIGEST.
    """

    public_key: str
    fingerprint: str
    trusted_keys: list[str]
    head: str


class List(Call[AuditPage], GET="/audit"):
    """List who did what, newest first."""

    limit: Limit = 20
    offset: Offset = 0
    cursor: Cursor | None = None
    user: Annotated[str, word("Only of this user", "anna")] | None = None
    method: Method | None = None
    path: Annotated[str, word("Only paths that begin so", "/api/node")] | None = None
    operation_id: (
        Annotated[
            str,
            text(
                r"[a-z0-9.-]+",
                "Only this operation, or those of this domain",
                example="user.create",
                most=100,
                flag="operation",
            ),
        ]
        | None
    ) = None
    host: Annotated[str, word("Only what was for this host", "web-01")] | None = None
    job_id: Annotated[str, word("Only of this job", "6f9619ff-8b86-4011-b42d-00c04fc964ff")] | None = None
    source_ip: Annotated[str, word("Only from this address", "192.0.2.7")] | None = None
    trace_id: Annotated[str, word("Only of this trace", "4bf92f3577b34da6a3ce929d0e0e4736")] | None = None
    status: Code | None = None
    outcome: Annotated[str, word("Only where the job is in that", "failed")] | None = None
    phase: Phase | None = None
    since: Since | None = None
    until: Until | None = None


class Get(Call[AuditFound], GET="/audit/{id}"):
    """Show one entry."""

    id: Id


class Export(Call[AuditPage], GET="/audit/export", also="application/x-ndjson"):
    """Read the whole log."""

    format: Form = "json"
    after: After = 0


class Key(Call[AuditKey], GET="/audit/key"):
    """Show the key that the log is sealed with, and how far it goes."""
