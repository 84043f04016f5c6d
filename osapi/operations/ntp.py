"""The clock: the servers that chrony takes the time from."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.results import Changed

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
NAME = rf"{LABEL}(?:\.{LABEL})*\.?"
IPV6 = r"[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*"

Server = Annotated[
    str,
    text(rf"{NAME}|{IPV6}", "Name or address of a time server", example="ntp.example.org", most=253),
]
Servers = Annotated[
    list[Server],
    msgspec.Meta(min_length=1, max_length=64, description="Names or addresses of time servers"),
]


@attrs.frozen(kw_only=True)
class TimeStatus:
    """How the clock is kept.

    `offset` is how far ahead of the true time it is, such as `-0.000012345s` for a clock that is behind;
    `current_source` is the server that is followed, and `servers` are all that chrony knows, by the names that its
    configuration has for them.
    """

    synchronized: bool
    stratum: int | None = None
    offset: str | None = None
    current_source: str | None = None
    servers: list[str] | None = None


class Get(Operation[TimeStatus], GET="/ntp"):
    """Show how the clock is kept, as chrony says."""


class Create(Operation[Changed], POST="/ntp"):
    """Take the time from these servers, beside those of the host's own configuration.

    Nothing is done where OSAPI has set the same ones; other ones are a conflict. Where chrony does not run, it takes
    them once it is started.
    """

    servers: Servers


class Update(Operation[Changed], PUT="/ntp"):
    """Take the time from other servers than those that OSAPI has set."""

    servers: Servers


class Delete(Operation[Changed], DELETE="/ntp"):
    """Take the time no longer from the servers that OSAPI has set; nothing is done where it has set none."""
