"""Facts that any string parameter can refer to as `@fact.KEY`."""

import attrs

from osapi.operation import Call


@attrs.frozen(kw_only=True)
class FactKey:
    key: str
    description: str
    builtin: bool


@attrs.frozen(kw_only=True)
class FactKeys:
    keys: list[FactKey]


class Keys(Call[FactKeys], GET="/facts/keys", permission="agent:read"):
    """List the facts that parameters can refer to."""
