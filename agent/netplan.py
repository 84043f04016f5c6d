"""netplan(5), which configures the networks of Debian and Ubuntu: what its files say together.

It reads the files of three folders in the order of their names and adds them up: of a single value the last file's
counts, lists are joined. OSAPI has up to three files for an interface: `osapi-eth0.yaml`, `osapi-eth0-routes.yaml` and
`osapi-eth0-dns.yaml`. All others are left alone.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from functools import cached_property
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network
from pathlib import PurePosixPath
from typing import Any, Literal

import attrs
import yaml

from agent import iproute
from agent.host import Host
from agent.iproute import Link
from agent.uplink import Address
from osapi.errors import BadInput, Conflict, NotFound, OperationError, Refused, Unsupported

PROGRAM = "/usr/sbin/netplan"
OWN = "/etc/netplan"
FOLDERS = ("/lib/netplan", OWN, "/run/netplan")
"""A file in a later one hides that of the same name in one before (netplan-generate(8))."""

HEADER = "# Made by OSAPI, which replaces and removes it: see `osapi client node network`.\n"
DEFAULTS = {4: "0.0.0.0/0", 6: "::/0"}
MAIN = 254
"""The number of the table that is meant where none is named."""

Part = Literal["", "routes", "dns"]
Version = Literal[4, 6]
Network = IPv4Network | IPv6Network
Definition = Mapping[str, Any]
"""What is said of an interface."""


@attrs.frozen(kw_only=True)
class Way:
    """Where packets can go: to what is on a link, or by a gateway.

    What is `learned` from others is known when it is applied, and without asking for it perhaps not even then.
    """

    to: Network
    learned: bool = False
    sure: bool = True
    table: int = MAIN
    metric: int | None = None

    @property
    def default(self) -> bool:
        return self.to.prefixlen == 0 and self.table == MAIN


@attrs.frozen(slots=False)
class Netplan:
    """The text of each file that netplan reads, by its path."""

    files: Mapping[str, str]

    def given(self, path: str, text: str | None) -> "Netplan":
        """The same, with other content of a file; without it, where that is None."""
        rest = {name: held for name, held in self.files.items() if name != path}
        return Netplan(rest if text is None else rest | {path: text})

    @cached_property
    def sections(self) -> Mapping[str, Any]:
        """All files together."""
        found: Mapping[str, Any] = {}
        for path in sorted(self.files, key=lambda path: PurePosixPath(path).name):
            found = joined(found, _network(path, self.files[path]))
        return found

    def definitions(self) -> Iterator[tuple[str, str, Definition]]:
        """What is said of interfaces: section, id, and definition."""
        for section, found in self.sections.items():
            for id, definition in found.items() if isinstance(found, dict) else ():
                if isinstance(definition, dict):
                    yield section, id, definition

    def definition(self, link: Link) -> Definition | None:
        """What is said of one interface; None where nothing is."""
        return next((said for _, id, said in self.definitions() if is_for(id, said, link)), None)

    def own(self, path: str) -> Definition | None:
        """What a file of ours says of its interface; None where there is no such file."""
        if path not in self.files:
            return None
        alone = Netplan({path: self.files[path]})
        return next((definition for _, _, definition in alone.definitions()), {})

    def ways(self) -> Iterator[Way]:
        """All ways that are configured."""
        for _, _, definition in self.definitions():
            yield from _ways(definition)

    def defaults(self, version: Version) -> list[Way]:
        """The default routes of a protocol."""
        return [way for way in self.ways() if way.default and way.to.version == version]


@asynccontextmanager
async def changing(host: Host) -> AsyncGenerator[Netplan]:
    """What the files say, while no other job changes them; `Unsupported` without netplan."""
    if not await host.stat(PROGRAM):
        raise Unsupported("networks are configured through netplan, which this host does not have")
    async with host.turns.at(OWN):
        yield await load(host)


async def load(host: Host) -> Netplan:
    """What the files say now."""
    names = {
        PurePosixPath(path).name: path for folder in FOLDERS for path in await host.glob(f"{folder}/*.yaml")
    }
    return Netplan({path: await host.read(path) or "" for path in names.values()})


def path(interface: str, part: Part = "") -> str:
    """Our file for an interface."""
    if not part and interface.endswith(("-routes", "-dns")):
        raise Refused(
            f"{interface}: names that end in -routes or -dns are not managed, for those of the files"
        )
    return f"{OWN}/osapi-{interface}{'-' * bool(part)}{part}.yaml"


def dump(section: str, id: str, definition: Definition) -> str:
    """The text of a file that says this and nothing else."""
    network = {"version": 2, section: {id: dict(definition)}}
    return HEADER + yaml.safe_dump({"network": network}, sort_keys=False)


def parse(path: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise OperationError(f"{path} is no YAML: {' '.join(str(error).split())}") from None


def _network(path: str, text: str) -> Mapping[str, Any]:
    found = parse(path, text)
    network = found.get("network") if isinstance(found, dict) else None
    return network if isinstance(network, dict) else {}


def joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both, as netplan adds them up."""
    found = dict(one)
    for name, value in other.items():
        held = found.get(name)
        if isinstance(held, dict) and isinstance(value, dict):
            found[name] = joined(held, value)
        elif isinstance(held, list) and isinstance(value, list):
            found[name] = [*held, *(each for each in value if each not in held)]
        else:
            found[name] = value
    return found


def unicast(text: str, field: str) -> IPv4Interface | IPv6Interface:
    """An address that one machine can have, with its prefix; `BadInput` for others."""
    found = ip_interface(text)
    if found.ip.is_multicast or found.ip.is_unspecified or found.network.prefixlen == 0:
        raise BadInput(f"{field}: {text} is the address of no single machine", field)
    return found


def is_for(id: str, definition: Definition, link: Link) -> bool:
    """Whether a definition is that of an interface: by the name it gives or looks for, or by hardware address."""
    match = definition.get("match")
    if not isinstance(match, dict) or not match:
        return id == link.ifname
    if name := definition.get("set-name"):
        return bool(name == link.ifname)
    named = match.get("name", [])
    patterns = named if isinstance(named, list) else [named]
    return any(fnmatchcase(link.ifname, str(pattern)) for pattern in patterns) or (
        link.address is not None and str(match.get("macaddress")).lower() == link.address.lower()
    )


async def place(host: Host, plan: Netplan, interface: str) -> tuple[str, str]:
    """The section and id under which an interface is configured, or would be.

    `NotFound` where there is no such interface, `Refused` where others are configured by the same definition.
    """
    links = await iproute.links(host)
    link = links.get(interface) or Link(ifname=interface)
    for section, id, definition in plan.definitions():
        if is_for(id, definition, link):
            if both := [
                name for name, other in links.items() if is_for(id, definition, other) and other != link
            ]:
                raise Refused(
                    f"netplan configures {interface} together with {', '.join(both)}, as {id}; "
                    "give it a definition of its own first"
                )
            return section, id
    if interface not in links:
        raise NotFound(f"there is no interface {interface}; there are: {', '.join(links)}")
    return await iproute.section(host, link), interface


async def must_be_configured(host: Host, plan: Netplan, interface: str) -> Definition:
    """What is said of an interface; `NotFound` where nothing is: what ours adds would then be all it has."""
    link = (await iproute.links(host)).get(interface) or Link(ifname=interface)
    found = plan.definition(link)
    if found is None:
        raise NotFound(f"netplan does not configure {interface}; do so first (network interface create)")
    return found


def check_ways(before: Netplan, after: Netplan, broker: Iterable[Address]) -> None:
    """`Refused` where a change would surely cut the host off, as far as that can be told before it is made."""
    versions: tuple[Version, ...] = (4, 6)
    for version in versions:
        had, has = before.defaults(version), after.defaults(version)
        if not has and any(way.sure for way in had):
            raise Refused(f"that would take away the last default route of IPv{version}")
        fixed = [way for way in has if not way.learned]
        if any(fixed.count(way) > max(1, had.count(way)) for way in fixed):
            raise Conflict(
                f"there is another default route of IPv{version} already; netplan adds to what other files say, "
                "so take it out of the file it is in"
            )
    for address in broker:
        led = any(address in way.to and way.sure for way in before.ways())
        if led and not any(address in way.to for way in after.ways()):
            raise Refused(f"that would leave no way to the broker at {address}")


def _ways(definition: Definition) -> Iterator[Way]:
    overrides = definition.get("dhcp4-overrides") or {}
    if definition.get("dhcp4") is True and overrides.get("use-routes") is not False:
        yield Way(to=ip_network(DEFAULTS[4]), learned=True)
    if (asked := definition.get("accept-ra")) is not False:
        yield Way(to=ip_network(DEFAULTS[6]), learned=True, sure=asked is True)
    for address in _items(definition, "addresses"):
        if network := _parsed(next(iter(address)) if isinstance(address, dict) else address):
            yield Way(to=network)
    for version in (4, 6):
        if f"gateway{version}" in definition:
            yield Way(to=ip_network(DEFAULTS[version]))
    for route in _items(definition, "routes"):
        if isinstance(route, dict) and route.get("type", "unicast") == "unicast":
            yield from _route(route)


def _route(route: Mapping[str, Any]) -> Iterator[Way]:
    via = _parsed(route.get("via"))
    to = _parsed(DEFAULTS[via.version] if via and route.get("to") == "default" else route.get("to"))
    if to:
        yield Way(to=to, table=route.get("table", MAIN), metric=route.get("metric"))


def _items(definition: Definition, name: str) -> list[Any]:
    found = definition.get(name)
    return found if isinstance(found, list) else []


def _parsed(text: object) -> Network | None:
    """The network of what is written; None where it is nothing that we know, and netplan complains."""
    try:
        return ip_interface(str(text)).network
    except ValueError:
        return None
