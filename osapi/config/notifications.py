"""The keys of `controller.notifications`: whom to tell that a host or a component is in trouble, and how.

A key of a notifier can come from the environment, as any other, once the file has a notifier of that name:
`OSAPI_CONTROLLER_NOTIFICATIONS_NOTIFIERS_OPS_WEBHOOK_SECRET` is the secret of the one called ops.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

import attrs

from osapi.config import kinds
from osapi.config.fields import Period, Port, Secret, Words
from osapi.config.kinds import Kind, matching
from osapi.durations import Duration

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
FORMER = "log"
"""The notifier of the key `notifier`, the only one that the former implementation had."""

MAILBOX = r"[^\s@<>,;:\"\\]+@[A-Za-z0-9.-]+"
WEBHOOK = Kind(
    "a URL of a webhook",
    "http:// or https://, a host and a path",
    matching(r"(?:https?://[^\s/?#]+[^\s#]*)?"),
    True,
)
SERVICE = Kind(
    "a URL of a service", "as apprise has them, such as slack://…", matching(r"(?:[a-z0-9]+://\S+)?"), True
)
SENDER = Kind("an address of mail", "such as osapi@example.org", matching(rf"(?:{MAILBOX})?"))
RECIPIENTS = Kind("a list of addresses of mail", "such as ops@example.org", kinds.each(matching(MAILBOX)))


@attrs.frozen(kw_only=True)
class Webhook:
    """A POST of JSON, signed where there is a `secret`; `ca_file` has the server's authorities, if not the usual."""

    url: Annotated[str, WEBHOOK] = ""
    secret: Secret = ""
    ca_file: str = ""


@attrs.frozen(kw_only=True)
class Smtp:
    """Mail, by a server that is signed in at where there is a `username`."""

    host: Annotated[str, kinds.HOSTNAME] = ""
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Secret = ""
    ca_file: str = ""
    sender: Annotated[str, SENDER] = ""
    recipients: Annotated[list[str], RECIPIENTS] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Apprise:
    """One of the services that apprise knows."""

    url: Annotated[str, SERVICE] = ""


@attrs.frozen(kw_only=True)
class Notifier:
    """One way to tell; only the section that `type` names is read.

    It is told of `conditions` and of hosts that carry all of `labels` (both empty: of everything), and with `resolved`
    also when it is over. An attempt may take `timeout`; it is repeated, with growing pauses, for `retry_for`.
    """

    type: Literal["log", "webhook", "smtp", "apprise"] = "log"
    conditions: Words = attrs.field(factory=list)
    labels: Annotated[dict[str, str], kinds.LABELS] = attrs.field(factory=dict)
    resolved: bool = True
    timeout: Period = attrs.field(default=Duration(10))
    retry_for: Duration = attrs.field(default=Duration(600))
    webhook: Webhook = Webhook()
    smtp: Smtp = Smtp()
    apprise: Apprise = Apprise()


@attrs.frozen(kw_only=True)
class Notifications:
    """Without `notifiers`, and with `notifier: log`, it is the log that is told.

    What goes on is told again every `renotify_interval`; 0 is never.
    """

    enabled: bool = False
    notifier: Literal["", "log"] = ""
    renotify_interval: Duration = attrs.field(default=Duration(0))
    notifiers: dict[str, Notifier] = attrs.field(factory=dict)

    @property
    def wanted(self) -> dict[str, Notifier]:
        """The notifiers by name; none where notifications are not enabled."""
        if not self.enabled:
            return {}
        if self.notifier == FORMER or not self.notifiers:
            return {FORMER: Notifier()} | self.notifiers
        return dict(self.notifiers)


NEEDED = {
    "log": (),
    "webhook": ("url",),
    "smtp": ("host", "sender", "recipients"),
    "apprise": ("url",),
}


def lacking(found: Notifications) -> Iterator[tuple[str, str]]:
    """What is wrong with notifiers: the key below `controller.notifications`, and why."""
    from osapi.conditions import ALL  # which knows the configuration

    for name, notifier in found.notifiers.items():
        at = f"notifiers.{name}"
        if not NAME.fullmatch(name):
            yield at, f"{name!r} is not a name; allowed: up to 64 letters, digits, '_' and '-'"
        for unknown in sorted(set(notifier.conditions).difference(ALL)):
            yield f"{at}.conditions", f"{unknown!r} is no condition; allowed: {', '.join(ALL)}"
        own = getattr(notifier, notifier.type, None)
        for key in NEEDED[notifier.type]:
            if not getattr(own, key):
                yield (
                    f"{at}.{notifier.type}.{key}",
                    f"empty, and type is {notifier.type}; allowed: anything else",
                )
