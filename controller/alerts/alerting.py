"""The condition watcher, the notifier, and what they share, as a controller has them."""

import secrets
from functools import partial

import attrs

from controller.alerts.index import Alerts
from controller.alerts.notifier import Notifier, Way, channel
from controller.alerts.presence import Presence
from controller.alerts.silences import Silences
from controller.alerts.watcher import Watcher
from controller.hosts import Hosts
from osapi.bus import Bucket, Log
from osapi.config.notifications import Notifications
from osapi.supervise import Component, Condition


@attrs.frozen(kw_only=True)
class Alerting:
    """Alerts and silences, who makes them, and who tells of them."""

    alerts: Alerts
    silences: Silences
    watcher: Watcher
    notifier: Notifier

    def belongs_to(self, beat: str) -> None:
        """Say which controller this is, by the key that it beats under; before anything runs."""
        self.watcher.owner = self.notifier.owner = f"{beat}/{secrets.token_hex(4)}"

    def parts(self, registry: Bucket, state: Bucket) -> dict[str, Component]:
        """What is to run, in this order."""
        return {
            "watcher": partial(self.watcher.run, registry, state),
            "notifier": self.notifier.run,
        }


def alerting(
    settings: Notifications,
    hosts: Hosts,
    state: Bucket,
    timeline: Log,
    deliveries: Log,
    health: dict[str, Condition],
) -> Alerting:
    """Those of one controller."""
    alerts, silences = Alerts(state), Silences(state)

    return Alerting(
        alerts=alerts,
        silences=silences,
        watcher=Watcher(
            hosts=hosts,
            timeline=timeline,
            presence=Presence(hosts.silence),
            alerts=alerts,
            silences=silences,
            settings=settings,
        ),
        notifier=Notifier(
            alerts=alerts,
            silences=silences,
            deliveries=deliveries,
            ways={name: Way(name, found, channel(found)) for name, found in settings.wanted.items()},
            health=health,
        ),
    )
