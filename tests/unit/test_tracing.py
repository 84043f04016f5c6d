import subprocess
import sys
from collections.abc import Sequence

import attrs
import pytest
import trio
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from agent.commands import run_program
from osapi import traceparent, tracing
from osapi.config.telemetry import Tracing
from osapi.errors import Error, TimedOut, Unavailable
from osapi.supervise import Condition, State
from osapi.traceparent import Traceparent, fresh
from osapi.tracing.delivery import deliver
from osapi.tracing.recorder import BATCH, FLUSH, ROOM, Recorder, recorder


@attrs.define
class Collector:
    """Takes spans, unless `trouble` is its answer, or `busy` keeps it from one."""

    where: str = "a test"
    got: list[ReadableSpan] = attrs.field(factory=list)
    trouble: Error | None = None
    busy: bool = False
    closed: bool = False

    async def send(self, spans: Sequence[ReadableSpan]) -> None:
        await trio.lowlevel.checkpoint()
        if self.busy:
            await trio.sleep_forever()
        if self.trouble:
            raise self.trouble
        self.got += spans

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def recording(collector: Collector) -> Recorder:
    return recorder(Tracing(), "a-service", collector)


def place_of(span: ReadableSpan) -> Traceparent:
    return Traceparent(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")


def parents(spans: Sequence[ReadableSpan]) -> dict[str, str]:
    names = {span.context.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent.span_id, "?") if span.parent else "" for span in spans}


async def test_spans_nest_in_the_nurseries_that_they_are_opened_in(collector, recording):
    async def part(name: str, inner: str) -> None:
        with tracing.span(name):
            await trio.lowlevel.checkpoint()
            with tracing.span(inner):
                await trio.lowlevel.checkpoint()

    with tracing.recorded(recording), tracing.span("all", root=True):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(part, "a", "a1")
            nursery.start_soon(part, "b", "b1")
    await recording.close()

    assert parents(collector.got) == {"all": "", "a": "all", "a1": "a", "b": "all", "b1": "b"}
    assert len({span.context.trace_id for span in collector.got}) == 1


async def test_a_span_continues_what_came_from_elsewhere(collector, recording):
    caller = fresh()

    with tracing.recorded(recording), tracing.span("mine", {"n": 1}, kind="server", parent=caller) as span:
        span.rename("renamed")
        inside = traceparent.current.get()
    await recording.close()

    [found] = collector.got
    assert (found.name, dict(found.attributes), found.kind.name) == ("renamed", {"n": 1}, "SERVER")
    assert f"{found.parent.span_id:016x}" == caller.span_id
    assert inside == place_of(found)
    assert inside.trace_id == caller.trace_id


async def test_what_goes_wrong_is_named_by_its_kind_alone(collector, recording):
    with tracing.recorded(recording), pytest.raises(ValueError, match="s3cret"):  # noqa: SIM117 -- the order tells
        with tracing.span("mine", root=True):
            raise ValueError("s3cret")
    await recording.close()

    [found] = collector.got
    assert found.status.status_code is StatusCode.ERROR
    assert dict(found.attributes) == {"error.type": "ValueError"}
    assert "s3cret" not in found.to_json()


async def test_a_sampled_parent_is_recorded_and_another_is_not_whatever_the_ratio(collector):
    never = recorder(Tracing(sample_ratio=0.0), "a-service", collector)
    sampled, other = fresh(), attrs.evolve(fresh(), sampled=False)

    with tracing.recorded(never):
        with tracing.span("sampled", parent=sampled):
            pass
        with tracing.span("other", parent=other):
            passed_on = traceparent.current.get()
        with tracing.span("own", root=True):
            began = traceparent.current.get()
    await never.close()

    assert [span.name for span in collector.got] == ["sampled"]
    assert passed_on.trace_id == other.trace_id
    assert not passed_on.sampled
    assert not began.sampled


async def test_where_nobody_records_a_trace_passes_through_as_it_came():
    caller = fresh()

    with tracing.span("server", parent=caller, root=True) as span:
        span.note({"n": 1})
        with tracing.span("inner"):
            inside = traceparent.current.get()
    with tracing.span("own", root=True):
        began = traceparent.current.get()
    with tracing.span("part of nothing"):
        nowhere = traceparent.current.get()

    assert inside == caller
    assert began.sampled
    assert nowhere is None


def test_what_does_not_record_does_not_load_opentelemetry():
    modules = "osapi.cli.main, osapi.client, controller.daemon, agent.daemon"
    look = (
        f"import sys, {modules}; print([m for m in sys.modules if m.startswith(('opentelemetry', 'grpc'))])"
    )

    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout

    assert said == "[]\n"


async def test_the_programs_of_a_job_are_spans_by_name_and_those_of_no_job_are_not(
    collector, recording, tmp_path
):
    with tracing.recorded(recording):
        await run_program(["true"], cwd=tmp_path, timeout=5)
        with tracing.span("job.process", root=True):
            await run_program(["sh", "-c", "exit 3", "s3cret"], cwd=tmp_path, timeout=5)
            with pytest.raises(TimedOut):
                await run_program(["/bin/sleep", "9"], cwd=tmp_path, timeout=0.1)
    await recording.close()

    ran, slept, _ = collector.got
    assert (ran.name, dict(ran.attributes)) == (
        "sh",
        {"process.executable.name": "sh", "process.exit.code": 3},
    )
    assert (slept.name, slept.attributes["error.type"]) == ("sleep", "TimedOut")
    assert parents(collector.got) == {"sh": "job.process", "sleep": "job.process", "job.process": ""}


def record(recording: Recorder, count: int) -> None:
    with tracing.recorded(recording):
        for _ in range(count):
            with tracing.span("one", root=True):
                pass


async def test_spans_are_sent_a_batch_at_a_time_and_again_after_an_outage(
    collector, recording, autojump_clock, nursery
):
    health: dict[str, Condition] = {}
    collector.trouble = Unavailable("away")
    with tracing.recorded(recording):
        await deliver(nursery, health)
    record(recording, BATCH + 1)

    await trio.sleep(5)
    while_away = len(collector.got)
    collector.trouble = None
    await trio.sleep(60)

    assert (while_away, len(collector.got)) == (0, BATCH + 1)
    assert health["tracing"].state is State.RUNNING
    nursery.cancel_scope.cancel()


async def test_what_is_beyond_the_queue_is_dropped_and_counted(collector, recording):
    record(recording, ROOM + 3)

    assert (len(recording.queue.waiting), recording.queue.dropped) == (ROOM, 3)
    assert await recording.close() == ""
    assert len(collector.got) == ROOM


async def test_what_is_refused_is_not_sent_again(collector, recording):
    collector.trouble = Error("no")
    record(recording, 2)

    with pytest.raises(Error):
        await recording.send()

    assert (len(recording.queue.waiting), recording.queue.dropped) == (0, 2)


async def test_the_last_spans_are_sent_when_a_daemon_ends(collector, recording, autojump_clock):
    async with trio.open_nursery() as services:
        with tracing.recorded(recording):
            await deliver(services, {})
        record(recording, 2)
        services.cancel_scope.cancel()

    assert len(collector.got) == 2
    assert collector.closed


async def test_a_collector_that_hangs_holds_up_the_end_no_longer_than_the_bound(
    collector, recording, autojump_clock
):
    collector.busy = True
    async with trio.open_nursery() as services:
        with tracing.recorded(recording):
            await deliver(services, {})
        record(recording, 2)
        await trio.sleep(10)
        began = trio.current_time()
        services.cancel_scope.cancel()

    assert trio.current_time() - began <= FLUSH
    assert collector.closed


async def test_without_a_sender_there_are_ids_and_the_component_is_disabled(nursery):
    health: dict[str, Condition] = {}
    with tracing.recorded(recorder(Tracing(), "a-service", None)):
        await deliver(nursery, health)
        with tracing.span("mine", root=True):
            outer = traceparent.current.get()
            with tracing.span("inner"):
                inner = traceparent.current.get()

    assert inner.trace_id == outer.trace_id
    assert inner.span_id != outer.span_id
    assert health["tracing"].state is State.DISABLED
