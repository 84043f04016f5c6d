"""Name servers and search domains: as systemd-resolved has them, or resolv.conf(5); set through netplan(5)."""

import re
from collections.abc import Sequence
from typing import Any

from agent import netplan, trial
from agent.dispatch import performs
from agent.host import Host
from agent.netplan import Definition
from osapi.errors import BadInput, Conflict, NotFound
from osapi.operations.network import dns
from osapi.results import Changed

PRIVILEGED = trial.PRIVILEGED

RESOLVED = "/run/systemd/units/invocation:systemd-resolved.service"
"""Links that systemd has of the units that run; to ask systemd-resolved whether it does would start it."""
FALLBACK = "/etc/resolv.conf"
LABEL = re.compile(r"^Link \d+ \([^)]*\):")
"""What resolvectl(1) prints before what it tells of an interface; long lists go on in further lines."""
IGNORED = {"dhcp4-overrides": {"use-dns": False}, "dhcp6-overrides": {"use-dns": False}}
LISTS = {"addresses": "name servers", "search": "search domains"}


@performs(dns.Get)
async def get(host: Host, p: dns.Get) -> dns.NameServers:
    return await current(host, p.interfaceName)


@performs(dns.Update, "debian")
async def update(host: Host, p: dns.Update) -> Changed:
    if p.servers is None and p.search_domains is None and p.override_dhcp is None:
        raise BadInput("nothing is given to be set: servers, search_domains or override_dhcp")
    path = netplan.path(p.interface_name, "dns")
    async with netplan.changing(host) as plan:
        others = await netplan.must_be_configured(host, plan.given(path, None), p.interface_name)
        wanted = await _wanted(host, p, plan.own(path) or {}, others)
        if not wanted:
            return Changed(changed=await trial.drop(host, plan, path))
        return Changed(changed=await trial.hold(host, plan, p.interface_name, path, wanted))


@performs(dns.Delete, "debian")
async def delete(host: Host, p: dns.Delete) -> Changed:
    async with netplan.changing(host) as plan:
        return Changed(changed=await trial.drop(host, plan, netplan.path(p.interface_name, "dns")))


async def current(host: Host, interface: str) -> dns.NameServers:
    """What an interface resolves names with now."""
    if not await host.stat(f"/sys/class/net/{interface}"):
        raise NotFound(f"there is no interface {interface}")
    if not await host.link(RESOLVED):
        return parse_resolv_conf(await host.read(FALLBACK) or "")
    return dns.NameServers(
        servers=[server(word) for word in parse(await host.run("resolvectl", "dns", "--", interface))],
        search_domains=[
            word
            for word in parse(await host.run("resolvectl", "domain", "--", interface))
            if word[0] not in "~."
        ],
    )


def parse(text: str) -> list[str]:
    """The words that `resolvectl dns` or `resolvectl domain` prints of one interface."""
    return LABEL.sub("", text.strip()).split()


def server(word: str) -> str:
    """The address of a server, which can be shown with a port, an interface and a name: `[::1]:53%2#name`."""
    word = word.partition("#")[0]
    if word.startswith("["):
        return word[1:].partition("]")[0]
    if word.count(":") == 1:
        word = word.partition(":")[0]
    return word.partition("%")[0]


def parse_resolv_conf(text: str) -> dns.NameServers:
    """The servers and domains of resolv.conf(5), where of the lines with domains the last one counts."""
    servers: list[str] = []
    domains: list[str] = []
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_]:
                servers.append(address)
            case ["search" | "domain", *found]:
                domains = [each for each in found if each != "."]
    return dns.NameServers(servers=servers, search_domains=domains)


async def _wanted(host: Host, p: dns.Update, own: Definition, others: Definition) -> dict[str, Any]:
    """What our file is to say; where DHCP is to be ignored and no server is asked for, those of now are kept."""
    override = "dhcp4-overrides" in own if p.override_dhcp is None else p.override_dhcp
    kept = given(own, "addresses")
    if override and p.servers is None and not kept:
        kept = (await current(host, p.interface_name)).servers
    servers = None if p.servers is None else [str(netplan.unicast(each, "servers").ip) for each in p.servers]
    lists = {
        "addresses": added("addresses", servers, kept, others),
        "search": added("search", p.search_domains, given(own, "search"), others),
    }
    said = {name: found for name, found in lists.items() if found}
    return ({"nameservers": said} if said else {}) | (IGNORED if override else {})


def given(definition: Definition, name: str) -> list[str]:
    """What a definition says of name servers (`addresses`) or domains (`search`)."""
    return [str(each) for each in (definition.get("nameservers") or {}).get(name) or []]


def added(name: str, asked: Sequence[str] | None, kept: Sequence[str], others: Definition) -> list[str]:
    """What our file adds to those of others: what is asked for, or else what is kept."""
    there = given(others, name)
    if asked is not None and (more := [each for each in there if each not in asked]):
        raise Conflict(
            f"other files of netplan give the {LISTS[name]} {', '.join(more)}, which ours could only add to; "
            "take them out there, or ask for them as well"
        )
    return [each for each in dict.fromkeys(kept if asked is None else asked) if each not in there]
