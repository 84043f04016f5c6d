"""The state directory: whose it is, and what racing and killed daemons make of it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from osapi.errors import ConfigError
from osapi.state import SYSTEM, StateDirectory, locate
from osapi.tokens import issue, verify

KEY = "0123456789abcdef" * 4


@pytest.fixture
def state(tmp_path):
    return StateDirectory(tmp_path / "state").create()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_directory_is_where_it_was_told_to_be(tmp_path):
    assert locate("/srv/a", {}) == Path("/srv/a")
    assert locate("/srv/a", {"OSAPI_STATE_DIR": "/srv/b"}) == Path("/srv/b")
    assert locate("", {}) == (SYSTEM if os.geteuid() == 0 else Path.home() / ".local/state/osapi")


def as_nobody(statement, **environ):
    """What a statement about `state` prints, or the error it ends with, as a user who may do nothing."""
    script = f"import os\nfrom pathlib import Path\nfrom osapi import state\nos.setuid(65534)\n{statement}"
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, env=os.environ | environ, capture_output=True, text=True
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")


@root_only
def test_a_user_has_a_directory_of_their_own():
    statement = "print(state.locate('', os.environ))"

    assert as_nobody(statement, XDG_STATE_HOME="/home/a/state", HOME="/home/a") == "/home/a/state/osapi"
    assert as_nobody(statement, XDG_STATE_HOME="relative", HOME="/home/a") == "/home/a/.local/state/osapi"


def test_everything_in_it_is_for_its_owner_only(state):
    previous = os.umask(0)
    try:
        fresh = StateDirectory(state.path / "deep" / "inside").create()
        fresh.admin_token(fresh.signing_key())
        fresh.broker_password()
        with fresh.lock("agent"), fresh.announced("http://x"):
            modes = {path.name: mode(path) for path in fresh.path.iterdir()}
    finally:
        os.umask(previous)

    assert mode(fresh.path) == 0o700
    assert modes == dict.fromkeys(
        ("signing.key", "admin.token", "broker.password", "agent.lock", "url"), 0o600
    )
    assert {path.name for path in fresh.path.iterdir()} == {*modes} - {"url"}


def test_a_directory_that_others_can_write_to_is_refused(state):
    state.path.chmod(0o770)

    with pytest.raises(ConfigError, match=r"others can write to it \(mode 0770\); allowed: 0700"):
        state.create()
    state.path.chmod(0o755)
    assert state.create() == state


@root_only
def test_a_directory_of_another_user_is_refused(state):
    os.chown(state.path, 65534, 65534)

    with pytest.raises(
        ConfigError, match=r"belongs to user 65534, and this runs as 0; change its owner, or set OS"
    ):
        state.create()


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(ConfigError, match=r"file/state: cannot be made: Not a directory"):
        StateDirectory(tmp_path / "file/state").create()
    with pytest.raises(ConfigError, match="cannot be made: File exists"):
        StateDirectory(tmp_path / "file").create()


def test_keys_are_made_once(state):
    key, password = state.signing_key(), state.broker_password()

    again = StateDirectory(state.path)

    assert len(key) == 64
    assert key != password
    assert (again.signing_key(), again.known_signing_key(), again.broker_password()) == (key, key, password)


async def test_racing_starts_agree_on_the_key(state):
    script = f"""
from pathlib import Path
from osapi.state import StateDirectory
print(StateDirectory(Path({str(state.path)!r})).signing_key())
"""
    keys = []

    async def start():
        done = await trio.run_process([sys.executable, "-c", script], capture_stdout=True)
        keys.append(done.stdout)

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(start)

    assert len(set(keys)) == 1
    assert [path.name for path in state.path.iterdir()] == ["signing.key"]


def test_racing_threads_agree_on_the_key(state):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: StateDirectory(state.path).signing_key(), range(64)))

    assert keys == {state.known_signing_key()}


def test_a_damaged_key_is_named_rather_than_used(state):
    (state.path / "signing.key").write_text("abc\n")

    with pytest.raises(ConfigError, match=r"signing.key: damaged; remove it"):
        state.signing_key()


def test_the_admin_token_stays_while_it_is_good(state):
    first = state.admin_token(KEY)

    assert state.admin_token(KEY) == first == state.known_token()
    assert verify(KEY, first).roles == ("admin",)


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "damaged",
        issue("another key, of some length", "admin", ["admin"]),
        issue(KEY, "admin", ["admin"], lifetime=29 * 86400),
    ],
)
def test_the_admin_token_is_renewed_when_it_is_damaged_or_of_another_key_or_nearly_over(state, kept):
    (state.path / "admin.token").write_text(kept)

    token = state.admin_token(KEY)

    assert token != kept
    assert verify(KEY, token).subject == "admin"
    assert state.known_token() == token


@root_only
def test_who_may_not_read_the_token_is_told_so(state):
    state.admin_token(KEY)

    said = as_nobody(f"state.StateDirectory(Path({str(state.path)!r})).known_token()")

    assert "osapi.errors.ConfigError" in said
    assert "admin.token: cannot be read: Permission denied; become its owner, or set OSAPI_STATE_DIR" in said


def test_the_url_is_there_while_the_controller_runs(state):
    with state.announced("http://127.0.0.1:8080"):
        during = state.url()

    assert during == "http://127.0.0.1:8080"
    assert state.url() == ""


def test_a_controller_that_ends_does_not_hide_the_one_that_took_over(state):
    with state.announced("http://127.0.0.1:1"):
        with state.announced("http://127.0.0.1:2"):
            pass
        (state.path / "url").write_text("http://127.0.0.1:3")

    assert state.url() == "http://127.0.0.1:3"


def test_a_second_daemon_of_a_name_is_refused_with_the_pid_of_the_first(state):
    expected = (
        rf"another controller \(pid {os.getpid()}\) already runs with state directory {state.path}; stop it"
    )

    with (
        state.lock("controller"),
        state.lock("agent"),
        pytest.raises(ConfigError, match=expected),
        state.lock("controller"),
    ):
        pytest.fail("two of them")

    with state.lock("controller"):
        assert (state.path / "controller.lock").read_text() == f"{os.getpid()}\n"


async def test_the_lock_goes_with_the_process_that_held_it(state):
    script = f"""
import sys
from pathlib import Path
from osapi.state import StateDirectory
with StateDirectory(Path({str(state.path)!r})).lock("agent"):
    print("held", flush=True)
    sys.stdin.read()
"""
    async with trio.open_nursery() as nursery:
        process = await nursery.start(run, script)
        with trio.fail_after(30):
            await process.stdout.receive_some()
        with pytest.raises(ConfigError, match=rf"another agent \(pid {process.pid}\)"), state.lock("agent"):
            pytest.fail("two of them")

        process.kill()
        await process.wait()

        with state.lock("agent"):
            pass
        nursery.cancel_scope.cancel()


async def run(script, task_status):
    command = [sys.executable, "-c", script]
    await trio.run_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, check=False, task_status=task_status
    )
