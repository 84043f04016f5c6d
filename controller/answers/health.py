"""Whether OSAPI works: from the supervised components, the registry and the broker."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import attrs
import trio
from quart import Response

from controller.access import Caller
from controller.context import Context, answers
from controller.hosts import conditions
from controller.problems import json
from osapi import __version__, wire
from osapi.bus import Bucket, Objects, Usage
from osapi.bus.layout import logs
from osapi.calls import health
from osapi.errors import Unavailable
from osapi.jobs import Overall, now
from osapi.registry import Beat, ComponentBeat, NodeCondition, SubComponent
from osapi.supervise import State
from osapi.vitals import WORDS, sub_components

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
    held = await holdings(context)
    broken, usages = held.error, held.usages
    registry, own = list(_registry(context)), _parts(sub_components(context.health))
    reached = health.ComponentHealth(status="error" if broken else "ok", error=broken)
    works = not broken and all(_runs(part) for part in own.values()) and all(map(_serves, registry))
    found = health.Health(
        status="ok" if works else "degraded",
        components={
            "controller.nats": reached,
            "controller.kv": reached,
            **{f"controller.{name}": part for name, part in own.items()},
            **_worst(registry),
        },
        version=__version__,
        uptime=_age(context.started),
        nats=_broker(context),
        streams=held.logs,
        kv_buckets=[_bucket(usage) for usage in usages[:-1]] or None,
        object_stores=[health.StoreInfo(name=each.name, size=each.bytes) for each in usages[-1:]] or None,
        jobs=_jobs(context),
        agents=_agents(context),
        consumers=held.consumers,
        registry=registry,
    )
    return json(wire.plain(found), 200 if works else 503)


@attrs.frozen(kw_only=True)
class Holdings:
    """What the broker holds, or why that is not known; the last usage is that of the object store."""

    error: str | None = None
    usages: Sequence[Usage] = ()
    logs: list[health.StreamInfo] | None = None
    consumers: health.ConsumerCount | None = None


async def holdings(context: Context) -> Holdings:
    if error := await trouble(context):
        return Holdings(error=error)
    found = Holdings()
    try:
        counted = health.ConsumerCount(total=(await context.bus.streams.account()).consumers)
        found = Holdings(usages=await measure(context), logs=await _logs(context), consumers=counted)
    except* Unavailable as lost:
        found = Holdings(error=str(lost.exceptions[0]))
    return found


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


async def _logs(context: Context) -> list[health.StreamInfo]:
    """The logs that are there."""
    config = context.config
    names = [log.name for log in logs(config, config.controller.nats.namespace).values()]
    held = [await context.bus.streams.find(name) for name in names]
    return [
        health.StreamInfo(
            name=each.name,
            messages=each.messages,
            bytes=each.state["bytes"],
            consumers=each.state["consumer_count"],
        )
        for each in held
        if each
    ]


def _parts(found: Mapping[str, SubComponent]) -> dict[str, health.ComponentHealth]:
    return {
        name: health.ComponentHealth(status=part.status, error=part.error, address=part.address)
        for name, part in found.items()
    }


def _runs(part: health.ComponentHealth) -> bool:
    return part.status != WORDS[State.WAITING]


def _serves(entry: health.RegistryEntry) -> bool:
    """Whether all parts of a component run, if everybody needs it."""
    return entry.type == "agent" or all(map(_runs, entry.components.values()))


def _worst(registry: Iterable[health.RegistryEntry]) -> dict[str, health.ComponentHealth]:
    """The parts of agents and brokers: of those with one name the first that does not run, and on which host."""
    found: dict[str, health.ComponentHealth] = {}
    for entry in registry:
        for name, part in entry.components.items() if entry.type != "controller" else ():
            key = f"{entry.type}.{name}"
            if not _runs(part) and (key not in found or _runs(found[key])):
                found[key] = attrs.evolve(part, error=f"{entry.hostname}: {part.error}")
            found.setdefault(key, part)
    return found


def _broker(context: Context) -> health.BrokerInfo | None:
    if not context.bus.connected:
        return None
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
    """What beats, by type and host."""
    namesakes = context.hosts.named()
    entries = [
        _entry("agent", host.beat, host.state or "Ready", conditions(host, namesakes[host.hostname]))
        for host in context.hosts
        if host.online and host.beat
    ]
    for beat in context.hosts.components.values():
        runs = all(map(_runs, _parts(beat.sub_components).values()))
        entries.append(_entry(beat.type, beat, "Ready" if runs else "NotReady", beat.conditions))
    return iter(sorted(entries, key=lambda entry: (entry.type, entry.hostname)))


def _entry(
    kind: str, beat: Beat | ComponentBeat, status: str, found: Iterable[NodeCondition]
) -> health.RegistryEntry:
    return health.RegistryEntry(
        type=kind,
        hostname=beat.hostname,
        status=status,
        conditions=[each.type for each in found if each.status],
        age=_age(beat.started_at),
        cpu_percent=beat.process.cpu_percent if beat.process else 0.0,
        mem_bytes=beat.process.rss_bytes if beat.process else 0,
        components=_parts(beat.sub_components),
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
