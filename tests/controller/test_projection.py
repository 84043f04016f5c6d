"""The index of jobs: what it counts, lists and forgets."""

from datetime import timedelta

import pytest

from controller.projection import Jobs
from osapi import wire
from osapi.bus import Entry
from osapi.errors import NotFound
from osapi.jobs import Answer, Job, JobHost, Overall, State, now

HOSTS = [JobHost(machine_id=f"m{i}", hostname=f"web-{i}") for i in range(3)]
BEGAN = now()


def job(number, *, hosts=HOSTS, any_host=False):
    return Job(
        id=f"00000000-0000-0000-0000-{number:012}",
        operation="node.disk",
        params={},
        target="_any" if any_host else "_all",
        hosts=hosts,
        user="anna",
        created=BEGAN + timedelta(seconds=number),
        expires=BEGAN + timedelta(seconds=number + 30),
        any_host=any_host,
    )


def answer(definition, host, state=State.COMPLETED):
    return Answer(job_id=definition.id, machine_id=host, hostname=host, state=state, finished=now())


def loaded(*definitions):
    jobs = Jobs()
    for definition in definitions:
        jobs.add(definition, 1)
    jobs.loaded()
    return jobs


def test_a_job_is_done_when_every_host_has_answered():
    first = job(1)
    jobs = loaded(first)

    for host in ("m0", "m1", "m2"):
        assert not jobs.find(first.id).final
        jobs.apply_answer(answer(first, host))

    assert jobs.find(first.id).overall is Overall.COMPLETED
    assert jobs.counts[Overall.COMPLETED] == 1
    assert jobs.counts[Overall.SUBMITTED] == jobs.counts[Overall.PROCESSING] == 0


def test_a_failure_beside_a_success_is_partial():
    first = job(1)
    jobs = loaded(first)

    jobs.apply_answer(answer(first, "m0"))
    jobs.apply_answer(answer(first, "m1", State.FAILED))
    jobs.apply_answer(answer(first, "m2", State.SKIPPED))

    assert jobs.find(first.id).overall is Overall.PARTIAL_FAILURE


def test_one_answer_ends_a_job_for_any_host():
    first = job(1, any_host=True)
    jobs = loaded(first)

    jobs.move(jobs.find(first.id), "m1", State.ACCEPTED)
    assert jobs.find(first.id).overall is Overall.PROCESSING
    jobs.apply_answer(answer(first, "m2"))

    assert jobs.find(first.id).overall is Overall.COMPLETED


def test_the_same_answer_twice_counts_once():
    first = job(1, hosts=HOSTS[:1])
    jobs = loaded(first)

    jobs.apply_answer(answer(first, "m0"))
    jobs.apply_answer(answer(first, "m0"))

    assert sum(jobs.counts.values()) == 1


def test_what_a_host_says_late_replaces_what_was_assumed_of_it():
    first = job(1, hosts=HOSTS[:1])
    jobs = loaded(first)

    jobs.apply_answer(answer(first, "m0", State.LOST))
    jobs.apply_answer(answer(first, "m0", State.COMPLETED))

    assert jobs.find(first.id).overall is Overall.COMPLETED
    assert jobs.counts[Overall.FAILED] == 0


def test_lists_begin_with_the_newest_and_go_on_after_a_position():
    jobs = loaded(*(job(number) for number in (2, 1, 4, 3)))

    newest = [record.id[-1] for record in jobs.newest(None)]
    position = jobs.find(job(3).id).order

    assert newest == ["4", "3", "2", "1"]
    assert [record.id[-1] for record in jobs.newest(None, position)] == ["2", "1"]
    assert not list(jobs.newest(Overall.COMPLETED))


def test_a_deleted_job_is_forgotten_and_its_waiters_go_on():
    first = job(1)
    jobs = loaded(first)
    record = jobs.find(first.id)

    jobs.apply(Entry(f"jobs.{first.id}", None, 2, 0.0))

    assert record.done.is_set()
    assert sum(jobs.counts.values()) == 0
    with pytest.raises(NotFound):
        jobs.find(first.id)


def test_open_jobs_are_reported_once_all_has_been_read():
    opened = []
    jobs = Jobs(opened=lambda record: opened.append(record.id))
    first, second = job(1, hosts=HOSTS[:1]), job(2)

    for definition in (first, second):
        jobs.apply(Entry(f"jobs.{definition.id}", wire.encode(definition), 1, 0.0))
    jobs.apply(Entry(f"answers.{first.id}.m0", wire.encode(answer(first, "m0")), 1, 0.0))
    assert opened == []
    jobs.loaded()

    assert opened == [second.id]


def test_an_entry_that_cannot_be_read_is_passed_over():
    jobs = loaded()

    jobs.apply(Entry("jobs.x", b"{not json", 1, 0.0))
    jobs.apply(Entry("jobs.x", b'{"id": 1}', 1, 0.0))

    assert jobs.records == {}
