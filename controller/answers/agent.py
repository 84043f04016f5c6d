"""The agents: from the index of hosts, and what operators want of them."""

from collections.abc import Iterable

import attrs
import structlog

from controller.access import Caller
from controller.context import Context, answers
from controller.hosts import Host, conditions
from osapi import timeline
from osapi.bus import AlreadyExists, layout
from osapi.calls import agent
from osapi.errors import Conflict, Unavailable
from osapi.jobs import State, now
from osapi.registry import Facts

log = structlog.get_logger()

DRAINED = b"1"


@answers(agent.List)
async def list_agents(context: Context, _call: agent.List, _caller: Caller) -> agent.Agents:
    named = context.hosts.named()
    found = [info(host, named[host.hostname]) for host in context.hosts]
    found.sort(key=lambda each: (each.hostname, each.machine_id or ""))
    return agent.Agents(agents=found, total=len(found))


@answers(agent.Get)
async def get(context: Context, call: agent.Get, _caller: Caller) -> agent.AgentInfo:
    host = context.hosts.find(call.hostname)
    found = info(host, context.hosts.named()[host.hostname])
    try:
        happened = await timeline.read(context.buckets.timeline, host.machine_id)
    except Unavailable as error:
        log.info("an agent is shown without its timeline", machine_id=host.machine_id, reason=str(error))
        return found
    return attrs.evolve(found, timeline=happened)


@answers(agent.Drain)
async def drain(context: Context, call: agent.Drain, caller: Caller) -> agent.Told:
    host = context.hosts.find(call.hostname)
    at = now()
    try:
        await context.buckets.state.create(layout.drain(host.machine_id), DRAINED)
    except AlreadyExists:
        raise Conflict(f"{host.hostname} is drained already ({host.state})") from None
    await wake(context, host)
    told = f"drained by {caller.user}"
    await timeline.tell(context.buckets.timeline, host.machine_id, host.hostname, "drain", told, at=at)
    return agent.Told(message=f"drained {host.hostname}: {running(context, host)}")


@answers(agent.Undrain)
async def undrain(context: Context, call: agent.Undrain, caller: Caller) -> agent.Told:
    host = context.hosts.find(call.hostname)
    at = now()
    entry = await context.buckets.state.get(layout.drain(host.machine_id))
    if entry is None or entry.value is None:
        raise Conflict(f"{host.hostname} is not drained ({host.state or 'away'})")
    await context.buckets.state.delete(layout.drain(host.machine_id))
    await wake(context, host)
    told = f"undrained by {caller.user}"
    await timeline.tell(context.buckets.timeline, host.machine_id, host.hostname, "undrain", told, at=at)
    return agent.Told(message=f"undrained {host.hostname}: {awaited(context, host)}")


@answers(agent.Forget)
async def forget(context: Context, call: agent.Forget, caller: Caller) -> agent.Told:
    host = context.hosts.find(call.hostname)
    if host.online:
        raise Conflict(f"{host.hostname} is there: stop its agent first; to give it no more jobs, drain it")
    name, told = host.hostname, f"forgotten by {caller.user}"  # the index forgets the name as well
    if context.enrollment:
        await context.enrollment.bucket.delete(layout.accepted(host.machine_id))
    await context.buckets.state.delete(layout.drain(host.machine_id))
    await context.buckets.facts.delete(layout.facts(host.machine_id))
    await context.buckets.registry.delete(layout.agent(host.machine_id))
    await context.buckets.state.delete(layout.host(host.machine_id))
    await timeline.tell(context.buckets.timeline, host.machine_id, name, "forgotten", told)
    return agent.Told(message=f"forgot {name} ({host.machine_id})")


async def wake(context: Context, host: Host) -> None:
    """Have an agent look what is wanted of it; what is lost, its next look makes up for."""
    subject = context.subjects.host("drain", host.machine_id)
    try:
        await context.bus.publish(subject, b"", headers=context.driver.signed(subject, b""))
    except Unavailable as error:
        log.info("an agent was not woken", machine_id=host.machine_id, reason=str(error))


def running(context: Context, host: Host) -> str:
    count = sum(1 for state in states(context, host) if state in {State.ACCEPTED, State.STARTED})
    if not host.online:
        return "it is away, and takes no jobs when it is back"
    if not count:
        return "no job runs"
    return "1 job still runs" if count == 1 else f"{count} jobs still run"


def awaited(context: Context, host: Host) -> str:
    count = sum(1 for state in states(context, host) if state is State.SUBMITTED)
    if not count:
        return "no job waits"
    return "1 job waited" if count == 1 else f"{count} jobs waited"


def states(context: Context, host: Host) -> Iterable[State]:
    """Where the open jobs are that this host has."""
    for record in context.driver.driven.values():
        if state := record.states.get(host.machine_id):
            yield state


def info(host: Host, namesakes: Iterable[Host]) -> agent.AgentInfo:
    """A host as the wire has it; what only a beat tells is left out where there is none."""
    facts = host.facts or Facts()
    found = agent.AgentInfo(
        machine_id=host.machine_id,
        fingerprint=host.fingerprint,
        hostname=host.hostname,
        status="Ready" if host.online else "NotReady",
        labels=dict(host.labels) or None,
        architecture=facts.architecture,
        kernel_version=facts.kernel_version,
        cpu_count=facts.cpu_count,
        fqdn=facts.fqdn,
        service_mgr=facts.service_mgr,
        package_mgr=facts.package_mgr,
        interfaces=facts.interfaces or None,
        primary_interface=facts.primary_interface,
        routes=facts.routes or None,
        facts=facts.facts or None,
        state=host.state,
        conditions=conditions(host, namesakes) or None,
    )
    if host.beat is None:
        return found
    beat = host.beat
    return attrs.evolve(
        found,
        registered_at=beat.registered_at,
        started_at=beat.started_at,
        os_info=beat.os_info,
        uptime=beat.uptime,
        load_average=beat.load_averages,
        memory=beat.memory_stats,
        version=beat.version,
    )
