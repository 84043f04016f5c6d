"""Whether OSAPI works: from the supervised components, the registry and the broker."""

from collections.abc import Iterator
from datetime import datetime

import trio
from quart import Response

from controller.access import Caller
from controller.context import Context, answers
from controller.problems import json
from osapi import __version__, wire
from osapi.bus import Bucket, Objects, Usage
from osapi.calls import health
from osapi.errors import Unavailable
from osapi.jobs import Overall, now
from osapi.registry import Beat, ComponentBeat, SubComponent
from osapi.vitals import sub_components

PATIENCE = 3.0
"""Seconds in which the broker must have told what it holds."""


@answers(health.Liveness)
async def liveness(_context: Context, _call: health.Liveness, _caller: Caller) -> health.Alive:
    return health.Alive(status="ok")


@answers(health.Ready)
async def ready(context: Context, _call: health.Ready, _caller: Caller) -> Response | health.Readiness:
    error = await trouble(context)
    if error is None:
        return health.Readiness(status="ready")
    return json(wire.plain(health.Readiness(status="not_ready", error=error)), 503, **{"Retry-After": "1"})


async def trouble(context: Context) -> str | None:
    """Why the controller cannot do its work; None where it can."""
    try:
        with trio.fail_after(PATIENCE):
            await context.buckets.jobs.usage()
    except (Unavailable, trio.TooSlowError) as error:
        return str(error) or f"the broker did not answer in {PATIENCE:g} s"
    return None


@answers(health.Status)
async def status(context: Context, _call: health.Status, _caller: Caller) -> Response:
    broken = await trouble(context)
    usages = [] if broken else await measure(context)
    components = {name: _component(found) for name, found in sub_components(context.health).items()}
    reached = health.ComponentHealth(status="error" if broken else "ok", error=broken)
    own = {f"controller.{name}": found for name, found in components.items()}
    found = health.Health(
        status="degraded" if broken else "ok",
        components={"controller.nats": reached, "controller.kv": reached, **own, **_reported(context)},
        version=__version__,
        uptime=_age(context.started),
        nats=None if broken else _broker(context),
        kv_buckets=[_bucket(usage) for usage in usages[:-1]] or None,
        object_stores=[health.StoreInfo(name=each.name, size=each.bytes) for each in usages[-1:]] or None,
        jobs=_jobs(context),
        agents=_agents(context),
        registry=list(_registry(context)),
    )
    return json(wire.plain(found), 503 if broken else 200)


async def measure(context: Context) -> list[Usage]:
    """What each bucket holds, and last the object store, all asked at once."""
    buckets = context.buckets
    sources: list[Bucket | Objects] = [
        buckets.jobs, buckets.responses, buckets.registry, buckets.facts, buckets.state, buckets.file_state,
        context.blobs.index, buckets.objects,
    ]  # fmt: skip
    found: dict[int, Usage] = {}

    async def ask(place: int) -> None:
        found[place] = await sources[place].usage()

    async with trio.open_nursery() as nursery:
        for place in range(len(sources)):
            nursery.start_soon(ask, place)
    return [found[place] for place in range(len(sources))]


def _component(found: SubComponent) -> health.ComponentHealth:
    return health.ComponentHealth(status=found.status, error=found.error, address=found.address)


def _reported(context: Context) -> dict[str, health.ComponentHealth]:
    """What agents and brokers say of their components: the worst of each name."""
    found: dict[str, health.ComponentHealth] = {}
    for kind, components in _beats(context):
        for name, component in components.items():
            key = f"{kind}.{name}"
            if key not in found or found[key].status == "ok":
                found[key] = _component(component)
    return found


def _beats(context: Context) -> Iterator[tuple[str, dict[str, SubComponent]]]:
    for host in context.hosts:
        if host.online and host.beat:
            yield "agent", host.beat.sub_components
    for beat in context.hosts.components.values():
        if beat.type != "controller":
            yield beat.type, beat.sub_components


def _broker(context: Context) -> health.BrokerInfo:
    server = context.bus.server
    return health.BrokerInfo(url=server.url, version=server.version)


def _bucket(usage: Usage) -> health.BucketInfo:
    return health.BucketInfo(name=usage.name, keys=usage.keys, bytes=usage.bytes)


def _jobs(context: Context) -> health.JobCounts:
    counts = context.jobs.counts
    return health.JobCounts(
        total=len(context.jobs.records),
        unprocessed=counts[Overall.SUBMITTED],
        processing=counts[Overall.PROCESSING],
        completed=counts[Overall.COMPLETED] + counts[Overall.SKIPPED],
        failed=counts[Overall.FAILED] + counts[Overall.PARTIAL_FAILURE],
    )


def _agents(context: Context) -> health.AgentCounts:
    hosts = sorted(context.hosts, key=lambda host: host.hostname)
    entries = [
        health.AgentEntry(
            hostname=host.hostname,
            labels=", ".join(f"{key}={value}" for key, value in sorted(host.labels.items())) or None,
            registered=f"{_age(host.beat.registered_at)} ago" if host.beat else "not since it left",
        )
        for host in hosts
    ]
    return health.AgentCounts(total=len(hosts), ready=sum(host.schedulable for host in hosts), agents=entries)


def _registry(context: Context) -> Iterator[health.RegistryEntry]:
    entries: list[tuple[str, Beat | ComponentBeat]] = [
        ("agent", host.beat) for host in context.hosts if host.online and host.beat
    ]
    entries += [(beat.type, beat) for beat in context.hosts.components.values()]
    for kind, beat in sorted(entries, key=lambda each: (each[0], each[1].hostname)):
        yield health.RegistryEntry(
            type=kind,
            hostname=beat.hostname,
            status=beat.state if isinstance(beat, Beat) else "Ready",
            conditions=[],
            age=_age(beat.started_at),
            cpu_percent=beat.process.cpu_percent if beat.process else 0.0,
            mem_bytes=beat.process.rss_bytes if beat.process else 0,
        )


def _age(since: datetime) -> str:
    """How long ago, in its two largest units: `3d 4h`, `4h 5m`, `5m`, `9s`."""
    seconds = int((now() - since).total_seconds())
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m" if minutes else f"{seconds}s"
