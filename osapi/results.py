"""What comes back: one outcome per host.

On the wire the fields of a result lie flat beside those of its outcome (see `osapi.wire`).
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Generic, TypeVar

import attrs
import msgspec

R = TypeVar("R")

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment in a time zone; RFC 3339 on the wire."""


class Status(StrEnum):
    """How an operation ended on one host."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@attrs.frozen(kw_only=True)
class Changed:
    """A modification; `changed` is false where the host was already so."""

    changed: bool = True


@attrs.frozen(kw_only=True)
class FilePlan:
    """What a dry run would do to one file; `diff` is unified."""

    path: str
    action: str
    diff: str = ""


@attrs.frozen(kw_only=True)
class Plan:
    """What a dry run would do: files in order, and the commands as argv lists."""

    files: list[FilePlan] = attrs.field(factory=list)
    commands: list[list[str]] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Outcome(Generic[R]):
    """How it went on one host.

    `error` and `code` tell why it failed or was skipped (`not_found`, `conflict`, `refused`,
    `timeout`, `no_answer`, `cancelled`, `expired`, `lost`, `unknown`, `unsupported`, …); `plan` is there
    after a dry run.
    """

    hostname: str
    status: Status
    changed: bool = False
    error: str | None = None
    code: str | None = None
    plan: Plan | None = None
    result: R | None = None


@attrs.frozen(kw_only=True)
class Results(Generic[R]):
    """A job's id, and an outcome for each host it was meant for."""

    job_id: str
    results: list[Outcome[R]]


class EventStream:
    """Server-sent events, each with an id that `Last-Event-ID` resumes from."""


class Download:
    """The bytes of a file, as they are stored."""
