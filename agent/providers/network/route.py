"""Routes: those of the kernel through ip(8), and our own through netplan(5)."""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from agent import iproute, netplan, trial
from agent.dispatch import performs
from agent.host import Host
from osapi.errors import BadInput, Conflict, NotFound, Refused
from osapi.operations.network import route

PRIVILEGED = trial.PRIVILEGED

OWN_ADDRESSES = {"local", "broadcast", "anycast", "multicast"}
"""Types of routes that the kernel makes of addresses."""


@performs(route.List, "debian", "redhat", "suse", "arch")
async def list(host: Host, _: route.List) -> route.KernelRoutes:
    found = [*await iproute.routes(host, 4), *await iproute.routes(host, 6)]
    return route.KernelRoutes(
        routes=[
            route.RouteInfo(
                destination=each.dst,
                gateway=each.gateway,
                interface=each.dev,
                metric=each.metric,
                scope=each.scope,
            )
            for each in found
            if each.type not in OWN_ADDRESSES
        ]
    )


@performs(route.Get, "debian")
async def get(host: Host, p: route.Get) -> route.ManagedRoutes:
    held = (await netplan.load(host)).own(path(p.interfaceName))
    if held is None:
        raise unmanaged(p.interfaceName)
    return route.ManagedRoutes(
        routes=[
            route.RouteInfo(
                destination=str(each.get("to")),
                gateway=str(each.get("via")),
                interface=p.interfaceName,
                metric=each.get("metric"),
            )
            for each in held.get("routes") or []
        ]
    )


@performs(route.Create, "debian")
async def create(host: Host, p: route.Create) -> route.RouteChanged:
    wanted = definition(p.routes)
    async with netplan.changing(host) as plan:
        held = plan.own(path(p.interfaceName))
        if held not in (None, wanted):
            raise Conflict(
                f"OSAPI has configured other routes on {p.interfaceName}; change them by an update"
            )
        return await _hold(host, plan, p.interfaceName, wanted)


@performs(route.Update, "debian")
async def update(host: Host, p: route.Update) -> route.RouteChanged:
    wanted = definition(p.routes)
    async with netplan.changing(host) as plan:
        if plan.own(path(p.interfaceName)) is None:
            raise unmanaged(p.interfaceName)
        return await _hold(host, plan, p.interfaceName, wanted)


@performs(route.Delete, "debian")
async def delete(host: Host, p: route.Delete) -> route.RouteChanged:
    async with netplan.changing(host) as plan:
        changed = await trial.drop(host, plan, path(p.interfaceName))
    return route.RouteChanged(interface=p.interfaceName, changed=changed)


def path(interface: str) -> str:
    return netplan.path(interface, "routes")


def unmanaged(interface: str) -> NotFound:
    return NotFound(f"OSAPI has configured no routes on {interface}")


async def _hold(
    host: Host, plan: netplan.Netplan, interface: str, wanted: netplan.Definition
) -> route.RouteChanged:
    await netplan.must_be_configured(host, plan.given(path(interface), None), interface)
    changed = await trial.hold(host, plan, interface, path(interface), wanted)
    return route.RouteChanged(interface=interface, changed=changed)


def definition(items: Sequence[route.RouteItem]) -> dict[str, Any]:
    """What a file says of an interface with these routes; `BadInput` and `Refused` for those that cannot be."""
    routes = [_route(item) for item in items]
    return {"routes": [each for at, each in enumerate(routes) if each not in routes[:at]]}


def _route(item: route.RouteItem) -> dict[str, Any]:
    to, via = ip_network(item.to, strict=False), netplan.unicast(item.via, "routes").ip
    if to.prefixlen == 0:
        raise Refused(
            f"{item.to} is a default route, which belongs to the interface (network interface update, "
            f"gateway{to.version})"
        )
    if to.version != via.version:
        raise BadInput(f"{to} is IPv{to.version}, and not reached by {via}", "routes")
    return {"to": str(to), "via": str(via)} | ({} if item.metric is None else {"metric": item.metric})
