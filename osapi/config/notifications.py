"""The keys of `controller.notifications`: whom to tell that a host or a component is in trouble, and how."""

import attrs

from osapi.durations import Duration


@attrs.frozen(kw_only=True)
class Notifications:
    enabled: bool = False
    notifier: str = ""
    renotify_interval: Duration = attrs.field(default=Duration(0))
