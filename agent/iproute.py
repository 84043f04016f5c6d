"""What the kernel knows of links, addresses and routes, as ip(8) prints it in JSON."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Literal

import attrs

from agent.host import Host
from osapi import wire

MAIN = "main"
"""The table that routes are looked up in, unless rules say otherwise (ip-route(8))."""

KINDS = {
    "bond": "bonds",
    "bridge": "bridges",
    "dummy": "dummy-devices",
    "vlan": "vlans",
    "vrf": "vrfs",
    "gre": "tunnels",
    "gretap": "tunnels",
    "ip6gre": "tunnels",
    "ip6gretap": "tunnels",
    "ip6tnl": "tunnels",
    "ipip": "tunnels",
    "sit": "tunnels",
    "vti": "tunnels",
    "vti6": "tunnels",
    "vxlan": "tunnels",
    "wireguard": "tunnels",
}
"""Kinds of links that are no hardware, and the sections of netplan(5) for them."""


@attrs.frozen(kw_only=True)
class LinkAddress:
    """An address of a link; one that is `dynamic` ends unless it is renewed."""

    family: str
    local: str = ""
    prefixlen: int = 0
    dynamic: bool = False

    @property
    def beyond(self) -> bool:
        """Whether it reaches beyond the link."""
        return not ip_address(self.local).is_link_local


@attrs.frozen(kw_only=True)
class LinkInfo:
    info_kind: str | None = None


@attrs.frozen(kw_only=True)
class Link:
    """A network interface."""

    ifname: str = ""
    flags: list[str] = attrs.field(factory=list)
    mtu: int | None = None
    operstate: str = "UNKNOWN"
    address: str | None = None
    addr_info: list[LinkAddress] = attrs.field(factory=list)
    linkinfo: LinkInfo = LinkInfo()

    @property
    def loopback(self) -> bool:
        return "LOOPBACK" in self.flags

    @property
    def addresses(self) -> list[LinkAddress]:
        """Those of the Internet protocols."""
        return [each for each in self.addr_info if each.local]


@attrs.frozen(kw_only=True)
class Via:
    """A gateway of the other family."""

    host: str


@attrs.frozen(kw_only=True)
class Hop:
    """One of several gateways of a route."""

    dev: str | None = None
    gateway: str | None = None
    via: Via | None = None


@attrs.frozen(kw_only=True)
class KernelRoute:
    """A route; one over several gateways comes once for each."""

    dst: str
    type: str = "unicast"
    dev: str | None = None
    gateway: str | None = None
    via: Via | None = None
    metric: int | None = None
    scope: str | None = None
    table: str = MAIN
    nexthops: list[Hop] = attrs.field(factory=list)

    @property
    def default(self) -> bool:
        """Whether what no other route is for goes there."""
        return self.dst == "default" and self.table == MAIN and self.type == "unicast"


async def links(host: Host) -> dict[str, Link]:
    """The network interfaces, by name, in the order of the kernel."""
    return parse_links(await host.run("ip", "-json", "-details", "address", "show"))


def parse_links(text: str) -> dict[str, Link]:
    return {link.ifname: link for link in wire.decode(list[Link], text or "[]") if link.ifname}


async def routes(host: Host, version: Literal[4, 6]) -> list[KernelRoute]:
    """The routes of all tables."""
    return parse_routes(await host.run("ip", "-json", f"-{version}", "route", "show", "table", "all"))


def parse_routes(text: str) -> list[KernelRoute]:
    return [each for route in wire.decode(list[KernelRoute], text or "[]") for each in _hops(route)]


def _hops(route: KernelRoute) -> Iterator[KernelRoute]:
    for hop in route.nexthops or [Hop(dev=route.dev, gateway=route.gateway, via=route.via)]:
        gateway = hop.gateway or (hop.via.host if hop.via else None)
        yield attrs.evolve(route, dev=hop.dev, gateway=gateway, via=None, nexthops=[])


async def section(host: Host, link: Link) -> str:
    """Where netplan(5) has what is like a link; what it does not know by its kind is like a cable."""
    if await host.stat(f"/sys/class/net/{link.ifname}/phy80211"):
        return "wifis"
    return KINDS.get(link.linkinfo.info_kind or "", "ethernets")
