"""How components are kept running."""

import pytest
import trio
import trio.testing

from osapi.supervise import Backoff, State, keep


async def test_a_component_that_crashes_is_started_again(autojump_clock, nursery):
    runs, health = [], {}

    async def flaky(task_status):
        runs.append(trio.current_time())
        task_status.started()
        if len(runs) < 3:
            raise RuntimeError("boom")
        await trio.sleep_forever()

    await nursery.start(keep, "flaky", flaky, health)
    await trio.sleep(10)

    assert (len(runs), health["flaky"].state, health["flaky"].crashes) == (3, State.RUNNING, 2)


async def test_a_component_that_never_worked_ends_the_daemon(autojump_clock):
    async def broken(task_status):
        raise RuntimeError("no such port")

    with pytest.RaisesGroup(RuntimeError, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(keep, "broken", broken, {})


async def test_the_last_error_is_known_while_it_waits(autojump_clock, nursery):
    health = {}

    async def crash(task_status):
        task_status.started()
        raise OSError("link down")

    await nursery.start(keep, "net", crash, health)
    await trio.testing.wait_all_tasks_blocked()

    assert (health["net"].state, health["net"].error) == (State.WAITING, "OSError: link down")


async def test_a_component_that_is_done_is_not_started_again(autojump_clock, nursery):
    runs, health = [], {}

    async def short(task_status):
        runs.append(1)
        task_status.started()

    await nursery.start(keep, "short", short, health)
    await trio.sleep(100)

    assert (runs, health["short"].state) == ([1], State.DONE)


def test_pauses_grow_up_to_a_limit_and_never_agree():
    backoff = Backoff(first=1, most=8)

    pauses = {crashes: {backoff.after(crashes) for _ in range(20)} for crashes in (1, 2, 3, 4, 50)}

    for crashes, most in ((1, 1), (2, 2), (3, 4), (4, 8), (50, 8)):
        assert all(most / 2 <= pause <= most for pause in pauses[crashes])
        assert len(pauses[crashes]) > 1
