"""Name servers and search domains of an interface."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.operations.network import ADDRESS, INTERFACE
from osapi.results import Changed

LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
"""Of a domain name (RFC 1035, section 2.3.1, and RFC 2181, section 11)."""

Interface = Annotated[
    str,
    text(
        INTERFACE,
        "Name of the interface, such as eth0, or @fact.interface.primary",
        example="eth0",
        most=15,
        flag="interface-name",
        aliases=("interface",),
    ),
]
Server = Annotated[
    str, text(ADDRESS, "Addresses of name servers, the first one is asked first", example="9.9.9.9", most=39)
]
Domain = Annotated[
    str,
    text(
        rf"(?:{LABEL}\.)*{LABEL}", "Domains that names without a dot are in", example="example.org", most=253
    ),
]


@attrs.frozen(kw_only=True)
class NameServers:
    """What an interface resolves names with."""

    servers: list[str]
    search_domains: list[str]


class Get(Operation[NameServers], GET="/network/dns/{interfaceName}", permission="network:read"):
    """Show the name servers and search domains of an interface.

    Where systemd-resolved does not run, they are those of the host, of /etc/resolv.conf.
    """

    interfaceName: Interface  # noqa: N815 - as existing clients have it


class Update(Operation[Changed], PUT="/network/dns", permission="network:write", success=202):
    """Set the name servers and search domains of an interface.

    What is not given is kept. netplan adds up what its files say: servers and domains in a file that is not OSAPI's
    are a conflict, unless they are asked for as well. Where the host can no longer reach its broker afterwards, it
    takes the change back.
    """

    interface_name: Interface
    servers: list[Server] | None = None
    search_domains: list[Domain] | None = None
    override_dhcp: (
        Annotated[bool, msgspec.Meta(description="Ignore the name servers that DHCP gives")] | None
    ) = None


class Delete(Operation[Changed], DELETE="/network/dns", permission="network:write", body=True):
    """Forget what was set of the name servers of an interface."""

    interface_name: Interface
