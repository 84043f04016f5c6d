"""How far the index of jobs is behind the broker."""

from collections.abc import Iterator, Mapping
from typing import NoReturn

import attrs
import structlog
import trio
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from osapi.bus import Streams
from osapi.errors import Unavailable

EVERY = 5.0
"""Seconds between two looks at what the broker has."""

log = structlog.get_logger()


@attrs.define
class Mark:
    """A sequence that a stream had reached `at` some time of trio's clock."""

    sequence: int
    at: float


@attrs.define
class Lag:
    """`streams` are those that the index follows, by bucket; `applied` is what it has taken in of each."""

    streams: Mapping[str, str]
    applied: Mapping[str, int]
    _floors: dict[str, int] = attrs.field(factory=dict)
    _marks: dict[str, Mark] = attrs.field(factory=dict)

    def seconds(self, bucket: str) -> float:
        """For how long the broker has had what is not in the index yet."""
        mark = self._marks.get(bucket)
        applied = max(self.applied.get(bucket, 0), self._floors.get(bucket, 0))
        return 0.0 if mark is None or applied >= mark.sequence else trio.current_time() - mark.at

    def reached(self, bucket: str, sequence: int) -> None:
        """Note how far a stream is, once the index is where the stream was when that was noted last.

        At first all that is there has been read: what the broker counts beyond that has been deleted.
        """
        self._floors[bucket] = min(self._floors.get(bucket, sequence), sequence)
        if self.seconds(bucket) == 0.0:
            self._marks[bucket] = Mark(sequence, trio.current_time())

    def metrics(self) -> Iterator[Metric]:
        found = GaugeMetricFamily(
            "osapi_projection_lag_seconds",
            "For how long the broker has had what is not in the index of jobs yet.",
            labels=["bucket"],
        )
        for bucket in self.streams:
            found.add_metric([bucket], self.seconds(bucket))
        yield found


async def watch_lag(lag: Lag, streams: Streams, task_status: trio.TaskStatus[None]) -> NoReturn:
    """Look at what the broker has, now and then, until cancelled."""
    task_status.started()
    while True:
        try:
            for bucket, name in lag.streams.items():
                if held := await streams.find(name):
                    lag.reached(bucket, held.last)
        except Unavailable as error:
            log.debug("how far the broker is cannot be seen", reason=str(error))
        await trio.sleep(EVERY)
