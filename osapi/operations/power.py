"""Switching hosts off, and booting them again."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.results import Changed

Delay = Annotated[
    int,
    msgspec.Meta(
        ge=0,
        description="Seconds until then, rounded up to whole minutes: one at least, and a year at most",
        examples=[600],
    ),
]
Message = Annotated[
    str,
    text(r"[^\x00-\x1f\x7f]*", "What users who are logged in are told", example="Kernel update", most=500),
]


@attrs.frozen(kw_only=True)
class PowerPlan(Changed):
    """What will happen, `delay` seconds from now: `reboot` or `shutdown`; or `cancel`, where it will not."""

    action: str
    delay: int | None = None


class Reboot(Operation[PowerPlan], POST="/power/reboot", permission="power:execute", repeatable=False):
    """Boot a host again, once, after a while.

    Nothing is changed where the same is scheduled already; where something else is, it must be cancelled first.
    """

    delay: Delay | None = None
    message: Message | None = None


class Shutdown(Operation[PowerPlan], POST="/power/shutdown", permission="power:execute", repeatable=False):
    """Switch a host off after a while.

    Nothing is changed where the same is scheduled already; where something else is, it must be cancelled first.
    """

    delay: Delay | None = None
    message: Message | None = None


class Cancel(Operation[PowerPlan], POST="/power/cancel", permission="power:execute"):
    """Take back a reboot or a shutdown that is scheduled, by whomever.

    Nothing is changed where none is.
    """
