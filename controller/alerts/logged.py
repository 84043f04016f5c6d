"""The notifier `log`: a line in the log of the controller."""

import structlog
from attrs import frozen

from osapi.calls.notification import Notification

log = structlog.get_logger()


@frozen
class Logged:
    """Warns of what fires, and informs of what is over."""

    type: str = "log"
    to: str = ""

    async def tell(self, notification: Notification, timeout: float) -> None:  # noqa: ARG002 - takes no time
        alert = notification.alert
        level = log.info if notification.event in {"resolved", "test"} else log.warning
        level(
            f"alert {notification.event}",
            notification=notification.id,
            hostname=alert.hostname,
            component=alert.component,
            condition=alert.condition,
            reason=alert.reason,
        )
