"""What a way to tell must do, how it says that it could not, and what a notification is in words."""

import logging
from typing import Protocol

import trio

from osapi.calls.notification import Notification
from osapi.errors import Error

AT_ONCE = 4
"""Notifications that one notifier tells at once, and threads that it may keep busy."""


class Undelivered(Error):
    """It was not told; where that is `final`, trying again would not help. `retry_after` is in seconds."""

    def __init__(self, message: str, *, final: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.final, self.retry_after = final, retry_after


class Channel(Protocol):
    """One notifier; `type` and `to` are shown, so no secret is in them."""

    @property
    def type(self) -> str: ...
    @property
    def to(self) -> str: ...
    async def tell(self, notification: Notification, timeout: float) -> None:
        """Try once; `Undelivered` where it did not work. It is cancelled when its time is over."""
        ...


def threads() -> trio.CapacityLimiter:
    """The threads of one notifier, so that one that hangs holds up no other."""
    return trio.CapacityLimiter(AT_ONCE)


def quiet(*libraries: str) -> None:
    """Keep what libraries tell of requests out of the log, also of a controller that debugs: secrets are in URLs."""
    for name in libraries:
        logging.getLogger(name).setLevel(logging.WARNING)


def subject(found: Notification) -> str:
    """One line, of printable characters."""
    alert = found.alert
    word = {"fired": "FIRING", "repeated": "STILL FIRING", "resolved": "RESOLVED"}.get(found.event, "TEST")
    line = f"[OSAPI] {word}: {alert.condition} on {alert.hostname}"
    return "".join(c if c.isprintable() else " " for c in line)


def body(found: Notification) -> str:
    """The same in several lines."""
    alert = found.alert
    lines = {
        "Condition": alert.condition,
        "Component": f"{alert.component} {alert.hostname}",
        "Machine id": alert.machine_id,
        "Labels": ", ".join(f"{key}:{value}" for key, value in (alert.labels or {}).items()),
        "Reason": alert.reason,
        "Since": alert.since and f"{alert.since:%Y-%m-%d %H:%M:%S} UTC",
        "Fired": f"{alert.fired_at:%Y-%m-%d %H:%M:%S} UTC",
        "Resolved": alert.resolved_at and f"{alert.resolved_at:%Y-%m-%d %H:%M:%S} UTC",
        "Alert": alert.id,
        "Notification": found.id,
    }
    shown = (f"{name + ':':<14}{' '.join(value.split())}" for name, value in lines.items() if value)
    return "\n".join(shown) + "\n"
