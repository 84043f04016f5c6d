"""What runs."""

import attrs

from osapi.operation import Call


@attrs.frozen(kw_only=True)
class Version:
    version: str


class Get(Call[Version], GET="/version", permission="health:read", command="version"):
    """Show the controller's version."""
