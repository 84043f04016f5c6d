"""An alert as it lies on the broker, and what can become of it; functions on values, which nothing else happens in.

Each step gives another record. Whoever writes it over the revision that it was made from has taken the step; who comes
second finds another record, and no step to take.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import attrs

from osapi.calls.alert import Alert
from osapi.calls.notification import Notification
from osapi.results import Time

COMPONENTS = {"agents": "agent", "controller": "controller", "nats": "nats"}

MOST = 20
"""Notices of one alert that can wait; of more, the oldest are dropped."""

Basis = tuple[float, int]
"""What a step rests on: when a beat was written, and whether it is that (0), the silence after it (1), or a word (2).

By the broker's clock, which all controllers see alike. A step rests on something later than the step before; so a
controller that lags behind takes none.
"""


class Event(StrEnum):
    FIRED = "fired"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    TEST = "test"


@attrs.frozen(kw_only=True)
class Notice:
    """Something to tell: `undone` are the notifiers that have not been told, `owner` the controller that does it."""

    id: str
    event: Event
    at: Time
    alert: Alert
    undone: list[str]
    owner: str

    @property
    def notification(self) -> Notification:
        return Notification(id=self.id, event=self.event.value, timestamp=self.at, alert=self.alert)


@attrs.frozen(kw_only=True)
class Record:
    """One condition of one component: `component` is its key in the registry.

    `hushed` are notifiers that were not told of it, as it was silenced.
    """

    id: str
    component: str
    hostname: str
    condition: str
    active: bool
    basis: Basis
    fired_at: Time
    notified_at: Time
    since: Time | None = None
    labels: dict[str, str] = attrs.field(factory=dict)
    reason: str | None = None
    resolved_at: Time | None = None
    notices: list[Notice] = attrs.field(factory=list)
    hushed: list[str] = attrs.field(factory=list)

    @property
    def kind(self) -> str:
        return COMPONENTS.get(self.component.partition(".")[0], "")

    @property
    def machine_id(self) -> str | None:
        """Of the host, where it is an agent's."""
        return self.component.partition(".")[2] if self.kind == "agent" else None

    @property
    def shown(self) -> Alert:
        """As others see it."""
        return Alert(
            id=self.id,
            component=self.kind,
            hostname=self.hostname,
            condition=self.condition,
            status="firing" if self.active else "resolved",
            fired_at=self.fired_at,
            since=self.since,
            machine_id=self.machine_id,
            labels=self.labels or None,
            reason=self.reason,
            resolved_at=self.resolved_at,
        )


@attrs.frozen
class Telling:
    """Who is to be told of a step, by which controller, and when it is taken."""

    whom: Sequence[str]
    owner: str
    at: datetime

    def of(self, record: Record, event: Event) -> Record:
        """An alert with that to be told."""
        if not self.whom:
            return record
        notice = Notice(
            id=new_id(),
            event=event,
            at=self.at,
            alert=record.shown,
            undone=list(self.whom),
            owner=self.owner,
        )
        return attrs.evolve(record, notices=[*record.notices, notice][-MOST:])


def new_id() -> str:
    """An id of an alert, or of what is told; 64 bits by chance."""
    return secrets.token_hex(8)


def resolve(record: Record, basis: Basis, telling: Telling, reason: str | None = None) -> Record:
    """It is over; whoever was not told that it had begun, as it was silenced, is not told of that either."""
    telling = attrs.evolve(telling, whom=[name for name in telling.whom if name not in record.hushed])
    over = attrs.evolve(
        record,
        active=False,
        basis=basis,
        resolved_at=telling.at,
        reason=reason or record.reason,
        hushed=[],
    )
    return telling.of(over, Event.RESOLVED)


def repeat(record: Record, telling: Telling) -> Record:
    """It goes on, which is told again."""
    return telling.of(attrs.evolve(record, notified_at=telling.at), Event.REPEATED)


def unhush(record: Record, telling: Telling) -> Record:
    """It goes on, and is silenced no more: those who were not told are told now."""
    telling = attrs.evolve(telling, whom=[name for name in telling.whom if name in record.hushed])
    return telling.of(attrs.evolve(record, notified_at=telling.at, hushed=[]), Event.FIRED)


def told(record: Record, notice_id: str, notifier: str, *, hushed: bool = False) -> Record:
    """A notifier has been told, or will not be; where it was silenced, it will be once it is not."""
    notices = [
        attrs.evolve(each, undone=[name for name in each.undone if name != notifier])
        if each.id == notice_id
        else each
        for each in record.notices
    ]
    more = [notifier] if hushed and record.active and notifier not in record.hushed else []
    return attrs.evolve(
        record, notices=[each for each in notices if each.undone], hushed=[*record.hushed, *more]
    )


def take_over(record: Record, dead: str, owner: str) -> Record:
    """What a controller had to tell, another does."""
    notices = [attrs.evolve(each, owner=owner) if each.owner == dead else each for each in record.notices]
    return attrs.evolve(record, notices=notices)
