"""Notifications: who is told of alerts, and what became of telling them."""

from typing import Annotated, Literal

import attrs
import msgspec

from osapi.calls.alert import Alert
from osapi.operation import Call, text
from osapi.results import Time

Name = Annotated[
    str,
    text(
        r"[A-Za-z0-9_-]+",
        "Name of the notifier, as in the configuration",
        example="ops",
        most=64,
    ),
]
Id = Annotated[
    str,
    text(r"[A-Za-z0-9_-]+", "Id of the delivery", example="9f86d081884c7d65-ops", most=128),
]
Host = Annotated[
    str,
    text(
        r"[^\x00-\x1f\x7f]+",
        "Only of the host of this name or machine id",
        example="web-01",
        most=255,
        flag="host",
    ),
]
Condition = Annotated[str, text(r"[A-Za-z0-9_-]+", "Only of this condition", example="DiskPressure", most=64)]
Status = Annotated[
    Literal["delivered", "failed", "silenced"], msgspec.Meta(description="Only what ended like this")
]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000, description="Deliveries to show at most")]


@attrs.frozen(kw_only=True)
class Notification:
    """What is told: that an alert has fired, still does (`repeated`), or is `resolved`; or a `test`.

    It has the same `id` however often and to whom it is told.
    """

    id: str
    event: str
    timestamp: Time
    alert: Alert


@attrs.frozen(kw_only=True)
class Delivery:
    """What became of telling one notifier: `status` is delivered, failed or silenced.

    Telling took `attempts`, and ended at `timestamp`; `error` is what the last one met. `redelivers` is the delivery
    that it repeats.
    """

    id: str
    notifier: str
    type: str
    status: str
    timestamp: Time
    attempts: int
    notification: Notification
    error: str | None = None
    redelivers: str | None = None


@attrs.frozen(kw_only=True)
class Deliveries:
    """Deliveries, the latest first."""

    deliveries: list[Delivery]
    total: int


@attrs.frozen(kw_only=True)
class NotifierInfo:
    """A notifier: where it tells (without what is secret in it), of what, and how many are still to be told by it."""

    name: str
    type: str
    to: str | None = None
    conditions: list[str] | None = None
    labels: dict[str, str] | None = None
    pending: int = 0


@attrs.frozen(kw_only=True)
class Notifiers:
    notifiers: list[NotifierInfo]


class List(Call[Deliveries], GET="/notification"):
    """List what was told to whom, the latest first.

    It is kept for thirty days.
    """

    notifier: Name | None = None
    status: Status | None = None
    hostname: Host | None = None
    condition: Condition | None = None
    limit: Limit = 50


class WhoIsTold(Call[Notifiers], GET="/notification/notifier", command="notification notifiers"):
    """List the notifiers of the configuration."""


class Get(Call[Delivery], GET="/notification/{id}"):
    """Show one delivery, with what was told."""

    id: Id


class Redeliver(Call[Delivery], POST="/notification/{id}/redeliver"):
    """Tell it once more, now.

    It has the id that it had, so that who was told already can know.
    """

    id: Id


class Test(Call[Delivery], POST="/notification/test"):
    """Tell a notifier something made up, to see whether it works."""

    notifier: Name
