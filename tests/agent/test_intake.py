"""Which jobs an agent takes."""

from datetime import timedelta

import attrs
import pytest
import trio

from agent.carry_out import Work
from agent.host import Host
from agent.identity import Identity
from agent.intake import LINE, Intake
from agent.journal import Journal
from osapi.jobs import Answer, Job, JobHost, State, Taking, now
from osapi.sealed import Opener

JOB = Job(
    id="00000000-0000-0000-0000-000000000001",
    operation="command.shell",
    params={"command": "true"},
    target="web",
    hosts=[JobHost(machine_id="m", hostname="web")],
    user="anna",
    created=now(),
    expires=now() + timedelta(hours=1),
    modifies=True,
    repeatable=False,
)


@pytest.fixture
def intake(tmp_path):
    with Journal.open(tmp_path / "journal.db") as journal:
        identity = Identity("m", Host(), Opener.of("00" * 32), "web")
        work = Work(identity, bus=None, subjects=None, buckets=None, store=None, journal=journal)
        yield Intake(work, max_jobs=2)


async def taking(intake, job):
    return (await intake.judge(job))[0]


async def test_a_new_job_is_taken(intake):
    assert await taking(intake, JOB) is Taking.ACCEPTED


async def test_a_job_that_runs_is_not_taken_twice(intake):
    intake.scopes[JOB.id] = trio.CancelScope()

    assert await taking(intake, JOB) is Taking.RUNNING


async def test_a_job_that_ended_is_answered_again_and_not_run(intake):
    answer = Answer(job_id=JOB.id, machine_id="m", hostname="web", state=State.COMPLETED)
    await intake.work.journal.begin(JOB)
    await intake.work.journal.finish(answer)

    assert await intake.judge(JOB) == (Taking.DONE, answer)


async def test_a_command_that_was_begun_by_a_former_run_is_answered_as_unknown(intake):
    await intake.work.journal.begin(JOB)

    verdict, answer = await intake.judge(JOB)

    assert (verdict, answer.state) == (Taking.DONE, State.UNKNOWN)


async def test_what_may_be_repeated_is_begun_again_after_a_crash(intake):
    job = attrs.evolve(JOB, repeatable=True)
    await intake.work.journal.begin(job)

    assert await taking(intake, job) is Taking.ACCEPTED


async def test_a_job_expires_by_the_brokers_clock_however_wrong_this_machines_is(intake):
    expired = attrs.evolve(JOB, expires=now() - timedelta(seconds=1))

    assert await taking(intake, expired) is Taking.EXPIRED
    intake.work.identity.skew = timedelta(minutes=-5)
    assert await taking(intake, expired) is Taking.ACCEPTED
    intake.work.identity.skew = timedelta(hours=2)
    assert await taking(intake, JOB) is Taking.EXPIRED


async def test_a_job_that_was_cancelled_before_it_came_is_refused(intake):
    intake.cancel(JOB.id)

    assert await taking(intake, JOB) is Taking.REFUSED


async def test_an_agent_that_is_full_leaves_a_job_for_any_host_to_another_and_its_own_waits(intake):
    for number in range(2):
        intake.scopes[str(number)] = trio.CancelScope()

    assert await taking(intake, attrs.evolve(JOB, any_host=True)) is Taking.BUSY
    assert await taking(intake, JOB) is Taking.ACCEPTED


async def test_a_line_has_an_end(intake):
    for number in range(2 + LINE):
        intake.scopes[str(number)] = trio.CancelScope()

    assert await taking(intake, JOB) is Taking.BUSY


async def test_a_drained_agent_is_busy_to_what_is_new_and_answers_what_it_has(intake):
    await intake.work.journal.begin(JOB)
    running, other = attrs.evolve(JOB, id="running"), attrs.evolve(JOB, id="other")
    intake.begin(running)

    intake.standing.drain(True)

    assert await taking(intake, other) is Taking.BUSY
    assert await taking(intake, attrs.evolve(other, any_host=True)) is Taking.BUSY
    assert await taking(intake, running) is Taking.RUNNING
    assert await taking(intake, JOB) is Taking.DONE
    assert await taking(intake, attrs.evolve(other, expires=now())) is Taking.EXPIRED
    intake.standing.drain(False)
    assert await taking(intake, other) is Taking.ACCEPTED
