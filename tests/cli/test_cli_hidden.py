"""Secrets on the command line, options with an opposite, and lists of nothing."""

import os
import subprocess

import pytest
from answering import envelope, item

PATH = "/api/node/web-01/user/alice/password"
SET = ("client", "node", "user", "password", "-T", "web-01", "--name", "alice")
UPDATE = ("client", "node", "user", "update", "-T", "web-01", "--name", "alice")
SECRET = "pa:ss 'w\" é"


@pytest.fixture
def controller(controller):
    for path in (PATH, PATH.removesuffix("/password")):
        controller.says("PUT" if path != PATH else "POST", path, envelope(item(name="alice", changed=True)))
    return controller


def told(controller):
    return controller.asked[0].body["password"]


def piped(program, text, *words):
    process = program.start(*words, stdin=subprocess.PIPE)
    out, err = process.communicate(text, timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("text", [f"{SECRET}\n", f"{SECRET}\nmore\n", SECRET, f"{SECRET}\r\n"])
def test_a_secret_is_read_from_standard_input(controller, program, text):
    code, out, err = piped(program, text, *SET, "--password", "-")

    assert (code, err, told(controller)) == (0, "", SECRET)
    assert SECRET not in out


def test_a_secret_in_a_command_line_is_taken_with_a_warning(controller, osapi):
    done = osapi(*SET, "--password", SECRET, "--json")

    assert (done.code, told(controller)) == (0, SECRET)
    assert done.err.startswith("Warning: --password: other users of this machine can see it")
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("", (), "--password: it is needed; `--password -` reads it from standard input"),
        ("", ("--password", "-"), "--password: there is none on standard input"),
        ("\n", ("--password", "-"), "--password: there is none on standard input"),
        ("x" * 512, ("--password", "-"), "--password"),
    ],
)
def test_without_a_secret_nothing_is_asked(controller, program, text, words, reason):
    code, _, err = piped(program, text, *SET, *words)

    assert (code, controller.asked) == (2, [])
    assert reason in err
    assert "x" * 512 not in err


def test_what_is_not_utf_8_is_refused(controller, program):
    process = program.start(*SET, "--password", "-", stdin=subprocess.PIPE)
    process.stdin.buffer.write(b"\xff\n")
    _, err = process.communicate(timeout=60)

    assert (process.returncode, controller.asked) == (2, [])
    assert "--password: what standard input has is not UTF-8" in err


@pytest.mark.parametrize("words", [(), ("--password", "-")])
def test_on_a_terminal_a_secret_is_asked_for_twice_and_not_shown(controller, program, words):
    screen = program.on_terminal(*SET, *words)
    screen.until("Password: ")
    os.write(screen.terminal, b"battery staple\n")
    screen.until("Repeat the password: ")
    os.write(screen.terminal, b"battery staple\n")

    shown = screen.finish()

    assert (screen.process.returncode, told(controller)) == (0, "battery staple")
    assert "battery" not in shown


def test_a_secret_that_is_typed_in_two_ways_is_not_sent(controller, program):
    screen = program.on_terminal(*SET)
    screen.until("Password: ")
    os.write(screen.terminal, b"battery\n")
    screen.until("Repeat the password: ")
    os.write(screen.terminal, b"staple\n")

    assert "the two are not the same" in screen.finish()
    assert (screen.process.returncode, controller.asked) == (2, [])


def test_a_secret_that_may_be_left_out_is_not_asked_for(controller, osapi):
    controller.says("POST", "/api/node/web-01/user", envelope(item(name="dora", changed=True)))

    done = osapi("client", "node", "user", "create", "-T", "web-01", "--name", "dora")

    assert (done.code, done.err) == (0, "")
    assert "password" not in controller.asked[0].body


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("--lock",), {"lock": True}),
        (("--unlock",), {"lock": False}),
        (("--lock", "false"), {"lock": False}),
        (("--shell", "/bin/sh", "--unlock"), {"shell": "/bin/sh", "lock": False}),
        (("--groups", ""), {"groups": []}),
        (("--groups", "sudo,users", "--groups", "ops"), {"groups": ["sudo", "users", "ops"]}),
    ],
)
def test_a_lock_has_an_opposite_and_a_list_may_be_of_nothing(controller, osapi, words, body):
    done = osapi(*UPDATE, *words)

    assert (done.code, controller.asked[0].body) == (0, body | {"force": False})


def test_an_option_and_its_opposite_are_refused(controller, osapi):
    done = osapi(*UPDATE, "--lock", "--unlock")

    assert (done.code, controller.asked) == (2, [])
    assert "--lock: --unlock is given too" in done.err


def test_the_help_names_both_and_its_example_has_no_secret(osapi):
    update, password = osapi(*UPDATE[:4], "-h").out, osapi(*SET[:4], "-h").out

    assert "--unlock" in update
    assert "osapi client node user password --target web-01 --name alice --password -\n" in password
    assert "(- reads it from standard input)" in " ".join(password.split())


def test_variables_that_are_sealed_are_given_as_any_list(controller, osapi):
    path = "/api/node/web-01/container/docker/web/exec"
    controller.says("POST", path, envelope(item(stdout="", stderr="", exit_code=0, changed=True)))

    command = ("client", "node", "container", "docker", "exec", "-T", "web-01", "--id", "web")
    done = osapi(*command, "--command", "env", "--env", "A=b", "--env", "C=d,E=f", "--json")

    assert (done.code, done.err) == (0, "")
    assert controller.asked[0].body["env"] == ["A=b", "C=d", "E=f"]
