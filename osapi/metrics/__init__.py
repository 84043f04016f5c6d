"""What a daemon counts and measures for Prometheus: a registry of its own, and what all daemons have in common.

Controller, agent and broker add theirs; `osapi.metrics.server` tells them. What is known anyway is looked up when it
is asked for, so that it costs nothing meanwhile. No label has values without a bound: no hosts, users or jobs.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

import attrs
import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.registry import Collector

from osapi import __version__
from osapi.bus import Bus
from osapi.operation import catalogue
from osapi.supervise import Condition, State

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""What durations of requests and jobs are sorted by."""

LATE = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""What the lag of the event loop is sorted by, in seconds."""

EVERY = 0.5
"""Seconds between two looks at the event loop."""

OTHER = "other"
"""What stands for all values of a label that are not known beforehand."""

Trouble = Callable[[], Awaitable[str | None]]


async def starting() -> str | None:
    return "it is starting"


@attrs.frozen(eq=False)
class LookedUp(Collector):
    """Numbers that are known anyway, and looked up when they are asked for."""

    look: Callable[[], Iterable[Metric]]

    def collect(self) -> Iterable[Metric]:
        return self.look()


class Metrics:
    """The numbers of one daemon, of which a process may have several.

    `trouble` says why it cannot do its work, None where it can; asked before the numbers are told.
    """

    def __init__(self, component: str, health: Mapping[str, Condition]) -> None:
        self.component, self.health = component, health
        self.trouble: Trouble = starting
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._up = self.gauge("osapi_component_up", "1 where the component can do its work.", ["component"])
        info = self.gauge("osapi_build_info", "1; the labels tell what runs.", ["component", "version"])
        info.labels(component, __version__).set(1)
        self._lag = self.histogram(
            "osapi_event_loop_lag_seconds", "How late a task runs that should run now.", (), LATE
        )
        self.registry.register(LookedUp(self._supervised))

    def counter(self, name: str, help: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(name, help, labels, registry=self.registry)

    def gauge(self, name: str, help: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(name, help, labels, registry=self.registry)

    def histogram(
        self, name: str, help: str, labels: Iterable[str] = (), buckets: tuple[float, ...] = SECONDS
    ) -> Histogram:
        return Histogram(name, help, labels, buckets=buckets, registry=self.registry)

    async def look(self) -> str | None:
        """What is the trouble, None where there is none; `osapi_component_up` says the same."""
        found = await self.trouble()
        self._up.labels(self.component).set(0 if found else 1)
        return found

    def collect(self) -> Iterator[Metric]:
        """All of them, for an encoder; without when each was made, which doubles them and tells nothing."""
        for metric in self.registry.collect():
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
            yield metric

    def follow_bus(self, bus: Bus) -> None:
        """Tell of the connection to the broker."""

        def look() -> Iterator[Metric]:
            yield GaugeMetricFamily("osapi_bus_connected", "1 while there is a broker.", int(bus.connected))
            yield CounterMetricFamily(
                "osapi_bus_reconnects",
                "How often the broker was lost and found again.",
                max(bus.connections - 1, 0),
            )

        self.registry.register(LookedUp(look))

    async def watch_loop(self, task_status: trio.TaskStatus[None]) -> None:
        """Measure how late tasks run, for ever."""
        task_status.started()
        while True:
            due = trio.current_time() + EVERY
            await trio.sleep_until(due)
            self._lag.observe(trio.current_time() - due)

    def _supervised(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("osapi_subsystem_up", "1 while a supervised task runs.", labels=["subsystem"])
        restarts = CounterMetricFamily(
            "osapi_subsystem_restarts", "How often a supervised task crashed.", labels=["subsystem"]
        )
        for name, condition in self.health.items():
            if condition.state is not State.DISABLED:
                up.add_metric([name], condition.state in {State.RUNNING, State.DONE})
                restarts.add_metric([name], condition.crashes)
        yield from (up, restarts)
        age = GaugeMetricFamily("osapi_heartbeat_age_seconds", "Seconds since the last beat that was told.")
        beating = self.health.get("heartbeat")
        if beating and beating.worked is not None:
            age.add_metric([], trio.current_time() - beating.worked)
        yield age


def operation_label(name: str) -> str:
    """The name of a declaration, or what stands for all that are none."""
    return name if name in catalogue() else OTHER
