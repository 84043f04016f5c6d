"""Event streams: what a reader sees, resumes and misses."""

from contextlib import aclosing

import trio

from controller.events import Events
from controller.projection import record_of
from osapi.jobs import EventKind, Job, JobHost, State, now

JOB = Job(
    id="00000000-0000-0000-0000-000000000001",
    operation="node.disk",
    params={},
    target="web",
    hosts=[JobHost(machine_id="m", hostname="web")],
    user="anna",
    created=now(),
    expires=now(),
)


async def read(events, record, resume=None, most=100):
    found = []
    async with aclosing(events.stream(record, resume)) as frames:
        async for frame in frames:
            if frame.startswith(b"id"):
                found.append(frame.split(b"\n")[1].removeprefix(b"event: ").decode())
            if len(found) == most:
                break
    return found


def told(events, *kinds, job_id=JOB.id):
    for kind in kinds:
        events.tell(job_id, kind)


async def test_a_job_is_told_from_its_beginning_to_its_end():
    events, record = Events(), record_of(JOB, 1)

    told(events, EventKind.SUBMITTED, EventKind.ACCEPTED)
    told(events, EventKind.SUBMITTED, job_id="another")
    told(events, EventKind.OUTPUT, EventKind.COMPLETED)

    assert await read(events, record) == ["submitted", "accepted", "output", "completed"]


async def test_a_reader_that_comes_back_misses_nothing_and_sees_nothing_twice():
    events, record = Events(), record_of(JOB, 1)
    told(events, EventKind.SUBMITTED, EventKind.ACCEPTED, EventKind.COMPLETED)

    assert await read(events, record, f"{events.run}-1") == ["accepted", "completed"]


async def test_a_reader_from_another_run_is_told_of_the_gap():
    events, record = Events(), record_of(JOB, 1)
    record.move("m", State.COMPLETED)
    told(events, EventKind.SUBMITTED, EventKind.COMPLETED)

    assert await read(events, record, "another-7") == ["gap", "state"]


async def test_a_job_that_began_before_this_run_starts_with_where_it_is():
    events, record = Events(), record_of(JOB, 1)
    record.move("m", State.STARTED)
    told(events, EventKind.OUTPUT)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: _later(events))
        found = await read(events, record)

    assert found == ["state", "completed"]


async def _later(events):
    await trio.testing.wait_all_tasks_blocked()
    told(events, EventKind.COMPLETED)


async def test_a_stream_of_all_jobs_begins_now():
    events = Events()
    told(events, EventKind.SUBMITTED)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: _later(events))
        found = await read(events, None, most=1)

    assert found == ["completed"]


async def test_silence_is_broken_by_a_comment(autojump_clock):
    events = Events()

    frames = events.stream(None, None)
    frame = await anext(frames)
    await frames.aclose()

    assert frame.startswith(b":")


async def test_a_reader_that_is_too_slow_is_told():
    events, record = Events(), record_of(JOB, 1)
    told(events, EventKind.SUBMITTED)
    big = "x" * (1024 * 1024)
    for _ in range(40):
        events.tell(JOB.id, EventKind.OUTPUT, text=big)

    found = await read(events, record, f"{events.run}-1", most=1)

    assert found == ["gap"]


async def test_what_happens_while_an_event_is_sent_is_told_too(autojump_clock):
    events, record = Events(), record_of(JOB, 1)
    told(events, EventKind.SUBMITTED)
    follows = {b"submitted": EventKind.ACCEPTED, b"accepted": EventKind.COMPLETED}
    seen = []

    with trio.fail_after(60):
        async for frame in events.stream(record, None):
            if frame.startswith(b"id"):
                kind = frame.split(b"\n")[1].removeprefix(b"event: ")
                seen.append(kind)
                if kind in follows:
                    told(events, follows[kind])

    assert seen == [b"submitted", b"accepted", b"completed"]
