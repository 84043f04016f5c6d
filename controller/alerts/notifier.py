"""The notifier: tells of alerts, each way to tell by itself, and keeps a log of what became of it.

What is to be told lies with the alert, on the broker, until it was. So a controller that dies in the middle leaves it
to another, which may tell it a second time; it then has the same id.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import NoReturn

import attrs
import structlog
import trio

from controller.alerts.channel import AT_ONCE, Channel, Undelivered
from controller.alerts.index import Alerts
from controller.alerts.logged import Logged
from controller.alerts.record import Event, Notice, Record, new_id, told
from controller.alerts.silences import Silences
from osapi import wire
from osapi.bus import Log
from osapi.calls.alert import Alert
from osapi.calls.notification import Delivery, Notification
from osapi.config.notifications import Notifier as Settings
from osapi.errors import BadInput, NoSpace, Unavailable
from osapi.jobs import now
from osapi.supervise import Backoff, Condition, keep

log = structlog.get_logger()

PAUSES = Backoff(first=1.0, most=60.0)
"""Between the attempts to tell something."""

DELIVERED, FAILED, SILENCED = "delivered", "failed", "silenced"


def channel(settings: Settings) -> Channel:
    """The way to tell that a section of the configuration stands for; no library is imported for others."""
    if settings.type == "webhook":
        from controller.alerts.webhook import Webhook

        return Webhook(settings.webhook)
    if settings.type == "smtp":
        from controller.alerts.mail import Mail

        return Mail(settings.smtp)
    if settings.type == "apprise":
        from controller.alerts.services import Service

        return Service(settings.apprise)
    return Logged()


@attrs.frozen
class Way:
    """A notifier of the configuration, and its channel."""

    name: str
    settings: Settings
    channel: Channel

    async def attempt(self, notification: Notification) -> None:
        """Tell it once; `Undelivered` where that did not work in time."""
        limit = float(self.settings.timeout)
        try:
            with trio.fail_after(limit):
                await self.channel.tell(notification, limit)
        except trio.TooSlowError:
            raise Undelivered(f"not told within {self.settings.timeout}") from None

    async def insist(self, notification: Notification, until: float) -> tuple[int, str | None]:
        """Tell it, again and again until `until` by trio's clock; how many attempts it took, and what went wrong."""
        attempts = 0
        while True:
            attempts += 1
            try:
                await self.attempt(notification)
            except Undelivered as error:
                pause = max(PAUSES.after(attempts), error.retry_after)
                log.info("not told", notifier=self.name, notification=notification.id, reason=str(error))
                if error.final or trio.current_time() + pause > until:
                    return attempts, str(error)
                await trio.sleep(pause)
            else:
                return attempts, None


@attrs.define(kw_only=True)
class Notifier:
    """All ways to tell by name; `owner` is this controller, which tells what has that owner."""

    alerts: Alerts
    silences: Silences
    deliveries: Log
    ways: Mapping[str, Way]
    health: dict[str, Condition]
    owner: str = ""
    wall: Callable[[], datetime] = attrs.field(default=now)
    _busy: set[tuple[str, str]] = attrs.field(factory=set)
    _stirred: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Tell what there is to tell, for ever; each way has tasks of its own."""
        self.alerts.changed = self._stir
        async with trio.open_nursery() as nursery:
            for way in self.ways.values():
                await nursery.start(keep, f"notifier.{way.name}", partial(self._serve, way), self.health)
            nursery.start_soon(self._drop)
            task_status.started()

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = trio.Event()

    async def _serve(self, way: Way, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(self._work, way)
            task_status.started()

    async def _work(self, way: Way) -> NoReturn:
        while True:
            stirred = self._stirred
            found = self._next(way.name)
            if found is None:
                await stirred.wait()
                continue
            key, notice = found
            self._busy.add((way.name, key))
            try:
                await self._tell(way, key, notice)
            finally:
                self._busy.discard((way.name, key))

    def _next(self, name: str) -> tuple[str, Notice] | None:
        """The oldest of what this controller is to tell by a notifier; of one alert, one after the other."""
        found = [
            (key, notice)
            for key in self.alerts.telling
            if (name, key) not in self._busy and (notice := self._first(self.alerts.records[key], name))
        ]
        return min(found, key=lambda pair: pair[1].at, default=None)

    def _first(self, record: Record, name: str) -> Notice | None:
        notice = next((each for each in record.notices if name in each.undone), None)
        return notice if notice and notice.owner == self.owner else None

    async def _tell(self, way: Way, key: str, notice: Notice) -> None:
        silenced = any(self.silences.of(self.alerts.records[key], self.wall()))
        attempts, error = 0, None
        if not silenced:
            left = way.settings.retry_for - (self.wall() - notice.at).total_seconds()
            attempts, error = await way.insist(notice.notification, trio.current_time() + left)
        status = SILENCED if silenced else FAILED if error else DELIVERED
        id = f"{notice.id}-{way.name}"
        await self._note(self.delivery(id, way, notice.notification, status, attempts, error))
        await self._settle(key, notice.id, way.name, hushed=silenced)

    async def _settle(self, key: str, notice_id: str, name: str, *, hushed: bool = False) -> None:
        """Take off the alert that it is to be told, however long the broker is away: it is not told again."""

        def settled(record: Record | None) -> Record | None:
            open = record and any(each.id == notice_id and name in each.undone for each in record.notices)
            return told(record, notice_id, name, hushed=hushed) if record and open else None

        while True:
            try:
                await self.alerts.change(key, settled)
            except (Unavailable, NoSpace) as error:
                log.warning("alerts cannot be written", reason=str(error))
                await trio.sleep(1)
            else:
                return

    async def _note(self, delivery: Delivery) -> None:
        """Write to the log of deliveries; it holds up nothing that there is no room in it."""
        while True:
            try:
                await self.deliveries.append(delivery.id, wire.encode(delivery))
            except Unavailable:
                await trio.sleep(1)
                continue
            except NoSpace as error:
                log.warning("a delivery is missing from its log", id=delivery.id, reason=str(error))
            return

    async def _drop(self) -> NoReturn:
        """Give up what is to be told by notifiers that this controller has none of: the configuration is another."""
        while True:
            stirred = self._stirred
            for key in list(self.alerts.telling):
                for notice in self.alerts.records[key].notices:
                    unknown = set(notice.undone) - set(self.ways) if notice.owner == self.owner else set()
                    for name in unknown:
                        log.warning(
                            "there is no such notifier any more", notifier=name, notification=notice.id
                        )
                        await self._settle(key, notice.id, name)
            await stirred.wait()

    def delivery(
        self,
        id: str,
        way: Way,
        notification: Notification,
        status: str,
        attempts: int,
        error: str | None,
        redelivers: str | None = None,
    ) -> Delivery:
        return Delivery(
            id=id,
            notifier=way.name,
            type=way.channel.type,
            status=status,
            timestamp=self.wall(),
            attempts=attempts,
            notification=notification,
            error=error,
            redelivers=redelivers,
        )

    async def once(self, name: str, notification: Notification, redelivers: str | None = None) -> Delivery:
        """Tell something now, in one attempt, and note what became of it."""
        way = self.way(name)
        error = None
        try:
            await way.attempt(notification)
        except Undelivered as undelivered:
            error = str(undelivered)
        id, status = f"{new_id()}-{name}", FAILED if error else DELIVERED
        found = self.delivery(id, way, notification, status, 1, error, redelivers)
        await self._note(found)
        return found

    def way(self, name: str) -> Way:
        """A notifier; `BadInput` where there is none of that name."""
        if name not in self.ways:
            known = ", ".join(self.ways) or "none, as controller.notifications.enabled is not true"
            raise BadInput(f"notifier: {name!r} is not configured; there are: {known}", "notifier")
        return self.ways[name]

    def pending(self, name: str) -> int:
        """How many are still to be told by a notifier."""
        records = (self.alerts.records[key] for key in self.alerts.telling)
        return sum(name in notice.undone for record in records for notice in record.notices)


def sample(by: str, at: datetime) -> Notification:
    """Something made up, to tell for a test."""
    alert = Alert(
        id=new_id(),
        component="controller",
        hostname="example",
        condition="Test",
        status="firing",
        fired_at=at,
        reason=f"{by} asked whether this notifier works; nothing is wrong",
    )
    return Notification(id=new_id(), event=Event.TEST.value, timestamp=at, alert=alert)
