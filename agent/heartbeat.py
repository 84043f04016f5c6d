"""What the agent says of itself: a beat every ten seconds, the facts of its host, and that the host is known."""

from datetime import UTC, datetime

import structlog
import trio

from agent import facts
from agent.buckets import Buckets
from agent.dispatch import perform
from agent.identity import Identity
from osapi import __version__, wire
from osapi.bus import Bucket, layout
from osapi.errors import Unavailable
from osapi.jobs import now
from osapi.operations import node
from osapi.registry import Beat, KnownHost
from osapi.supervise import Condition
from osapi.vitals import keep_beating, process_usage, sub_components

log = structlog.get_logger()


async def heartbeat(
    buckets: Buckets,
    identity: Identity,
    health: dict[str, Condition],
    interval: float,
    task_status: trio.TaskStatus[None],
) -> None:
    """Beat every `interval` seconds until cancelled, and keep the record of this host up to date."""
    known = None

    async def again() -> None:
        nonlocal known
        identity.refresh()
        known = await remember(buckets, identity, known)
        await beat(buckets, identity, health)

    await beat(buckets, identity, health)
    task_status.started()
    await trio.sleep(min(1.0, interval))  # the first beat had to call this component starting
    await keep_beating(again, interval)


async def beat(buckets: Buckets, identity: Identity, health: dict[str, Condition]) -> None:
    report = (await perform(identity.host, node.Status())).result or node.NodeReport()
    said = Beat(
        machine_id=identity.machine_id,
        hostname=identity.hostname,
        instance=identity.instance,
        version=__version__,
        state="Ready",
        registered_at=now(),
        started_at=identity.started_at,
        labels=identity.labels,
        os_info=report.os_info,
        uptime=report.uptime,
        load_averages=report.load_average,
        memory_stats=report.memory,
        process=process_usage(),
        sub_components=sub_components(health),
    )
    await tell(buckets.registry, layout.agent(identity.machine_id), wire.encode(said), identity)


async def remember(buckets: Buckets, identity: Identity, before: KnownHost | None) -> KnownHost:
    """Leave a record of this host that outlives its beats; jobs can be queued for it while it is away."""
    known = KnownHost(
        machine_id=identity.machine_id,
        hostname=identity.hostname,
        labels=identity.labels,
        secrets_key=identity.opener.public,
    )
    if known != before:
        await tell(buckets.state, layout.host(identity.machine_id), wire.encode(known), identity)
    return known


async def tell(bucket: Bucket, key: str, value: bytes, identity: Identity) -> None:
    """Write what only this agent writes, and learn by it how far the broker's clock is from this machine's."""
    written = now()
    await bucket.put(key, value)
    entry = await bucket.get(key)
    if entry:
        identity.skew = datetime.fromtimestamp(entry.created, UTC) - written


async def tell_facts(
    buckets: Buckets, identity: Identity, interval: float, task_status: trio.TaskStatus[None]
) -> None:
    """Gather the facts now and every `interval` seconds, keep them for references, and publish them."""
    identity.facts = await facts.gather(identity.host)
    task_status.started()
    while True:
        try:
            await buckets.facts.put(layout.facts(identity.machine_id), wire.encode(identity.facts))
        except Unavailable as error:
            log.warning("no facts told", reason=str(error))
        await trio.sleep(interval)
        identity.facts = await facts.gather(identity.host)


async def leave(buckets: Buckets, identity: Identity) -> None:
    """Say goodbye: the host is known to be stopped, not lost."""
    await buckets.registry.delete(layout.agent(identity.machine_id))
