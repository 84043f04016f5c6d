"""Silences: what is not to be told of for a while."""

from typing import Annotated

import attrs
import msgspec

from osapi.calls.alert import READ, WRITE
from osapi.durations import Duration
from osapi.operation import Call, text
from osapi.results import Time

Id = Annotated[
    str,
    text(r"[0-9a-f]{16}", "Id of the silence (16 hex digits)", example="9f86d081884c7d65", most=16),
]
Host = Annotated[
    str,
    text(
        r"[A-Za-z0-9._*?-]+",
        "Of hosts and components of this name or machine id, * standing for any part of it",
        example="web-*",
        most=255,
    ),
]
Label = Annotated[
    str,
    text(
        r"[a-zA-Z0-9_-]+:[a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)*",
        "Of hosts that carry this label, as targets have it",
        example="group:web",
        most=255,
    ),
]
Condition = Annotated[
    str,
    text(
        r"[A-Za-z0-9_*?-]+",
        "Of this condition, * standing for any part of it",
        example="DiskPressure",
        most=64,
    ),
]
Comment = Annotated[
    str,
    text(r"[^\x00-\x1f\x7f]+", "Why, for others to read", example="the disk is being replaced", most=1000),
]
Lifetime = Annotated[
    str,
    text(
        r"[0-9a-zµ.]+",
        "For how long, such as 90m or 7d; an hour unless told",
        example="2h",
        most=32,
        flag="duration",
    ),
]
Until = Annotated[
    Time,
    msgspec.Meta(description="Until when, in place of a duration", examples=["2030-01-01T08:00:00Z"]),
]
Expired = Annotated[bool, msgspec.Meta(description="Also those that are over, for a day")]

LONGEST = Duration(366 * 86400)


@attrs.frozen(kw_only=True)
class Silence:
    """What is not told of between two moments: all that its matchers (`host`, `label`, `condition`) fit.

    `status` is active or expired.
    """

    id: str
    starts_at: Time
    ends_at: Time
    created_by: str
    host: str
    status: str = "active"
    label: str | None = None
    condition: str | None = None
    comment: str | None = None


@attrs.frozen(kw_only=True)
class Silences:
    """The silences, the one that ends first before the others."""

    silences: list[Silence]
    total: int


class List(Call[Silences], GET="/silence", permission=READ):
    """List the silences."""

    all: Expired = False


class Create(Call[Silence], POST="/silence", permission=WRITE, success=201):
    """Tell of nothing that fits, for a while.

    It must fit host, label and condition, those that are given. Alerts are noted as ever, and what is still the case
    when the silence ends is told of then.
    """

    host: Host
    label: Label | None = None
    condition: Condition | None = None
    duration: Lifetime = "1h"
    until: Until | None = None
    comment: Comment | None = None


class Expire(Call[Silence], DELETE="/silence/{id}", permission=WRITE):
    """End a silence now."""

    id: Id
