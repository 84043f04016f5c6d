"""The program as a process: what it imports, how it ends, and what it tells a shell."""

import os
import subprocess
import threading

import pytest
from answering import envelope, item


@pytest.mark.parametrize(
    ("words", "out"), [(["version"], '{"version":"0.1.0"}\n'), (["--version"], "osapi 0.1.0\n")]
)
def test_the_version_is_told_at_once(program, words, out):
    done = program(*words, PYTHONVERBOSE="1")

    assert (done.code, done.out) == (0, out)
    assert not {"asyncclick", "trio", "attrs", "httpx"} & program.imported(done)
    assert program(*words, "-d").out == out


def test_a_question_imports_no_more_than_it_needs(controller, program):
    controller.says("GET", "/api/node/_all/timezone", envelope(item(timezone="UTC", utc_offset="+00:00")))

    done = program("client", "node", "timezone", "get", "-j", PYTHONVERBOSE="1")

    imported = program.imported(done)
    assert done.code == 0
    assert {name for name in imported if name.startswith("osapi.operations.")} == {
        "osapi.operations.timezone"
    }
    assert not {name for name in imported if name.startswith("osapi.calls")}
    heavy = {
        "quart",
        "nats",
        "psutil",
        "structlog",
        "asyncio",
        "rich",
        "yaml",
        "pygments",
        "agent",
        "controller",
    }
    assert not heavy & imported


def test_ctrl_c_ends_it_quietly(controller, program):
    held = controller.says("GET", "/api/node/_all/uptime", envelope())
    held.when = threading.Event()

    process = program.start("client", "node", "uptime")
    program.until(lambda: controller.asked)
    code = program.interrupt(process)
    held.when.set()

    assert code == 130
    assert "Traceback" not in process.stderr.read()


def test_a_reader_that_goes_away_is_no_drama(controller, program):
    rows = [item(f"host-{n}-{'x' * 40}", uptime=f"{n}h") for n in range(2000)]
    controller.says("GET", "/api/node/_all/uptime", envelope(*rows))

    process = program.start("client", "node", "uptime")
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(30) == 1
    assert process.stderr.read() == ""


def test_warnings_of_python_are_not_for_users(controller, program):
    controller.says("GET", "/api/version", {"version": "1"})

    assert program("client", "version", PYTHONDEVMODE="1").err == ""


def test_an_argument_that_is_no_text_is_refused(program):
    done = program("client", "node", "hostname", "update", "--name", b"\xff")

    assert done.code == 2
    assert done.err == "Error: '\\udcff' is not UTF-8\n"


def test_debug_shows_where_an_error_came_from(program):
    done = program("client", "version", "-d", "--url", "http://127.0.0.1:1")

    assert done.code == 1
    assert "Traceback" in done.err
    assert done.err.splitlines()[-2].startswith("Error: no controller answers at http://127.0.0.1:1")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_one_that_it_understands(program, shell):
    done = program("completion", shell)

    assert (done.code, done.err) == (0, "")
    assert f"_OSAPI_COMPLETE={shell}_complete" in done.out
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.out, text=True, check=True, env=dict(os.environ))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("osapi c", {"client", "completion", "config", "context", "controller"}),
        ("osapi client node t", {"timezone"}),
        ("osapi client node timezone ", {"get", "update"}),
        ("osapi client node timezone update --time", {"--timezone"}),
        ("osapi client node process signal --signal ", {"TERM", "KILL", "HUP", "INT", "USR1", "USR2"}),
        ("osapi client job list --status c", {"completed"}),
        ("osapi client --o", {"--osapi-file", "--output"}),
        ("osapi completion ", {"bash", "zsh", "fish"}),
    ],
)  # fmt: skip
def test_a_shell_is_told_how_a_line_may_go_on(program, line, found):
    words = len(line.split()) - (0 if line.endswith(" ") else 1)

    done = program(_OSAPI_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(words))

    assert {each.partition(",")[2] for each in done.out.split()} == found
