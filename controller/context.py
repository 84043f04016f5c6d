"""What requests are answered from."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import attrs

from controller.access import Access, Caller
from controller.alerts.alerting import Alerting
from controller.audit.recorder import Recorder
from controller.blob_index import BlobIndex
from controller.collect import Answers
from controller.deployments import Deployments
from controller.drive import Driver
from controller.enrollment import Enrollment
from controller.events import Events
from controller.hosts import Hosts
from controller.metrics import ControllerMetrics
from controller.projection import Jobs
from controller.submit import Submission
from osapi.blobs.store import Blobs
from osapi.bus import Bucket, Bus, Log, Objects
from osapi.bus.layout import Subjects
from osapi.config import Config
from osapi.jobs import now
from osapi.operation import Call
from osapi.supervise import Condition

C = TypeVar("C", bound=Call[Any])

Handler = Callable[["Context", C, Caller], Awaitable[Any]]

HANDLERS: dict[type[Call[Any]], Handler[Any]] = {}


@attrs.frozen(kw_only=True)
class Buckets:
    """The buckets and stores a controller works with."""

    jobs: Bucket
    responses: Bucket
    registry: Bucket
    facts: Bucket
    state: Bucket
    file_state: Bucket
    objects: Objects
    timeline: Log
    audit: Log
    deliveries: Log


@attrs.frozen(kw_only=True)
class Context:
    """One controller: its parts, as the handlers of calls and operations need them."""

    config: Config
    bus: Bus
    subjects: Subjects
    buckets: Buckets
    access: Access
    jobs: Jobs
    hosts: Hosts
    events: Events
    driver: Driver
    enrollment: Enrollment | None
    answers: Answers
    submission: Submission
    recorder: Recorder
    blobs: Blobs
    health: dict[str, Condition]
    metrics: ControllerMetrics
    alerting: Alerting
    deployments: Deployments = attrs.field(factory=Deployments)
    blob_index: BlobIndex = attrs.field(factory=BlobIndex)
    started: datetime = attrs.field(factory=now)


def answers(call: type[C]) -> Callable[[Handler[C]], Handler[C]]:
    """Say that a function answers a call."""

    def register(handler: Handler[C]) -> Handler[C]:
        assert call not in HANDLERS, f"{call.spec.name} is answered twice"
        HANDLERS[call] = handler
        return handler

    return register
