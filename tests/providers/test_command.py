"""Commands of users: real ones."""

import attrs
import pytest
import trio

from agent.dispatch import perform
from agent.host import Host
from osapi.jobs import State
from osapi.operations import command


@pytest.fixture
def host(tmp_path):
    """A host whose root is a temporary folder, and whose programs are those of this machine."""
    return Host(root=tmp_path)


async def test_exec_runs_a_program_without_a_shell(host):
    performed = await perform(host, command.Exec(command="echo", args=["$HOME;", "a  b"]))

    assert performed.result.stdout == "$HOME; a  b\n"
    assert performed.changed


async def test_shell_runs_a_command_line(host):
    performed = await perform(host, command.Shell(command="echo out; echo err >&2; exit 3"))

    found = performed.result
    assert (found.stdout, found.stderr, found.exit_code) == ("out\n", "err\n", 3)
    assert (performed.state, found.duration_ms >= 0) == (State.COMPLETED, True)


async def test_a_command_runs_in_the_folder_it_is_given(host):
    (host.root / "srv").mkdir()

    performed = await perform(host, command.Exec(command="pwd", cwd="/srv"))

    assert performed.result.stdout == f"{host.root}/srv\n"


@pytest.mark.parametrize(
    ("ask", "code", "named"),
    [
        (command.Exec(command="no-such-program"), "not_found", "no-such-program"),
        (command.Exec(command="true", cwd="/no-such-folder"), "not_found", "no-such-folder"),
        (command.Exec(command="/usr"), "refused", "permission denied: /usr"),
        (command.Exec(command="echo", args=["x" * 131072] * 40), "failed", "echo cannot be started"),
    ],
)
async def test_what_cannot_be_started_is_named(host, ask, code, named):
    performed = await perform(host, ask)

    assert (performed.state, performed.code) == (State.FAILED, code)
    assert named in performed.error


async def test_output_is_told_while_the_command_runs(host):
    heard, first = [], trio.Event()
    ask = command.Shell(command="echo first; while [ ! -e go ]; do sleep 0.01; done; echo last >&2")

    def emit(stream, text):
        heard.append((stream, text))
        first.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(perform, attrs.evolve(host, emit=emit), ask)
        with trio.fail_after(30):
            await first.wait()
        before = list(heard)
        (host.root / "go").touch()

    assert before == [("stdout", "first\n")]
    assert heard == [("stdout", "first\n"), ("stderr", "last\n")]


async def test_output_beyond_the_limit_is_cut_in_the_middle_with_a_mark(host):
    small = attrs.evolve(host, output_limit=20)

    performed = await perform(small, command.Shell(command="printf 0123456789; seq 1000; printf abcdefghij"))

    # seq prints 3893 bytes
    assert performed.result.stdout == "0123456789\n[… 3893 bytes left out …]\nabcdefghij"


async def test_a_command_that_takes_too_long_fails_and_says_so(host):
    performed = await perform(host, command.Shell(command="echo begun; sleep 600", timeout=1))

    assert (performed.state, performed.code) == (State.FAILED, "timeout")
    assert performed.error == "/bin/sh took longer than 1 s and was ended"


async def test_a_dry_run_only_shows_the_command(host):
    performed = await perform(attrs.evolve(host, dry=True), command.Shell(command="touch made"))

    assert performed.plan.commands == [["/bin/sh", "-c", "touch made"]]
    assert not (host.root / "made").exists()
