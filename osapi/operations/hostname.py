"""The name of a host."""

from typing import Annotated

import attrs

from osapi.operation import Operation, text
from osapi.results import Changed

Name = Annotated[
    str,
    text(
        r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
        "New name, such as web-01 (RFC 1123: letters, digits and dashes, labels joined by dots)",
        example="web-01",
        most=64,
        flag="name",
    ),
]


@attrs.frozen(kw_only=True)
class Identity:
    """The name the operating system has, and the labels the agent carries."""

    hostname: str
    labels: dict[str, str] | None = None


class Get(Operation[Identity], GET="/hostname", permission="node:read"):
    """Show the host name and the labels."""


class Update(Operation[Changed], PUT="/hostname", permission="node:write", success=202):
    """Set the host name.

    Nothing is changed where the host has that name already.
    """

    hostname: Name
