"""Whether an agent takes jobs, and who learns of it."""

import trio
import trio.testing

from agent.lifecycle import Standing, follow_drain
from osapi.bus import Entry
from osapi.errors import Unavailable
from osapi.registry import AgentState

DRAINED = Entry("drain.m", b"1", 1, 0.0)
GONE = Entry("drain.m", None, 2, 0.0)


class Kept:
    """A bucket that holds one entry, or is away."""

    def __init__(self, entry=None):
        self.entry, self.away, self.asked = entry, False, 0

    async def get(self, key):
        assert key == "drain.m"
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if self.away:
            raise Unavailable("the broker is away")
        return self.entry


def test_it_drains_while_jobs_run_and_is_cordoned_once_none_does():
    standing, seen = Standing(), []

    for act in (
        lambda: standing.count(2),
        lambda: standing.drain(True),
        lambda: standing.count(1),
        lambda: standing.count(0),
        lambda: standing.drain(False),
    ):
        act()
        seen.append((standing.state, standing.takes_jobs))

    assert seen == [
        (AgentState.READY, True),
        (AgentState.DRAINING, False),
        (AgentState.DRAINING, False),
        (AgentState.CORDONED, False),
        (AgentState.READY, True),
    ]


async def test_a_change_reaches_those_who_wait_for_it_and_no_other_does(nursery):
    standing, woken = Standing(jobs=1), []

    async def waits(name, wait, state):
        await wait(state)
        woken.append(name)

    nursery.start_soon(waits, "left ready", standing.leaves, AgentState.READY)
    nursery.start_soon(waits, "cordoned", standing.becomes, AgentState.CORDONED)
    await trio.testing.wait_all_tasks_blocked()
    assert woken == []

    standing.drain(True)
    await trio.testing.wait_all_tasks_blocked()
    assert woken == ["left ready"]

    standing.count(0)
    await trio.testing.wait_all_tasks_blocked()
    assert woken == ["left ready", "cordoned"]


async def test_a_former_drain_is_known_before_anything_is_taken(nursery):
    standing = Standing()

    await nursery.start(follow_drain, Kept(DRAINED), "m", standing, 10.0)

    assert standing.state is AgentState.CORDONED
    nursery.cancel_scope.cancel()


async def test_it_looks_at_once_when_it_is_woken_and_now_and_then_anyway(nursery, autojump_clock):
    standing, bucket = Standing(), Kept()
    await nursery.start(follow_drain, bucket, "m", standing, 10.0)
    began = trio.current_time()

    bucket.entry = DRAINED
    standing.look()
    await standing.becomes(AgentState.CORDONED)
    assert trio.current_time() == began

    bucket.entry = GONE
    await standing.becomes(AgentState.READY)
    assert trio.current_time() == began + 10
    nursery.cancel_scope.cancel()


async def test_while_the_broker_is_away_it_stays_as_it_is(nursery, autojump_clock):
    standing, bucket = Standing(), Kept(DRAINED)
    await nursery.start(follow_drain, bucket, "m", standing, 10.0)

    bucket.away, bucket.entry = True, None
    await trio.sleep(60)
    assert standing.state is AgentState.CORDONED

    bucket.away = False
    with trio.fail_after(2):
        await standing.becomes(AgentState.READY)
    nursery.cancel_scope.cancel()
