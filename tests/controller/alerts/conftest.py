"""A world in memory for the tests of alerts: buckets and a log as the broker's, beats, and controllers that watch them.

Its time is trio's, so that a test with the mock clock has hours pass at once.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import trio

from controller.alerts.alerting import alerting
from controller.alerts.channel import Undelivered
from controller.alerts.deliveries import latest
from controller.alerts.notifier import Way
from controller.alerts.presence import Said
from controller.hosts import Hosts
from osapi import wire
from osapi.bus import AlreadyExists, CaughtUp, Entry, Line, LogState, Stale
from osapi.calls.agent import TimelineEvent
from osapi.calls.silence import Silence
from osapi.config.notifications import Notifications, Notifier
from osapi.errors import Unavailable
from osapi.registry import KnownHost, NodeCondition

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
SILENCE = 35.0


def wall() -> datetime:
    return BEGIN + timedelta(seconds=trio.current_time())


@attrs.define
class MemoryBucket:
    """`osapi.bus.Bucket` without a broker; one that is `away` is as a broker that is."""

    entries: dict[str, Entry] = attrs.field(factory=dict)
    revision: int = 0
    away: bool = False
    _watchers: list = attrs.field(factory=list)

    async def get(self, key):
        self._reach()
        entry = self.entries.get(key)
        return entry if entry and entry.value is not None else None

    async def put(self, key, value):
        self._reach()
        return self._write(key, value)

    async def create(self, key, value):
        await trio.lowlevel.checkpoint()
        if await self.get(key):
            raise AlreadyExists(key)
        return self._write(key, value)

    async def update(self, key, value, revision):
        await trio.lowlevel.checkpoint()
        self._reach()
        if (there := self.entries.get(key)) is None or there.revision != revision:
            raise Stale(key)
        return self._write(key, value)

    async def delete(self, key):
        self._reach()
        self._write(key, None)

    def lapse(self, key):
        self._write(key, None, lapsed=True)

    @asynccontextmanager
    async def watch(self, keys=">"):
        send, receive = trio.open_memory_channel(float("inf"))
        self._watchers.append((keys.removesuffix(">"), send))
        for entry in [*self.entries.values(), CaughtUp()]:
            if isinstance(entry, CaughtUp) or entry.key.startswith(keys.removesuffix(">")):
                send.send_nowait(entry)
        yield receive

    def _reach(self):
        if self.away:
            raise Unavailable("the broker is away")

    def _write(self, key, value, *, lapsed=False):
        self.revision += 1
        entry = Entry(key, value, self.revision, wall().timestamp(), lapsed=lapsed)
        self.entries[key] = entry
        for prefix, send in self._watchers:
            if key.startswith(prefix):
                send.send_nowait(entry)
        return self.revision


@attrs.define
class MemoryLog:
    """`osapi.bus.Log` without a broker."""

    lines: list[Line] = attrs.field(factory=list)

    async def append(self, name, data, *, after=None):
        self.lines.append(Line(name, data, len(self.lines) + 1, wall().timestamp()))
        return len(self.lines)

    async def at(self, sequence):
        return self.lines[sequence - 1]

    async def latest(self, name):
        return next((line for line in reversed(self.lines) if line.name == name), None)

    @asynccontextmanager
    async def read(self, *, first=1, names=">") -> AsyncGenerator:
        send, receive = trio.open_memory_channel(float("inf"))
        for line in [*self.lines[first - 1 :], CaughtUp()]:
            if isinstance(line, CaughtUp) or names in {">", line.name}:
                send.send_nowait(line)
        yield receive

    async def state(self):
        last = len(self.lines)
        return LogState(first=1, last=last, entries=last, bytes=0)


@attrs.define
class Remembering:
    """A channel that remembers what it told; fails as often as `failures` says, and takes `seconds`."""

    type: str = "remembering"
    to: str = "a list"
    told: list = attrs.field(factory=list)
    failures: int = 0
    final: bool = False
    seconds: float = 0.0
    attempts: int = 0

    async def tell(self, notification, timeout):
        self.attempts += 1
        await trio.sleep(self.seconds)
        if self.attempts <= self.failures:
            raise Undelivered(f"failure {self.attempts}", final=self.final)
        self.told.append(notification)

    @property
    def events(self):
        return [(each.event, each.alert.condition, each.alert.hostname) for each in self.told]


@attrs.define
class World:
    nursery: trio.Nursery
    registry: MemoryBucket = attrs.field(factory=MemoryBucket)
    state: MemoryBucket = attrs.field(factory=MemoryBucket)
    log: MemoryLog = attrs.field(factory=MemoryLog)
    timeline: MemoryLog = attrs.field(factory=MemoryLog)
    hosts: Hosts = attrs.field(factory=lambda: Hosts(SILENCE))
    channels: dict[str, Remembering] = attrs.field(factory=dict)
    beating: dict[str, trio.CancelScope] = attrs.field(factory=dict)
    running: dict[str, trio.CancelScope] = attrs.field(factory=dict)

    def ways(self, **channels):
        """Notifiers that all controllers share, as one would their receivers."""
        self.channels |= channels

    async def controller(self, name, **settings):
        """One that watches and tells, and beats itself."""
        notifiers = settings.pop("notifiers", None) or {name: Notifier() for name in self.channels}
        config = Notifications(enabled=True, notifiers=notifiers, **settings)
        found = alerting(config, self.hosts, self.state, self.timeline, self.log, {})
        found.belongs_to(f"controller.{name}")
        found.watcher.wall = found.notifier.wall = wall
        found.notifier.ways = {
            each: Way(each, notifiers[each], channel) for each, channel in self.channels.items()
        }
        self.running[name] = scope = trio.CancelScope()

        async def run(*, task_status):
            with scope:
                async with trio.open_nursery() as nursery:
                    for part in found.parts(self.registry, self.state).values():
                        await nursery.start(lambda p=part, *, task_status: p(task_status))
                    task_status.started()

        await self.nursery.start(run)
        self.beats(f"controller.{name}")
        return found

    def kill(self, name):
        """SIGKILL: nothing is said any more, nothing is done."""
        self.running[name].cancel()
        self.silence(f"controller.{name}")

    async def beat(self, component, labels=None, **conditions):
        name = component.partition(".")[2]
        if component.startswith("agents."):
            host = self.hosts._host(name)
            host.known = KnownHost(machine_id=name, hostname=f"{name}.example")
        listed = [
            NodeCondition(type=kind, status=reason is not None, last_transition_time=wall(), reason=reason)
            for kind, reason in conditions.items()
        ]
        said = Said(hostname=f"{name}.example", labels=labels or {}, conditions=listed)
        await self.registry.put(component, wire.encode(said))

    def beats(self, component, labels=None, **conditions):
        """Beat every ten seconds from now on, with these conditions."""
        self.silence(component)
        self.beating[component] = scope = trio.CancelScope()

        async def run():
            with scope:
                while True:
                    if not self.registry.away:
                        await self.beat(component, labels, **conditions)
                    await trio.sleep(10)

        self.nursery.start_soon(run)

    def silence(self, component):
        """Beat no more, without a goodbye."""
        if component in self.beating:
            self.beating.pop(component).cancel()

    async def leave(self, component):
        self.silence(component)
        await self.registry.delete(component)

    async def happened(self, machine_id, event):
        found = TimelineEvent(timestamp=wall(), event=event)
        await self.timeline.append(machine_id, wire.encode(found))

    async def hush(self, seconds, host="*", **matchers):
        silence = Silence(
            id="0" * 16,
            starts_at=wall(),
            ends_at=wall() + timedelta(seconds=seconds),
            created_by="x",
            host=host,
            **matchers,
        )
        await self.state.put(f"silences.{silence.id}", wire.encode(silence))

    async def deliveries(self):
        """What became of telling, the oldest first."""
        found = await latest(self.log, lambda _: True, 1000)
        return [(each.notifier, each.notification.event, each.status) for each in reversed(found)]


@pytest.fixture
async def world(nursery):
    return World(nursery)


@pytest.fixture
def remembering():
    return Remembering
