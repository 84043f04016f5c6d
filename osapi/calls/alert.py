"""Alerts: conditions of hosts and components that hold, as they are told of."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Call, text
from osapi.results import Time

Everything = Annotated[bool, msgspec.Meta(description="Also those that are over, for a day")]

Id = Annotated[
    str, text(r"[0-9a-f]{16}", "Id of the alert (16 hex digits)", example="60303ae22b998861", most=16)
]

READ, WRITE = "notification:read", "notification:write"


@attrs.frozen(kw_only=True)
class Alert:
    """A condition of a component, from when it was told to hold until it is over.

    `id` is another each time it begins to hold; `component` is agent, controller or nats, and `status` firing or
    resolved. `since` is when the component says that it began, `fired_at` when that was noticed.
    """

    id: str
    component: str
    hostname: str
    condition: str
    status: str
    fired_at: Time
    since: Time | None = None
    machine_id: str | None = None
    labels: dict[str, str] | None = None
    reason: str | None = None
    resolved_at: Time | None = None


@attrs.frozen(kw_only=True)
class AlertInfo(Alert):
    """An alert, and what is being told of it: `pending` are notifiers that are still to be told.

    `notified_at` is when telling last began; `silenced_by` are the ids of silences.
    """

    notified_at: Time
    silenced_by: list[str] | None = None
    pending: list[str] | None = None


@attrs.frozen(kw_only=True)
class Alerts:
    """The alerts, the latest first."""

    alerts: list[AlertInfo]
    total: int


class List(Call[Alerts], GET="/alert", permission=READ):
    """List the alerts that are firing."""

    all: Everything = False


class Dismiss(Call[AlertInfo], POST="/alert/{id}/dismiss", permission=WRITE):
    """Resolve an alert by hand.

    For components that will never beat again, such as a controller that has moved. What a beat still tells of fires
    again: silence that.
    """

    id: Id
