"""The condition watcher: compares what beats tell with the alerts that there are, and takes the steps between them.

It is driven by what is, not by what happened: a step that could not be taken, as the broker was away or another
controller was faster, is looked for again. Each is taken by exactly one controller (`controller.alerts.index`).
"""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn

import attrs
import structlog
import trio

from controller.alerts.absent import last_word
from controller.alerts.index import Alerts, Edit
from controller.alerts.presence import AGENT, Presence, Sign
from controller.alerts.record import (
    MOST,
    Basis,
    Event,
    Record,
    Telling,
    new_id,
    repeat,
    resolve,
    take_over,
    unhush,
)
from controller.alerts.silences import KEPT, Silences, carries
from controller.hosts import Hosts
from osapi.bus import Bucket, CaughtUp, Entry, Log, layout
from osapi.conditions import UNREACHABLE, Kind
from osapi.config.notifications import Notifications
from osapi.errors import NoSpace, NotFound, Unavailable
from osapi.jobs import now

log = structlog.get_logger()

EVERY = 1.0
"""Seconds between two looks at what only time tells."""

STOPPED = 300.0
"""Seconds after its goodbye that what a component said last still stands: a restart resolves nothing."""

HANDOVER = 5.0
"""Seconds after its goodbye that a controller may still be telling what it began to."""

SWEEP = 3600.0
"""Seconds between two looks at what nobody needs any more."""


@attrs.frozen(kw_only=True)
class Verdict:
    """Whether a condition holds, and what that rests on."""

    condition: str
    holds: bool
    basis: Basis
    reason: str | None = None
    since: datetime | None = None


@attrs.define(kw_only=True)
class Watcher:
    """`owner` is this controller, as its beat's key and what tells this run from others: `controller.web-8080/1f2e`."""

    hosts: Hosts
    timeline: Log
    presence: Presence
    alerts: Alerts
    silences: Silences
    settings: Notifications
    owner: str = ""
    wall: Callable[[], datetime] = attrs.field(default=now)
    _waiting: dict[str, None] = attrs.field(factory=dict)
    _stirred: trio.Event = attrs.field(factory=trio.Event)
    _began: float = attrs.field(init=False, default=0.0)

    async def run(self, registry: Bucket, state: Bucket, task_status: trio.TaskStatus[None]) -> None:
        """Watch for ever; started once all that is known has been read."""
        async with trio.open_nursery() as nursery:
            await nursery.start(feed, state, "alerts.>", self.alerts.apply)
            await nursery.start(feed, state, "silences.>", self.silences.apply)
            await nursery.start(feed, registry, ">", self.hear)
            self._began = self.presence.clock.time()
            nursery.start_soon(self._expect)
            nursery.start_soon(self._judge_all)
            nursery.start_soon(self._look)
            nursery.start_soon(self._sweep)
            task_status.started()

    async def _expect(self) -> None:
        """Look for hosts that are known, and have not been heard."""
        for host in list(self.hosts):
            key = layout.agent(host.machine_id)
            while host.known and key not in self.presence.signs:
                try:
                    found = await last_word(self.timeline, host.machine_id)
                except Unavailable:
                    await trio.sleep(EVERY)
                    continue
                if found:
                    at, stopped = found
                    self.presence.expect(key, host.known, at, stopped=stopped)
                break

    def hear(self, entry: Entry) -> None:
        """Take in a beat, or a goodbye."""
        if component := self.presence.apply(entry):
            self._stir(component)

    def forgotten(self, component: str) -> bool:
        """Whether a host was removed: nothing is kept of it, and it does not beat."""
        host = self.hosts.by_id.get(component.removeprefix(AGENT))
        return component.startswith(AGENT) and (host is None or not (host.known or host.online))

    def _stir(self, component: str) -> None:
        self._waiting[component] = None
        self._stirred.set()

    async def _judge_all(self) -> NoReturn:
        while True:
            await self._stirred.wait()
            self._stirred = trio.Event()
            while self._waiting:
                component = next(iter(self._waiting))
                try:
                    await self.judge(component)
                except (Unavailable, NoSpace) as error:
                    log.warning("alerts cannot be written", reason=str(error))
                    await trio.sleep(EVERY)
                else:
                    self._waiting.pop(component, None)

    async def judge(self, component: str) -> None:
        """Take the steps that there are to take for a component."""
        sign = self.presence.signs.get(component)
        for verdict in self._verdicts(sign) if sign else self._of_unheard(component):
            key = layout.alert(component, verdict.condition)
            taken = await self.alerts.change(key, partial(self._step, component, sign, verdict))
            if taken:
                self._tell_log(taken)

    def _verdicts(self, sign: Sign) -> Iterator[Verdict]:
        """What a component's last beat, its goodbye or its silence says of each condition."""
        said = (sign.at, 0)
        if self.presence.silent(sign):
            if self.forgotten(sign.key):
                yield from self._over(sign.key, (sign.at, 2), "the host was removed")
            else:
                last = datetime.fromtimestamp(sign.at, UTC)
                yield Verdict(
                    condition=UNREACHABLE,
                    holds=True,
                    basis=(sign.at, 1),
                    reason=f"no beat for {self.presence.silence:.0f} s, and no goodbye",
                    since=last,
                )
            return
        yield Verdict(condition=UNREACHABLE, holds=False, basis=said)
        if sign.left is None:
            yield from self._of_beat(sign, said)
        elif self.forgotten(sign.key) or self.presence.gone(sign, STOPPED):
            yield from self._over(sign.key, said, "it was stopped")

    def _of_beat(self, sign: Sign, said: Basis) -> Iterator[Verdict]:
        """What it says itself, and that another host has its name, which only we can know."""
        for name, found in sign.conditions.items():
            yield Verdict(
                condition=name,
                holds=found.status,
                basis=said,
                reason=found.reason,
                since=found.last_transition_time,
            )
        others = self.presence.namesakes(sign)
        also = f"it is also the name of {', '.join(others)}" if others else None
        yield Verdict(condition=Kind.DUPLICATE_HOSTNAME, holds=bool(others), basis=said, reason=also)
        told = {*sign.conditions, UNREACHABLE, Kind.DUPLICATE_HOSTNAME}
        yield from self._over(sign.key, said, "it is not looked at any more", but=told)

    def _of_unheard(self, component: str) -> Iterator[Verdict]:
        """Of one that has not been heard since this controller started."""
        if self.forgotten(component):
            yield from self._over(component, None, "the host was removed")

    def _over(
        self, component: str, basis: Basis | None, reason: str, but: Collection[str] = ()
    ) -> Iterator[Verdict]:
        """That nothing holds any more, but for some conditions."""
        for record in self.alerts.of(component):
            if record.active and record.condition not in but:
                rests_on = basis or (record.basis[0], 2)
                yield Verdict(condition=record.condition, holds=False, basis=rests_on, reason=reason)

    def _step(
        self, component: str, sign: Sign | None, verdict: Verdict, record: Record | None
    ) -> Record | None:
        """What becomes of an alert; None where it is as it should be, or rests on something later."""
        if (record is not None and record.active) == verdict.holds:
            return None
        if record is not None and record.basis >= verdict.basis:
            return None
        at = self.wall()
        if not verdict.holds:
            assert record
            return resolve(record, verdict.basis, self._telling(record, Event.RESOLVED), verdict.reason)
        assert sign
        fired = Record(
            id=new_id(),
            component=component,
            hostname=sign.hostname,
            condition=verdict.condition,
            active=True,
            basis=verdict.basis,
            fired_at=at,
            notified_at=at,
            since=verdict.since,
            labels=dict(sign.labels),
            reason=verdict.reason,
            notices=record.notices if record else [],
        )
        return self._telling(fired, Event.FIRED).of(fired, Event.FIRED)

    def _telling(self, record: Record, event: Event) -> Telling:
        whom = [
            name
            for name, notifier in self.settings.wanted.items()
            if (not notifier.conditions or record.condition in notifier.conditions)
            and all(carries(record, f"{key}:{value}") for key, value in notifier.labels.items())
            and (notifier.resolved or event is not Event.RESOLVED)
        ]
        return Telling(whom, self.owner, self.wall())

    async def dismiss(self, id: str, by: str) -> Record:
        """Resolve an alert, until its component beats again; `NotFound` where it is not firing."""

        def dismissed(record: Record | None) -> Record | None:
            if record is None or record.id != id or not record.active:
                return None
            basis = (record.basis[0], 2)
            return resolve(record, basis, self._telling(record, Event.RESOLVED), f"dismissed by {by}")

        for record in self.alerts.firing():
            if record.id == id:
                done = await self.alerts.change(layout.alert(record.component, record.condition), dismissed)
                if done:
                    self._tell_log(done)
                    return done
                break
        raise NotFound(f"no alert {id} is firing; `osapi client alert list` shows those that are")

    def _tell_log(self, record: Record) -> None:
        """A line for each step; the notifier of type `log` has its own."""
        log.info(
            "an alert has fired" if record.active else "an alert is resolved",
            hostname=record.hostname,
            component=record.kind,
            condition=record.condition,
            id=record.id,
        )
        if len(record.notices) == MOST:
            log.warning("notifications wait; the oldest of this alert are dropped", id=record.id)

    async def _look(self) -> NoReturn:
        """Look again and again for what only time tells."""
        while True:
            await trio.sleep(EVERY)
            try:
                await self.look()
            except (Unavailable, NoSpace) as error:
                log.warning("alerts cannot be written", reason=str(error))

    async def look(self) -> None:
        """Who is silent or gone, what is to be told again, and what a controller that is gone had to tell."""
        for sign in self.presence.signs.values():
            if sign.left is not None or self.presence.silent(sign):
                self._stir(sign.key)
        for record in list(self.alerts.firing()):
            if record.component not in self.presence.signs:
                self._stir(record.component)
            if after := self._again(record):
                await self.alerts.change(layout.alert(record.component, record.condition), after)
        for key in list(self.alerts.telling):
            owners = {notice.owner for notice in self.alerts.records[key].notices}
            for dead in filter(self._is_dead, owners):
                await self.alerts.change(key, partial(self._taken_over, dead))

    def _again(self, record: Record) -> Edit | None:
        """The step of an alert that goes on, where it is time for one."""
        if any(self.silences.of(record, self.wall())):
            return None
        if record.hushed:
            return self._unhushed
        interval = self.settings.renotify_interval
        if interval and not record.notices and self._due(record, interval):
            return partial(self._repeated, interval)
        return None

    def _due(self, record: Record, interval: float) -> bool:
        return (self.wall() - record.notified_at).total_seconds() >= interval

    def _unhushed(self, record: Record | None) -> Record | None:
        if record is None or not record.active or not record.hushed:
            return None
        return unhush(record, self._telling(record, Event.FIRED))

    def _repeated(self, interval: float, record: Record | None) -> Record | None:
        if record is None or not record.active or record.notices or not self._due(record, interval):
            return None
        return repeat(record, self._telling(record, Event.REPEATED))

    def _taken_over(self, dead: str, record: Record | None) -> Record | None:
        if record is None or all(notice.owner != dead for notice in record.notices):
            return None
        return take_over(record, dead, self.owner)

    def _is_dead(self, owner: str) -> bool:
        """Whether a controller will not tell what it had to: it is gone, or a former run of this one."""
        if owner == self.owner:
            return False
        key = owner.partition("/")[0]
        if key == self.owner.partition("/")[0]:
            return True
        sign = self.presence.signs.get(key)
        if sign is None:
            return self.presence.clock.time() - self._began >= self.presence.silence
        return self.presence.silent(sign) or self.presence.gone(sign, HANDOVER)

    async def _sweep(self) -> NoReturn:
        """Remove what nobody needs any more: silences long over, and alerts of components that are not there."""
        while True:
            try:
                await self.silences.forget()
                for key, record in list(self.alerts.records.items()):
                    over = record.resolved_at
                    if over and not record.active and over + KEPT < self.wall() and self._is_away(record):
                        await self.alerts.forget(key)
            except Unavailable as error:
                log.warning("nothing was swept", reason=str(error))
            await trio.sleep(SWEEP)

    def _is_away(self, record: Record) -> bool:
        sign = self.presence.signs.get(record.component)
        return sign is None or sign.left is not None


async def feed(
    bucket: Bucket, keys: str, apply: Callable[[Entry], None], task_status: trio.TaskStatus[None]
) -> None:
    """Give each entry to an index, for ever; started once all that was there has been read."""
    async with bucket.watch(keys) as watch:
        async for seen in watch:
            if isinstance(seen, CaughtUp):
                task_status.started()
            else:
                apply(seen)
