"""What a controller or a broker's supervisor says of itself, now and then; agents say more (`agent.heartbeat`)."""

import socket
from collections.abc import Callable
from datetime import datetime

import attrs
import structlog
import trio

from osapi import __version__, wire
from osapi.bus import Bucket, layout
from osapi.conditions import carried, process_conditions
from osapi.config.schema import ProcessConditions
from osapi.errors import Unavailable
from osapi.jobs import now
from osapi.registry import ComponentBeat, NodeCondition, ProcessUsage
from osapi.supervise import Condition
from osapi.vitals import keep_beating, sub_components

log = structlog.get_logger()


@attrs.define(kw_only=True)
class Heart:
    """What the beats of one component have in common; `port` tells those of a kind on one host apart.

    `usage` is asked for that of its process, None where there is none at the moment.
    """

    registry: Bucket
    kind: str
    port: int
    health: dict[str, Condition]
    limits: ProcessConditions
    usage: Callable[[], ProcessUsage | None]
    started: datetime = attrs.field(factory=now)
    conditions: list[NodeCondition] = attrs.field(factory=list)

    key: str = attrs.field(init=False)
    """Where it beats; it stays the same where the host is renamed, or a second one would seem to have come."""

    def __attrs_post_init__(self) -> None:
        self.key = layout.component(self.kind, f"{socket.gethostname()}-{self.port}")

    async def run(self, interval: float, task_status: trio.TaskStatus[None]) -> None:
        """Beat every `interval` seconds until cancelled."""
        task_status.started()
        await keep_beating(self.beat, interval)

    async def beat(self) -> None:
        usage = self.usage()
        found = process_conditions(usage, self.limits, now()) if usage else []
        self.conditions = carried(found, self.conditions)
        said = ComponentBeat(
            type=self.kind,
            hostname=socket.gethostname(),
            version=__version__,
            registered_at=now(),
            started_at=self.started,
            process=usage,
            conditions=self.conditions,
            sub_components=sub_components(self.health),
        )
        await self.registry.put(self.key, wire.encode(said))
        self.health.setdefault("heartbeat", Condition()).worked = trio.current_time()

    async def leave(self) -> None:
        """Say goodbye: the component is stopped, not lost."""
        try:
            await self.registry.delete(self.key)
        except Unavailable:
            log.info("the broker is away; the beat will expire", component=self.kind)
