"""Processes: real ones."""

import os
import signal
import subprocess
import threading
from datetime import datetime

import attrs
import pytest
import trio

from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations import process

MISSING = 4194304
"""One more than the highest process id that Linux gives (pid_max of proc_sys_kernel(5))."""


@pytest.fixture
def sleeper():
    """A process that does nothing."""
    with subprocess.Popen(["sleep", "600"]) as found:
        yield found
        found.kill()


async def test_list_shows_what_runs(host, sleeper):
    performed = await perform(host, process.List())

    [found] = [one for one in performed.result.processes if one.pid == sleeper.pid]
    assert (found.name, found.command) == ("sleep", "sleep 600")
    assert datetime.fromisoformat(found.start_time).tzinfo
    assert found.mem_rss > 0


async def test_get_shows_one(host, sleeper):
    performed = await perform(host, process.Get(pid=sleeper.pid))

    assert (performed.result.process.pid, performed.result.process.name) == (sleeper.pid, "sleep")


async def test_a_process_that_has_ended_and_was_not_waited_for_still_has_a_name(host, sleeper):
    sleeper.kill()
    await trio.to_thread.run_sync(os.waitid, os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    performed = await perform(host, process.Get(pid=sleeper.pid))

    assert (performed.result.process.state, performed.result.process.command) == ("zombie", "[sleep]")


@pytest.mark.parametrize("ask", [process.Get(pid=MISSING), process.Signal(pid=MISSING, signal="TERM")])
async def test_a_process_that_is_not_there_is_not_found(host, ask):
    performed = await perform(host, ask)

    assert (performed.state, performed.code) == (State.FAILED, "not_found")
    assert str(MISSING) in performed.error


async def test_signal_reaches_the_process(host, sleeper):
    performed = await perform(host, process.Signal(pid=sleeper.pid, signal="INT"))

    assert performed.result == process.Signalled(changed=True, pid=sleeper.pid, signal="INT")
    assert await trio.to_thread.run_sync(sleeper.wait) == -signal.SIGINT


async def test_a_dry_run_sends_no_signal(host, sleeper):
    performed = await perform(attrs.evolve(host, dry=True), process.Signal(pid=sleeper.pid, signal="KILL"))

    assert performed.plan.commands == [["kill", "-s", "KILL", str(sleeper.pid)]]
    assert sleeper.poll() is None


@pytest.mark.parametrize("pid", [1, 0, -1, os.getpid()])
@pytest.mark.parametrize("dry", [False, True])
async def test_the_first_process_groups_and_the_agent_are_refused(host, pid, dry):
    performed = await perform(attrs.evolve(host, dry=dry), process.Signal(pid=pid, signal="USR1"))

    assert (performed.state, performed.code) == (State.FAILED, "refused")


async def test_a_thread_of_the_agent_is_no_way_around_that(host):
    ids = await trio.to_thread.run_sync(threading.get_native_id)

    performed = await perform(host, process.Signal(pid=ids, signal="TERM"))

    assert (performed.state, performed.code) == (State.FAILED, "not_found")
