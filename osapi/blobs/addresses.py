"""Which addresses a registered blob may be fetched from: not this machine, its link, or a cloud's metadata.

Private networks may: that is where a fleet's own files lie. What IPv6 wraps an IPv4 address in is judged by what
is in it.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # most clouds
            "fd00:ec2::254",  # Amazon, over IPv6
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "168.63.129.16",  # Azure
        ),
    )
)
"""Where clouds tell a machine its own secrets."""

LAST_32_BITS = tuple(
    map(
        ip_network,
        (
            "::/96",  # IPv4-compatible (RFC 4291, 2.5.5.1)
            "::ffff:0:0/96",  # IPv4-mapped (RFC 4291, 2.5.5.2)
            "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
            "64:ff9b::/96",  # NAT64 (RFC 6052)
            "64:ff9b:1::/48",  # NAT64 in one's own network (RFC 8215)
        ),
    )
)
"""IPv6 networks whose addresses end with an IPv4 address."""

THIS_NETWORK = ip_network("0.0.0.0/8")  # RFC 1122, 3.2.1.3: Linux takes 0.0.0.0 for itself


def networks(allowed: Sequence[str]) -> list[Network]:
    """What the configuration allows besides."""
    return [ip_network(each, strict=False) for each in allowed]


def refusal(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """Why nothing may be fetched from an address; None where it may."""
    if any(address in network for network in allowed):
        return None
    inner = list(embedded(address))
    if inner:
        return next((reason for each in inner if (reason := refusal(each, allowed))), None)
    if address in METADATA:
        return "the metadata service of a cloud"
    if address.is_loopback:
        return "this machine itself (loopback)"
    if address.is_link_local:
        return "link-local"
    if address.is_unspecified or address in THIS_NETWORK:
        return "unspecified"
    if address.is_multicast:
        return "multicast"
    return "reserved" if address.is_reserved else None


def embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_unspecified:
        return
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    if any(address in network for network in LAST_32_BITS):
        yield last
    if address.packed[8:12] in {b"\0\0\x5e\xfe", b"\2\0\x5e\xfe"}:  # ISATAP (RFC 5214, 6.1)
        yield last
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
