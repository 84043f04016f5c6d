"""The system time zone."""

from typing import Annotated

import attrs

from osapi.operation import Operation, text
from osapi.results import Changed

Zone = Annotated[
    str,
    text(
        r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*",
        "IANA name, such as Europe/Berlin",
        example="Europe/Berlin",
        most=64,
    ),
]


@attrs.frozen(kw_only=True)
class Timezone:
    """The zone a host is in, and its offset from UTC at this moment, such as `+02:00`."""

    timezone: str
    utc_offset: str


@attrs.frozen(kw_only=True)
class TimezoneChanged(Changed):
    """The zone a host is in now."""

    timezone: str


class Get(Operation[Timezone], GET="/timezone"):
    """Show the time zone."""


class Update(Operation[TimezoneChanged], PUT="/timezone"):
    """Set the time zone.

    Nothing is changed where the host is in that zone already.
    """

    timezone: Zone
