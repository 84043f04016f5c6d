"""Network interfaces: as they are, by ip(8), and as they are to be, by netplan(5)."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from agent import iproute, netplan, trial
from agent.dispatch import performs
from agent.host import Host
from agent.iproute import KernelRoute, Link
from agent.netplan import Netplan
from osapi.errors import BadInput, Conflict, NotFound, Refused
from osapi.operations.network import interface
from osapi.operations.network.interface import InterfaceInfo

PRIVILEGED = trial.PRIVILEGED

GROUP = 0x01
"""The bit of a hardware address's first byte that is for groups, which no interface can have (IEEE 802)."""


@attrs.frozen(kw_only=True)
class Network:
    """What tells of the interfaces of a host; default routes by protocol, those first that are taken."""

    links: Mapping[str, Link]
    defaults: Mapping[int, Sequence[KernelRoute]]
    plan: Netplan

    @property
    def primary(self) -> str | None:
        """The interface of the default route: of IPv4, if there is one."""
        return next((each.dev for version in (4, 6) for each in self.defaults[version]), None)

    def gateway(self, version: int, name: str) -> str | None:
        return next((each.gateway for each in self.defaults[version] if each.dev == name), None)


@performs(interface.List, "debian", "redhat", "suse", "arch")
async def list(host: Host, _: interface.List) -> interface.Interfaces:
    network = await look(host)
    found = [describe(network, link) for link in network.links.values() if not link.loopback]
    return interface.Interfaces(interfaces=found)


@performs(interface.Get, "debian", "redhat", "suse", "arch")
async def get(host: Host, p: interface.Get) -> interface.InterfaceReport:
    network = await look(host)
    if p.name not in network.links:
        raise NotFound(f"there is no interface {p.name}; there are: {', '.join(network.links)}")
    return interface.InterfaceReport(interface=describe(network, network.links[p.name]))


@performs(interface.Create, "debian")
async def create(host: Host, p: interface.Create) -> interface.InterfaceChanged:
    wanted, path = definition(p), netplan.path(p.name)
    async with netplan.changing(host) as plan:
        if plan.own(path) not in (None, wanted):
            raise Conflict(f"OSAPI has configured {p.name} otherwise; change that by an update")
        changed = await trial.hold(host, plan, p.name, path, wanted)
    return interface.InterfaceChanged(name=p.name, changed=changed)


@performs(interface.Update, "debian")
async def update(host: Host, p: interface.Update) -> interface.InterfaceChanged:
    wanted, path = definition(p), netplan.path(p.name)
    if not wanted:
        raise BadInput(f"nothing is given that {p.name} should be; to take back what it is, delete it")
    async with netplan.changing(host) as plan:
        if plan.own(path) is None:
            raise NotFound(f"OSAPI does not manage {p.name}; create it first")
        changed = await trial.hold(host, plan, p.name, path, wanted)
    return interface.InterfaceChanged(name=p.name, changed=changed)


@performs(interface.Delete, "debian")
async def delete(host: Host, p: interface.Delete) -> interface.InterfaceChanged:
    async with netplan.changing(host) as plan:
        changed = await trial.drop(host, plan, netplan.path(p.name))
    return interface.InterfaceChanged(name=p.name, changed=changed)


def definition(p: interface.Create | interface.Update) -> dict[str, Any]:
    """What a file says of an interface that is so; what is not given is not said."""
    addresses = [str(netplan.unicast(each, "addresses")) for each in dict.fromkeys(p.addresses or ())]
    gateways = {"gateway4": p.gateway4, "gateway6": p.gateway6}
    vias = [str(netplan.unicast(each, name).ip) for name, each in gateways.items() if each]
    said = {
        "dhcp4": p.dhcp4,
        "dhcp6": p.dhcp6,
        "addresses": addresses or None,
        "routes": [{"to": "default", "via": via} for via in vias] or None,
        "mtu": p.mtu,
        "macaddress": hardware_address(p.mac_address) if p.mac_address else None,
        "wakeonlan": p.wakeonlan,
    }
    return {name: value for name, value in said.items() if value is not None}


def hardware_address(text: str) -> str:
    """As Linux prints it; `BadInput` for what no interface can have."""
    octets = bytes.fromhex(text.replace(":", ""))
    if octets[0] & GROUP or not any(octets):
        raise BadInput(
            f"{text} is no hardware address of an interface: it is of a group, or of none", "mac_address"
        )
    return octets.hex(":")


async def look(host: Host) -> Network:
    """How the interfaces are. What the agent may not read of netplan is left out."""
    try:
        plan = await netplan.load(host)
    except Refused:
        plan = Netplan(dict.fromkeys(await host.glob(f"{netplan.OWN}/*.yaml"), ""))
    return Network(
        links=await iproute.links(host),
        defaults={
            4: default_routes(await iproute.routes(host, 4)),
            6: default_routes(await iproute.routes(host, 6)),
        },
        plan=plan,
    )


def default_routes(routes: Sequence[KernelRoute]) -> Sequence[KernelRoute]:
    return sorted((each for each in routes if each.default), key=lambda each: each.metric or 0)


def describe(network: Network, link: Link) -> InterfaceInfo:
    """All that is known of an interface. One that netplan does not configure can have its address from DHCP, too."""
    first = {each.family: each.local for each in reversed(link.addresses) if each.beyond}
    said = network.plan.definition(link)
    renewed = any(each.family == "inet" and each.dynamic for each in link.addresses)
    return InterfaceInfo(
        name=link.ifname,
        ipv4=first.get("inet"),
        ipv6=first.get("inet6"),
        mac=link.address,
        family="dual" if len(first) > 1 else next(iter(first), None),
        addresses=[f"{each.local}/{each.prefixlen}" for each in link.addresses],
        mac_address=link.address,
        mtu=link.mtu,
        state=link.operstate.lower(),
        dhcp4=renewed if said is None else said.get("dhcp4") is True,
        dhcp6=said is not None and said.get("dhcp6") is True,
        gateway4=network.gateway(4, link.ifname),
        gateway6=network.gateway(6, link.ifname),
        wakeonlan=(said or {}).get("wakeonlan"),
        primary=network.primary == link.ifname,
        managed=netplan.path(link.ifname) in network.plan.files,
    )
