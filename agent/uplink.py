"""What an agent hangs on: its broker, as far as the network leads there."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol
from urllib.parse import urlsplit

import attrs
import trio

Address = IPv4Address | IPv6Address

PATIENCE = 5.0
"""Seconds in which a broker answers."""
GREETING = b"INFO "
"""What a NATS server says first of all (NATS protocol, INFO)."""


class Uplink(Protocol):
    """The way to what manages this host; `pause` is how many seconds to wait between two looks at it."""

    @property
    def pause(self) -> float: ...

    async def addresses(self) -> list[Address]:
        """Where it is, as far as names can be resolved."""
        ...

    async def reachable(self) -> bool:
        """Whether it answers."""
        ...


@attrs.frozen
class Nowhere:
    """Of a host that hangs on nothing."""

    pause: float = 0.0

    async def addresses(self) -> list[Address]:
        return []

    async def reachable(self) -> bool:
        return True


@attrs.frozen
class ToBroker:
    """To one of several servers, by host and port.

    Each time a new connection is made: one that is open says nothing of names that can no longer be resolved, and
    one that came from an address of before ends only when nobody has answered for a while.
    """

    servers: tuple[tuple[str, int], ...]
    pause: float = 1.0

    @classmethod
    def of(cls, *urls: str) -> "ToBroker":
        parts = [urlsplit(url) for url in urls]
        return cls(tuple((part.hostname or "", part.port or 4222) for part in parts))

    async def addresses(self) -> list[Address]:
        found: dict[Address, None] = {}
        for host, port in self.servers:
            with trio.move_on_after(PATIENCE), suppress(OSError):
                for *_, where in await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM):
                    found[ip_address(str(where[0]).partition("%")[0])] = None
        return list(found)

    async def reachable(self) -> bool:
        for host, port in self.servers:
            with trio.move_on_after(PATIENCE), suppress(OSError, trio.BrokenResourceError):
                async with await trio.open_tcp_stream(host, port) as stream:
                    if (await stream.receive_some()).startswith(GREETING):
                        return True
        return False
