"""What a controller counts and measures for Prometheus: requests, jobs, agents, and how far its index is behind."""

from collections import Counter
from collections.abc import Iterator, Mapping

import trio
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from quart import Response, request

from controller.alerts.index import Alerts
from controller.drive import Driver
from controller.hosts import Hosts
from controller.lag import Lag
from controller.notes import notes
from controller.projection import Jobs, Record
from osapi.conditions import ALL, Kind
from osapi.jobs import Overall, State, now
from osapi.metrics import OTHER, LookedUp, Metrics, operation_label
from osapi.registry import AgentState
from osapi.supervise import Condition

METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
OFFLINE = "Offline"
OPEN = (Overall.SUBMITTED, Overall.PROCESSING)


class ControllerMetrics(Metrics):
    """The numbers of one controller."""

    def __init__(self, health: Mapping[str, Condition]) -> None:
        super().__init__("controller", health)
        self._requests = self.histogram(
            "osapi_http_request_duration_seconds",
            "Seconds until the answer to a request began.",
            ["operation", "method", "status"],
        )
        self._latency = self.histogram(
            "osapi_job_latency_seconds",
            "Seconds from the submission of a job until it had ended on all its hosts.",
            ["operation", "status"],
        )

    def follow(self, jobs: Jobs, hosts: Hosts, driver: Driver, alerts: Alerts, lag: Lag) -> None:
        """Tell what these know."""

        def look() -> Iterator[Metric]:
            yield from jobs_metrics(jobs, driver)
            yield from agents_metrics(hosts)
            yield alerts_metric(alerts)
            yield from lag.metrics()

        self.registry.register(LookedUp(look))

    async def served(self, response: Response) -> Response:
        """Count the request that is being answered."""
        noted = notes()
        method = request.method if request.method in METHODS else OTHER
        labels = noted.operation or OTHER, method, f"{response.status_code // 100}xx"
        self._requests.labels(*labels).observe(trio.current_time() - noted.began)
        return response

    def ended(self, record: Record) -> None:
        """Count a job of this controller."""
        seconds = (now() - record.created).total_seconds()
        labels = operation_label(record.operation), record.overall.value
        self._latency.labels(*labels).observe(max(seconds, 0.0))


def jobs_metrics(jobs: Jobs, driver: Driver) -> Iterator[Metric]:
    """Of the index of jobs, and of those that are on their way."""
    created = CounterMetricFamily(
        "osapi_jobs_created", "Jobs that were made by this controller.", labels=["operation"]
    )
    for operation, count in driver.tally.created.items():
        created.add_metric([operation_label(operation)], count)
    known = GaugeMetricFamily("osapi_jobs", "Jobs that are kept, by their status.", labels=["status"])
    for status in Overall:
        known.add_metric([status.value], jobs.counts[status])
    places: Counter[State] = Counter()
    for record in list(driver.driven.values()):
        places.update(record.tally)
    pending = GaugeMetricFamily(
        "osapi_job_hosts_open", "Hosts that have yet to end a job, summed over jobs.", labels=["state"]
    )
    for state in State:
        if not state.final:
            pending.add_metric([state.value], places[state])
    active = sum(jobs.counts[status] for status in OPEN)
    yield from (created, known, pending)
    yield GaugeMetricFamily("osapi_jobs_active", "Jobs that have not ended.", active)
    yield CounterMetricFamily(
        "osapi_dispatches", "Messages by which agents were told of jobs.", driver.tally.dispatches
    )
    yield CounterMetricFamily(
        "osapi_dispatch_retries", "Those of them that were not the first for a job.", driver.tally.retries
    )


def agents_metrics(hosts: Hosts) -> Iterator[Metric]:
    """Of what beats."""
    states, holding = Counter[str](), Counter[str]()
    for host in hosts:
        beat = host.beat if host.online else None
        states[beat.state if beat else OFFLINE] += 1
        holding.update(each.type for each in (beat.conditions if beat else ()) if each.status)
    types = Counter(beat.type for beat in hosts.components.values())
    for component in hosts.components.values():
        holding.update(each.type for each in component.conditions if each.status)
    yield _counted("osapi_agents", "Hosts that are known, by state.", "state", [*AgentState, OFFLINE], states)
    yield _counted(
        "osapi_conditions_active",
        "Conditions that hold, of hosts and components.",
        "type",
        list(Kind),
        holding,
    )
    yield _counted(
        "osapi_components", "Controllers and brokers that beat.", "type", ["controller", "nats"], types
    )


def alerts_metric(alerts: Alerts) -> Metric:
    """Of what the condition watcher has found."""
    firing = Counter(record.condition for record in alerts.firing())
    return _counted("osapi_alerts_firing", "Alerts that fire, by condition.", "condition", list(ALL), firing)


def _counted(name: str, help: str, label: str, known: list[str], found: Counter[str]) -> Metric:
    """A number for each value that is known beforehand, and one for all others."""
    gauge = GaugeMetricFamily(name, help, labels=[label])
    for value in known:
        gauge.add_metric([str(value)], found[value])
    gauge.add_metric([OTHER], sum(found.values()) - sum(found[value] for value in known))
    return gauge
