"""The notifier `apprise`: one of the many services that the library of that name knows."""

import logging
import re
import threading
from functools import partial

import apprise
import attrs
import trio

from controller.alerts.channel import Undelivered, body, quiet, subject, threads
from osapi.calls.notification import Notification
from osapi.config.notifications import Apprise

KINDS = {"fired": "warning", "repeated": "warning", "resolved": "success"}
LIBRARY = logging.getLogger("apprise")
MASK = "****"


class Said(logging.Handler):
    """What the library says in this thread while it tells; it returns no more than whether it worked."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread, self.lines = threading.get_ident(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.lines.append(record.getMessage())


@attrs.define
class Service:
    """One service, by a URL in which there is a secret; what the library logs is kept out of our log for that."""

    settings: Apprise
    type: str = "apprise"
    _threads: trio.CapacityLimiter = attrs.field(factory=threads)

    def __attrs_post_init__(self) -> None:
        LIBRARY.propagate = False
        quiet("urllib3")

    @property
    def to(self) -> str:
        return self.settings.url.partition("://")[0] + "://" + MASK

    async def tell(self, notification: Notification, timeout: float) -> None:  # noqa: ARG002 - the library has its own
        await trio.to_thread.run_sync(
            partial(self._send, notification), limiter=self._threads, abandon_on_cancel=True
        )

    def _send(self, notification: Notification) -> None:
        said = Said()
        LIBRARY.addHandler(said)
        try:
            service = apprise.Apprise.instantiate(self.settings.url)
            if service is None:
                raise Undelivered("apprise does not know such a URL", final=True)
            done = service.notify(  # the service itself: `Apprise` would have threads of its own
                title=subject(notification),
                body=body(notification),
                notify_type=apprise.NotifyType(KINDS.get(notification.event, "info")),
            )
        finally:
            LIBRARY.removeHandler(said)
        if not done:
            raise Undelivered(f"{self.to}: {self.masked('; '.join(said.lines)) or 'not taken'}")

    def masked(self, words: str) -> str:
        """A text without any part of the URL that could be a secret."""
        parts = sorted(set(re.split(r"[/@:?&=]+", self.settings.url.partition("://")[2])), key=len)
        for part in reversed(parts):
            if len(part) > 3:
                words = words.replace(part, MASK)
        return words
