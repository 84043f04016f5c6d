"""What containers and commands in them write, on Engines that answer what real ones have answered."""

import sys
from functools import partial

import attrs
import pytest
import trio

from agent.dispatch import perform
from osapi import wire
from osapi.jobs import State
from osapi.operations.container import docker

EXEC = {"id": "web", "command": ["sh", "-c", "echo hello; echo bad >&2; exit 3"]}


async def test_a_command_ends_with_its_output_and_its_exit_code(ask, runs, told):
    performed = await ask(docker.Exec, **EXEC, env=["A=b"], working_dir="/srv")

    assert performed.result == docker.DockerExecuted(stdout="hello\n", stderr="bad\n", exit_code=3)
    assert "".join(text for stream, text in told if stream == "stdout") == "hello\n"
    assert runs.body("POST /containers/web/exec") == {
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": EXEC["command"],
        "Env": ["A=b"],
        "WorkingDir": "/srv",
    }


async def test_a_command_needs_a_container_that_runs(ask, exited):
    performed = await ask(docker.Exec, **EXEC)

    assert performed.code == "conflict"
    assert "not running" in performed.error


async def test_output_is_cut_at_the_limit_of_the_agent(host, runs):
    runs.captured["exec start"]["body"] = "".join(f"\x01\0\0\0\0\0\0\x0a{line:09}\n" for line in range(1000))

    performed = await perform(attrs.evolve(host, output_limit=100), wire.params(docker.Exec, EXEC))

    assert "[… 9900 bytes left out …]" in performed.result.stdout
    assert performed.result.stdout.endswith("000000999\n")


async def test_a_command_that_takes_too_long_is_an_error(ask, runs):
    runs.held.set()

    performed = await ask(docker.Exec, **EXEC, timeout=1)

    assert performed.code == "timeout"
    assert performed.error == "sh took longer than 1 s and was ended"


@pytest.mark.parametrize("engine", ["1.45"], indirect=True)
async def test_a_process_that_is_not_in_the_container_is_never_ended(ask, runs, nursery):
    runs.held.set()
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    another = await nursery.start(partial(trio.run_process, argv, check=False, start_new_session=True))
    runs.captured["exec ended"]["body"] |= {"Running": True, "Pid": another.pid}

    performed = await ask(docker.Exec, **EXEC, timeout=1)

    assert performed.error == "sh took longer than 1 s and still runs: this agent may not end it"
    assert another.poll() is None
    another.kill()


async def test_what_one_has_written_is_shown_by_stream(ask, runs):
    performed = await ask(docker.Logs, id="web", lines=10)

    assert {(each.stream, each.message) for each in performed.result.entries} == {
        ("stdout", "out"),
        ("stderr", "err"),
    }
    assert runs.asked[-1][2]["tail"] == "10"


async def test_what_one_has_written_to_a_terminal_is_shown_as_it_is(ask, runs):
    runs.answers({"GET /containers/web/json": "container tty", "GET /containers/web/logs": "logs tty"})

    performed = await ask(docker.Logs, id="web")

    assert [(each.stream, each.message) for each in performed.result.entries] == [
        ("stdout", "out"),
        ("stdout", "err"),
    ]


async def test_an_answer_that_is_cut_off_is_an_error(ask, runs):
    runs.captured["logs"]["body"] = runs.captured["logs"]["body"][:-1]

    performed = await ask(docker.Logs, id="web")

    assert performed.state is State.FAILED
    assert "in the middle of a frame" in performed.error


async def test_cancelling_ends_a_command_and_its_request(ask, runs):
    runs.held.set()

    with trio.move_on_after(0.5) as patience:
        await ask(docker.Exec, **EXEC)

    assert patience.cancelled_caught
    assert runs.asked[-1][1].startswith("/exec/")
