"""What an agent counts and measures for Prometheus: its jobs."""

from collections.abc import Iterator, Mapping

import trio
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from osapi import supervise
from osapi.bus import Bus
from osapi.jobs import Answer, State
from osapi.metrics import LookedUp, Metrics, operation_label
from osapi.supervise import Condition


class AgentMetrics(Metrics):
    """The numbers of one agent."""

    def __init__(self, health: Mapping[str, Condition]) -> None:
        super().__init__("agent", health)
        self._processed = self.counter(
            "osapi_jobs_processed", "Jobs that have ended on this host, by their state.", ["status"]
        )
        self._duration = self.histogram(
            "osapi_job_duration_seconds", "Seconds that jobs ran on this host.", ["operation", "status"]
        )
        for state in State:
            if state.final:
                self._processed.labels(state.value)

    def follow(self, slots: trio.CapacityLimiter, bus: Bus) -> None:
        """Tell of the slots that jobs run in, of those that wait for one, and of what keeps jobs from coming."""

        def look() -> Iterator[Metric]:
            now = slots.statistics()
            yield GaugeMetricFamily("osapi_jobs_active", "Jobs that run on this host.", now.borrowed_tokens)
            yield GaugeMetricFamily("osapi_jobs_slots", "Jobs that may run at once.", now.total_tokens)
            yield GaugeMetricFamily("osapi_jobs_waiting", "Jobs that wait for a slot.", now.tasks_waiting)

        async def trouble() -> str | None:
            taking = self.health.get("jobs")
            if taking is None or taking.state is not supervise.State.RUNNING:
                return "no jobs are taken"
            return None if bus.connected else "the broker is away"

        self.trouble = trouble
        self.registry.register(LookedUp(look))

    def ended(self, operation: str, answer: Answer) -> None:
        """Count a job."""
        status = answer.state.value
        self._processed.labels(status).inc()
        if answer.started and answer.finished:
            seconds = (answer.finished - answer.started).total_seconds()
            self._duration.labels(operation_label(operation), status).observe(max(seconds, 0.0))
