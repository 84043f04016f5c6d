"""What the controller says of itself, now and then."""

import socket
from datetime import datetime

import structlog
import trio

from osapi import __version__, wire
from osapi.bus import Bucket, layout
from osapi.errors import Unavailable
from osapi.jobs import now
from osapi.registry import ComponentBeat
from osapi.supervise import Condition
from osapi.vitals import keep_beating, process_usage, sub_components

log = structlog.get_logger()


async def heartbeat(
    registry: Bucket,
    url: str,
    health: dict[str, Condition],
    interval: float,
    task_status: trio.TaskStatus[None],
) -> None:
    """Beat every `interval` seconds until cancelled."""
    started = now()

    async def again() -> None:
        await registry.put(_key(url), wire.encode(beat(started, health)))

    task_status.started()
    await keep_beating(again, interval)


def beat(started: datetime, health: dict[str, Condition]) -> ComponentBeat:
    return ComponentBeat(
        type="controller",
        hostname=socket.gethostname(),
        version=__version__,
        registered_at=now(),
        started_at=started,
        process=process_usage(),
        sub_components=sub_components(health),
    )


async def leave(registry: Bucket, url: str) -> None:
    """Say goodbye: the controller is stopped, not lost."""
    try:
        await registry.delete(_key(url))
    except Unavailable:
        log.info("the broker is away; the beat of this controller will expire")


def _key(url: str) -> str:
    """Controllers of one host differ by their ports."""
    return layout.component("controller", f"{socket.gethostname()}-{url.rpartition(':')[2]}")
