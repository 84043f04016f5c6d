"""Network interfaces, configured by netplan."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.operations.network import CIDR, INTERFACE, IPV4, IPV6
from osapi.results import Changed

Name = Annotated[
    str,
    text(
        INTERFACE,
        "Name of the interface, such as eth0, or @fact.interface.primary",
        example="eth0",
        most=15,
    ),
]
Address = Annotated[
    str,
    text(
        CIDR,
        "Addresses, each with the length of its prefix",
        example="192.0.2.10/24",
        most=43,
        flag="address",
        aliases=("addresses",),
    ),
]
Dhcp4 = Annotated[bool, msgspec.Meta(description="Take an IPv4 address from DHCP")]
Dhcp6 = Annotated[bool, msgspec.Meta(description="Take an IPv6 address from DHCP")]
Gateway4 = Annotated[
    str, text(IPV4, "Where IPv4 goes that no other route is for", example="192.0.2.1", most=15)
]
Gateway6 = Annotated[
    str, text(IPV6, "Where IPv6 goes that no other route is for", example="2001:db8::1", most=39)
]
Mtu = Annotated[int, msgspec.Meta(ge=68, le=9000, description="Largest packet, in bytes")]
Mac = Annotated[
    str,
    text(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}", "Hardware address", example="52:54:00:12:34:56", most=17),
]
WakeOnLan = Annotated[bool, msgspec.Meta(description="Let a packet wake the host")]


@attrs.frozen(kw_only=True)
class InterfaceInfo:
    """An interface as it is.

    `ipv4` and `ipv6` are its first addresses that reach beyond the link, `addresses` are all, with the lengths of
    their prefixes; `family` is inet, inet6 or dual; `state` is up, down or as ip-link(8) has it; `primary` is
    whether the host's default route is on it; `managed` whether OSAPI has configured it. `dhcp4`, `dhcp6` and
    `wakeonlan` are as configured.
    """

    name: str
    ipv4: str | None = None
    ipv6: str | None = None
    mac: str | None = None
    family: str | None = None
    addresses: list[str] | None = None
    mac_address: str | None = None
    mtu: int | None = None
    state: str | None = None
    dhcp4: bool = False
    dhcp6: bool = False
    gateway4: str | None = None
    gateway6: str | None = None
    wakeonlan: bool | None = None
    primary: bool = False
    managed: bool = False


@attrs.frozen(kw_only=True)
class Interfaces:
    interfaces: list[InterfaceInfo]


@attrs.frozen(kw_only=True)
class InterfaceReport:
    interface: InterfaceInfo


@attrs.frozen(kw_only=True)
class InterfaceChanged(Changed):
    name: str


class List(Operation[Interfaces], GET="/network/interface", permission="network:read"):
    """List the interfaces, but for the loopback."""


class Get(Operation[InterfaceReport], GET="/network/interface/{name}", permission="network:read"):
    """Show one interface."""

    name: Name


class Configuration(Operation[InterfaceChanged]):
    """How an interface is to be."""

    name: Name
    dhcp4: Dhcp4 | None = None
    dhcp6: Dhcp6 | None = None
    addresses: list[Address] | None = None
    gateway4: Gateway4 | None = None
    gateway6: Gateway6 | None = None
    mtu: Mtu | None = None
    mac_address: Mac | None = None
    wakeonlan: WakeOnLan | None = None


class Create(Configuration, POST="/network/interface/{name}", permission="network:write"):
    """Configure an interface that OSAPI does not manage yet.

    Nothing is done where it is managed and configured so; otherwise that is a conflict. netplan adds up what its
    files say: addresses of other files stay. What would take away the last default route is refused; where the host
    can no longer reach its broker afterwards, it takes the change back.
    """


class Update(Configuration, PUT="/network/interface/{name}", permission="network:write"):
    """Configure an interface that OSAPI manages anew.

    What is not given is not configured any more. What would take away the last default route is refused; where the
    host can no longer reach its broker afterwards, it takes the change back.
    """


class Delete(Operation[InterfaceChanged], DELETE="/network/interface/{name}", permission="network:write"):
    """Take back the configuration that OSAPI made of an interface.

    Hardware address and largest packet stay as they are until the host boots.
    """

    name: Name
