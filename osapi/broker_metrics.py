"""What nats-server counts of itself, for Prometheus: read off its monitoring endpoints when somebody asks.

Source: docs.nats.io, Monitoring (`/varz`, `/jsz`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import psutil
import trio
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from osapi.bus.server import Running
from osapi.metrics import LookedUp, Metrics
from osapi.supervise import Condition

PATIENCE = 2.0
"""Seconds in which the server must have told its numbers."""

MOST = 1024 * 1024
"""Bytes that they may have."""

Numbers = Mapping[str, Any]

COUNTED = {
    "osapi_broker_connections_accepted": ("varz", "total_connections", "Connections that were ever made."),
    "osapi_broker_slow_consumers": (
        "varz",
        "slow_consumers",
        "Clients that took too little, and were cut off.",
    ),
    "osapi_broker_jetstream_api_requests": ("jsz", "api.total", "Requests to JetStream."),
    "osapi_broker_jetstream_api_errors": ("jsz", "api.errors", "Those that it refused."),
}
"""Counters by name: where the number is, and what it is."""

MEASURED = {
    "osapi_broker_connections": ("varz", "connections", "Connections of clients."),
    "osapi_broker_subscriptions": ("varz", "subscriptions", "Subscriptions of clients."),
    "osapi_broker_jetstream_streams": ("jsz", "streams", "Streams."),
    "osapi_broker_jetstream_consumers": ("jsz", "consumers", "Consumers of streams."),
    "osapi_broker_jetstream_messages": ("jsz", "messages", "Messages in streams."),
    "osapi_broker_jetstream_storage_bytes": ("jsz", "storage", "Bytes of streams on the disk."),
    "osapi_broker_jetstream_storage_limit_bytes": ("jsz", "config.max_storage", "Bytes that there may be."),
    "osapi_broker_jetstream_memory_bytes": ("jsz", "memory", "Bytes of streams in memory."),
}

BOTH_WAYS = {
    "osapi_broker_messages": ("msgs", "Messages from and to clients."),
    "osapi_broker_bytes": ("bytes", "Bytes of messages from and to clients."),
}


class BrokerMetrics(Metrics):
    """The numbers of one broker; `told` is what the server has told of itself last."""

    def __init__(self, health: Mapping[str, Condition], running: Running) -> None:
        super().__init__("broker", health)
        self.running = running
        self.told: dict[str, Numbers] = {}
        self.trouble = self.ask
        self.registry.register(LookedUp(self._numbers))
        self.registry.register(LookedUp(self._process))

    async def ask(self) -> str | None:
        """Let the server tell its numbers; what is wrong where it does not."""
        self.told = {}
        if self.running.monitor is None:
            return "the server does not run"
        try:
            with trio.fail_after(PATIENCE):
                self.told = {page: await _get(self.running.monitor, page) for page in ("varz", "jsz")}
        except (OSError, trio.BrokenResourceError, trio.TooSlowError, msgspec.MsgspecError) as error:
            return f"the server does not tell its numbers: {error or f'not within {PATIENCE:g} s'}"
        return None

    def _numbers(self) -> Iterator[Metric]:
        for name, (page, path, help) in COUNTED.items():
            counter = CounterMetricFamily(name, help, labels=())
            if (value := _value(self.told.get(page), path)) is not None:
                counter.add_metric((), value)
            yield counter
        for name, (page, path, help) in MEASURED.items():
            gauge = GaugeMetricFamily(name, help, labels=())
            if (value := _value(self.told.get(page), path)) is not None:
                gauge.add_metric((), value)
            yield gauge
        for name, (unit, help) in BOTH_WAYS.items():
            both = CounterMetricFamily(name, help, labels=["direction"])
            for direction in ("in", "out"):
                if (value := _value(self.told.get("varz"), f"{direction}_{unit}")) is not None:
                    both.add_metric([direction], value)
            yield both

    def _process(self) -> Iterator[Metric]:
        """What the server's own process uses; `process_*` are of the one that supervises it."""
        memory = GaugeMetricFamily("osapi_broker_resident_memory_bytes", "Memory of nats-server.", labels=())
        seconds = CounterMetricFamily("osapi_broker_cpu_seconds", "CPU time of nats-server.", labels=())
        try:
            if self.running.pid is not None:
                process = psutil.Process(self.running.pid)
                with process.oneshot():
                    times = process.cpu_times()
                    memory.add_metric((), process.memory_info().rss)
                    seconds.add_metric((), times.user + times.system)
        except psutil.NoSuchProcess:
            pass  # it is being started again
        yield from (memory, seconds)


def _value(page: Numbers | None, path: str) -> float | None:
    """A number by the names that lead to it, None where it is not told."""
    found: Any = page
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None


async def _get(port: int, page: str) -> Numbers:
    """One page of the monitoring, by HTTP/1.0, in which the end of the connection is that of the answer."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(f"GET /{page} HTTP/1.0\r\n\r\n".encode())
        answer = bytearray()
        async for piece in stream:
            answer += piece
            if len(answer) > MOST:
                raise OSError(f"/{page} is larger than {MOST} bytes")
    return msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=dict[str, Any])
