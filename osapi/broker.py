"""The broker as a daemon: the nats-server child, and what tells others of it.

It speaks to its own server as any client would, with a password that is made for each start and that nobody else has.
That client, the beats and the metrics may fail or wait; the server runs on.
"""

import secrets
from functools import partial

import attrs
import psutil
import trio

from osapi.broker_metrics import BrokerMetrics
from osapi.bus import Bus
from osapi.bus.connect import connect
from osapi.bus.layout import specs
from osapi.bus.server import Running, ServerSettings, serve
from osapi.config import Auth, Config, NatsConnection
from osapi.heartbeat import Heart
from osapi.listening import reachable
from osapi.metrics.server import start_metrics
from osapi.registry import BEATS, ProcessUsage
from osapi.supervise import Condition, keep
from osapi.vitals import Meter

USER = "osapi-broker"
"""Who the broker's own client is, where clients must sign in."""

GOODBYE = 1.0
"""Seconds that leaving may take."""


async def run_broker(
    config: Config,
    settings: ServerSettings,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop`, then say goodbye; started once clients are let in."""
    section, password, running = config.nats.server, secrets.token_urlsafe(32), Running()
    settings = attrs.evolve(settings, monitored=section.metrics.enabled)
    if settings.users or settings.nkeys:
        settings = attrs.evolve(settings, users=[*settings.users, (USER, password)])
    health: dict[str, Condition] = {}
    speaker = Speaker(config, settings, connect(own(settings, password)), Use(running), health)
    async with trio.open_nursery() as services:
        await services.start(keep, "server", partial(serve, settings, running=running), health)
        health["server"].address = f"nats://{reachable(settings.host)}:{settings.port}"
        metrics = BrokerMetrics(health, running)
        await start_metrics(metrics, section.metrics, speaker.bus, health, services)
        await services.start(keep, "heartbeat", speaker.run, health)
        task_status.started()
        await stop.wait()
        with trio.move_on_after(GOODBYE):
            await speaker.leave()
        services.cancel_scope.cancel()


def own(settings: ServerSettings, password: str) -> NatsConnection:
    """How the broker's own client reaches it."""
    signed_in = bool(settings.users or settings.nkeys)
    return NatsConnection(
        host=reachable(settings.host),
        port=settings.port,
        client_name="osapi-broker",
        auth=Auth(type="user_pass", username=USER, password=password) if signed_in else Auth(),
    )


@attrs.define
class Use:
    """What the server's process uses; it is another one after each restart."""

    running: Running
    _pid: int | None = None
    _meter: Meter | None = None

    def usage(self) -> ProcessUsage | None:
        try:
            if self.running.pid != self._pid:
                self._pid = self.running.pid
                self._meter = Meter(psutil.Process(self._pid)) if self._pid else None
            return self._meter.usage() if self._meter else None
        except psutil.NoSuchProcess:
            return None


@attrs.define
class Speaker:
    """A client of the broker's own, which tells others that it is there, and when it leaves."""

    config: Config
    settings: ServerSettings
    bus: Bus
    use: Use
    health: dict[str, Condition]
    heart: Heart | None = None

    @property
    def namespace(self) -> str:
        """That of the controllers of this configuration, unless the server has one of its own."""
        return self.config.nats.server.namespace or self.config.controller.nats.namespace

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Beat until cancelled; started before it is connected, as the server does not wait for that."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            await nursery.start(self._connect)
            self.heart = Heart(
                registry=await self.bus.bucket(specs(self.config, self.namespace).registry),
                kind="nats",
                port=self.settings.port,
                health=self.health,
                limits=self.config.agent.process_conditions,
                usage=self.use.usage,
            )
            await self.heart.run(self.config.nats.registry.ttl / BEATS, trio.TASK_STATUS_IGNORED)

    async def _connect(self, *, task_status: trio.TaskStatus[None]) -> None:
        await self.bus.run(task_status)

    async def leave(self) -> None:
        if self.heart:
            await self.heart.leave()
