"""The agents: from the index of hosts."""

import attrs

from controller.access import Caller
from controller.context import Context, answers
from controller.hosts import Host
from osapi.calls import agent
from osapi.registry import Facts


@answers(agent.List)
async def list_agents(context: Context, _call: agent.List, _caller: Caller) -> agent.Agents:
    found = sorted(map(info, context.hosts), key=lambda each: (each.hostname, each.machine_id or ""))
    return agent.Agents(agents=found, total=len(found))


@answers(agent.Get)
async def get(context: Context, call: agent.Get, _caller: Caller) -> agent.AgentInfo:
    return info(context.hosts.find(call.hostname))


def info(host: Host) -> agent.AgentInfo:
    """A host as the wire has it; what only a beat tells is left out where there is none."""
    facts = host.facts or Facts()
    found = agent.AgentInfo(
        machine_id=host.machine_id,
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
        state=beat.state,
        version=beat.version,
    )
