"""Sections that files of the former implementation have, and that change nothing."""

from typing import Annotated, Literal

import attrs

from osapi.config import kinds
from osapi.config.fields import Replicas, Size, Storage
from osapi.config.kinds import Kind
from osapi.durations import Duration


@attrs.frozen(kw_only=True)
class Consumer:
    """Without effect: agents have no consumers."""

    name: str = ""
    max_deliver: Annotated[int, Kind("a number", "whole numbers from -1", kinds.integer(-1))] = 5
    ack_wait: Duration = attrs.field(default=Duration(120))
    max_ack_pending: Annotated[int, Kind("a number", "whole numbers from -1", kinds.integer(-1))] = 1000
    replay_policy: Literal["instant", "original"] = "instant"
    back_off: Annotated[list[Duration], kinds.PERIODS] = attrs.field(
        factory=lambda: [Duration(seconds) for seconds in (30, 120, 300, 900, 1800)]
    )


@attrs.frozen(kw_only=True)
class Stream:
    """Without effect: jobs are records, not a queue."""

    name: str = "JOBS"
    subjects: str = "jobs.>"
    max_age: Duration = attrs.field(default=Duration(0))
    max_msgs: Size = 0
    storage: Storage = "file"
    replicas: Replicas = 1
    discard: Literal["old", "new"] = "old"


@attrs.frozen(kw_only=True)
class Dlq:
    """Without effect: a job that failed is a record as any other."""

    max_age: Duration = attrs.field(default=Duration(168 * 3600.0))
    max_msgs: Size = 1000
    storage: Storage = "file"
    replicas: Replicas = 1
