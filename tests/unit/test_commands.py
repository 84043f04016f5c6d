"""Programs, and that nothing of them is left behind: real processes."""

import sys
from pathlib import Path

import psutil
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from agent.commands import LINGER, Output, environment, run_program, silent
from osapi.errors import TimedOut


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def started(file: Path) -> int:
    """The process id that a script writes to a file."""
    path, text = trio.Path(file), ""
    with trio.fail_after(30):
        while not text.endswith("\n"):
            await trio.sleep(0.01)
            text = await path.read_text() if await path.exists() else ""
    return int(text)


async def shell(folder: Path, script: str, timeout: float = 60, **options):
    return await run_program(["bash", "-c", script], cwd=folder, timeout=timeout, **options)


GRANDCHILDREN = pytest.mark.parametrize(
    "script",
    [
        "sleep 600 & echo $! > pid; wait",
        "(sleep 600 & echo $! > pid; wait); true",
        "set -m; sleep 600 & echo $! > pid; wait",
        "setsid sh -c 'echo $$ > pid; exec sleep 600'; true",
        "sh -c 'trap \"\" TERM; echo $$ > pid; while :; do sleep 1; done'; true",
    ],
    ids=["child", "grandchild", "another process group", "another session", "deaf to SIGTERM"],
)


async def test_a_program_that_takes_too_long_is_ended_with_all_it_started(tmp_path):
    with pytest.raises(TimedOut, match="bash took longer than 2 s and was ended"):
        await shell(tmp_path, "(sleep 600 & echo $! > pid; wait); true", timeout=2)

    assert not runs(await started(tmp_path / "pid"))


@GRANDCHILDREN
async def test_a_cancelled_program_is_ended_with_all_it_started(tmp_path, script):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell, tmp_path, script)
        pid = await started(tmp_path / "pid")
        nursery.cancel_scope.cancel()

    assert not runs(pid)


async def test_what_a_program_leaves_running_ends_with_it_and_is_not_waited_for(tmp_path):
    done = await shell(tmp_path, "sleep 600 & echo $! > pid; echo done")

    assert (done.stdout, done.exit_code) == ("done\n", 0)
    assert not runs(await started(tmp_path / "pid"))


async def test_what_ends_while_output_still_comes_has_not_taken_too_long(tmp_path):
    done = await shell(tmp_path, "sleep 600 & echo done", timeout=LINGER)

    assert done.stdout == "done\n"


async def test_output_that_comes_just_after_the_end_is_not_lost(tmp_path):
    done = await shell(tmp_path, "exec > >(sleep 0.1; cat); echo late")

    assert done.stdout == "late\n"


async def test_a_daemon_that_detaches_itself_is_left_alone(tmp_path):
    daemon = "import os; os.fork() and os._exit(0); os.setsid(); open('pid', 'w').write(f'{os.getpid()}\\n')"
    script = f"{daemon}; import time; time.sleep(600)"

    await shell(tmp_path, f'{sys.executable} -c "{script}" > /dev/null 2>&1')

    pid = await started(tmp_path / "pid")
    assert runs(pid)
    psutil.Process(pid).kill()


async def test_standard_input_is_closed_unless_there_is_input(tmp_path):
    without = await shell(tmp_path, "cat; echo end")
    given = await shell(tmp_path, "cat", input="secret")
    unread = await shell(tmp_path, "exec true", input="x" * 1_000_000)

    assert (without.stdout, given.stdout, unread.exit_code) == ("end\n", "secret", 0)


async def test_a_program_that_a_signal_ended_has_the_exit_code_of_a_shell(tmp_path):
    done = await shell(tmp_path, "kill -KILL $$")

    assert done.exit_code == 128 + 9


async def test_what_is_not_utf8_is_replaced(tmp_path):
    heard = []

    done = await shell(tmp_path, r"printf 'caf\351 \303\251'", emit=lambda *said: heard.append(said))

    assert done.stdout == "caf\N{REPLACEMENT CHARACTER} é"
    assert "".join(text for _, text in heard) == done.stdout


async def test_much_output_on_both_streams_does_not_stall(tmp_path):
    script = "import sys; [print('x' * 99, file=f) for _ in range(20000) for f in (sys.stdout, sys.stderr)]"

    done = await run_program([sys.executable, "-c", script], cwd=tmp_path, timeout=60, limit=1000)

    assert len(done.stdout) == len(done.stderr) == 1000 + len("\n[… 1999000 bytes left out …]\n")


def test_the_agents_own_secrets_are_not_handed_on():
    own = {"PATH": "/bin", "OSAPI_NATS_PASSWORD": "secret", "NOTIFY_SOCKET": "/run/x", "LC_ALL": "de_DE"}

    assert environment(own | {"HOME": "/home/x"}) == {"PATH": "/bin", "HOME": "/home/x", "LC_ALL": "C.UTF-8"}


def test_a_program_has_a_home_though_systemd_gave_the_agent_none():
    assert Path(environment({})["HOME"]).is_absolute()


@given(st.lists(st.binary(max_size=20)))
def test_output_is_told_as_it_would_read_in_one_piece(chunks):
    heard = []
    output = Output("stdout", None, lambda _, text: heard.append(text))

    for chunk in chunks:
        output.take(chunk)
    output.take(b"", final=True)

    whole = b"".join(chunks).decode(errors="replace")
    assert ("".join(heard), output.text()) == (whole, whole)


@given(st.text(max_size=60), st.integers(0, 40), st.integers(1, 7))
def test_long_output_keeps_its_beginning_and_end_whole_and_counts_the_rest(text, limit, step):
    data = text.encode()
    output = Output("stdout", limit, silent)

    for i in range(0, len(data), step):
        output.take(data[i : i + step])

    found = output.text()
    if len(data) <= limit:
        assert found == text
        return
    mark = next(line for line in found.split("\n[… ")[1:] if " bytes left out …]\n" in line)
    left_out = int(mark.split(" ")[0])
    head, tail = found.split(f"\n[… {left_out} bytes left out …]\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head.encode()) + left_out + len(tail.encode()) == len(data)
