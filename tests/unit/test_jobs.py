"""What a job is in as a whole, of where it is on each host."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osapi import wire
from osapi.jobs import Answer, Job, JobHost, Overall, State, now, overall

S = State


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], Overall.SUBMITTED),
        ([S.SUBMITTED], Overall.SUBMITTED),
        ([S.SUBMITTED, S.SUBMITTED], Overall.SUBMITTED),
        ([S.ACCEPTED], Overall.PROCESSING),
        ([S.STARTED], Overall.PROCESSING),
        ([S.SUBMITTED, S.STARTED], Overall.PROCESSING),
        ([S.SUBMITTED, S.COMPLETED], Overall.PROCESSING),
        ([S.STARTED, S.FAILED], Overall.PROCESSING),
        ([S.COMPLETED], Overall.COMPLETED),
        ([S.COMPLETED, S.SKIPPED], Overall.COMPLETED),
        ([S.SKIPPED], Overall.SKIPPED),
        ([S.SKIPPED, S.SKIPPED], Overall.SKIPPED),
        ([S.FAILED], Overall.FAILED),
        ([S.FAILED, S.SKIPPED], Overall.FAILED),
        ([S.FAILED, S.COMPLETED], Overall.PARTIAL_FAILURE),
        ([S.FAILED, S.COMPLETED, S.SKIPPED], Overall.PARTIAL_FAILURE),
        ([S.EXPIRED], Overall.FAILED),
        ([S.CANCELLED], Overall.FAILED),
        ([S.UNKNOWN], Overall.FAILED),
        ([S.LOST], Overall.FAILED),
        ([S.LOST, S.COMPLETED], Overall.PARTIAL_FAILURE),
    ],
)
def test_a_job_as_a_whole(states, expected):
    assert overall(states) is expected


@given(st.lists(st.sampled_from(State), min_size=1))
def test_a_job_is_over_exactly_where_it_is_over_on_every_host(states):
    unfinished = overall(states) in {Overall.SUBMITTED, Overall.PROCESSING}

    assert unfinished is not all(state.final for state in states)


@given(st.lists(st.sampled_from(State)), st.randoms(use_true_random=False))
def test_the_order_of_hosts_does_not_matter(states, random):
    shuffled = random.sample(states, len(states))

    assert overall(shuffled) is overall(states)


def a_job(**other):
    created = now()
    given = {
        "id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "operation": "timezone.update",
        "params": {"timezone": "Europe/Berlin"},
        "target": "_all",
        "hosts": [JobHost(machine_id="m1", hostname="web-01")],
        "user": "me",
        "created": created,
        "expires": created + timedelta(seconds=30),
    }
    return Job(**given | other)


def test_a_job_travels_unchanged():
    job = a_job(dry_run=True, modifies=True, digest="00ff")

    assert wire.decode(Job, wire.encode(job)) == job


def test_an_answer_travels_unchanged():
    answer = Answer(
        job_id="1",
        machine_id="m1",
        hostname="web-01",
        state=State.FAILED,
        error="no",
        code="failed",
        finished=now(),
    )

    assert wire.decode(Answer, wire.encode(answer)) == answer


def test_a_job_expires_at_its_moment_and_not_before():
    job = a_job()

    assert not job.expired(job.expires - timedelta(microseconds=1))
    assert job.expired(job.expires)


@pytest.mark.parametrize(("modifies", "kind"), [(True, "modify"), (False, "query")])
def test_the_kind_of_a_job_is_the_word_in_its_subjects(modifies, kind):
    assert a_job(modifies=modifies).kind == kind
