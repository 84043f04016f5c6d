"""Routes: those of the kernel, and of an interface as netplan configures them."""

import re
from typing import Annotated

import attrs
import msgspec

from osapi.errors import BadInput
from osapi.operation import Operation, text
from osapi.operations.network import ADDRESS, CIDR, INTERFACE
from osapi.results import Changed

Interface = Annotated[
    str,
    text(
        INTERFACE,
        "Name of the interface, such as eth0, or @fact.interface.primary",
        example="eth0",
        most=15,
        flag="interface",
        aliases=("interface-name",),
    ),
]
Destination = Annotated[str, text(CIDR, "Network that is reached", example="198.51.100.0/24", most=43)]
Gateway = Annotated[str, text(ADDRESS, "Address by which it is reached", example="192.0.2.1", most=39)]
Metric = Annotated[
    int, msgspec.Meta(ge=0, le=4294967295, description="Of several routes to it, the lowest is taken")
]

WORDS = re.compile(
    r"(?:\[(?P<to6>[^\[\]]+)\]|(?P<to>[^:\[\]]+)):(?:\[(?P<via6>[^\[\]]+)\]|(?P<via>[^:\[\]]+))(?::(?P<metric>[0-9]+))?"
)


@attrs.frozen(kw_only=True)
class RouteItem:
    """A route that is to be."""

    to: Destination
    via: Gateway
    metric: Metric | None = None

    def __str__(self) -> str:
        ends = (f"[{end}]" if ":" in end else end for end in (self.to, self.via))
        return ":".join([*ends, *([] if self.metric is None else [str(self.metric)])])

    @classmethod
    def parse(cls, words: str) -> "RouteItem":
        """A route as the command line has it: TO:VIA[:METRIC], IPv6 in brackets; what it says is not checked."""
        found = WORDS.fullmatch(words)
        if found is None:
            raise BadInput(
                f"{words!r:.80} is no route; expected TO:VIA or TO:VIA:METRIC, such as 198.51.100.0/24:192.0.2.1:100 "
                "or [2001:db8:1::/48]:[2001:db8::1]",
                "routes",
            )
        metric = found["metric"]
        return cls(
            to=found["to"] or found["to6"],
            via=found["via"] or found["via6"],
            metric=int(metric) if metric else None,
        )


Routes = Annotated[
    list[RouteItem],
    msgspec.Meta(
        min_length=1,
        description="Routes, each TO:VIA or TO:VIA:METRIC, IPv6 in brackets",
        extra={"flag": "route", "aliases": ("routes",)},
    ),
]


@attrs.frozen(kw_only=True)
class RouteInfo:
    """A route; without a gateway, what is at the destination is on the link."""

    destination: str
    gateway: str | None = None
    interface: str | None = None
    metric: int | None = None
    scope: str | None = None


@attrs.frozen(kw_only=True)
class KernelRoutes:
    """The routes of all tables, but for the host's own addresses, broadcast and multicast."""

    routes: list[RouteInfo]


@attrs.frozen(kw_only=True)
class ManagedRoutes:
    """What OSAPI has configured."""

    routes: list[RouteInfo]


@attrs.frozen(kw_only=True)
class RouteChanged(Changed):
    interface: str


class List(Operation[KernelRoutes], GET="/network/route", permission="network:read"):
    """List the routes of the kernel."""


class Get(Operation[ManagedRoutes], GET="/network/route/{interfaceName}", permission="network:read"):
    """Show the routes that OSAPI has configured on an interface."""

    interfaceName: Interface  # noqa: N815 - as existing clients have it


class Create(Operation[RouteChanged], POST="/network/route/{interfaceName}", permission="network:write"):
    """Configure routes on an interface that has none of OSAPI's yet.

    Nothing is done where it has the same; others are a conflict. Default routes are refused: they belong to the
    interface. Where the host can no longer reach its broker afterwards, it takes the change back.
    """

    interfaceName: Interface  # noqa: N815 - as existing clients have it
    routes: Routes


class Update(Operation[RouteChanged], PUT="/network/route/{interfaceName}", permission="network:write"):
    """Configure other routes on an interface, in the place of all that OSAPI has configured there.

    Where the host can no longer reach its broker afterwards, it takes the change back.
    """

    interfaceName: Interface  # noqa: N815 - as existing clients have it
    routes: Routes


class Delete(Operation[RouteChanged], DELETE="/network/route/{interfaceName}", permission="network:write"):
    """Take back the routes that OSAPI has configured on an interface.

    What would leave no way to the broker is refused.
    """

    interfaceName: Interface  # noqa: N815 - as existing clients have it
