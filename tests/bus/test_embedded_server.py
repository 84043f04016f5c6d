"""The nats-server that OSAPI brings along, as a child of the process that serves it."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading

import attrs
import psutil
import pytest
import trio
from structlog.testing import capture_logs

from osapi.bus import BucketSpec
from osapi.bus.bridge import NatsBus
from osapi.bus.server import ServerSettings, serve
from osapi.errors import ConfigError, Error


@pytest.fixture
def settings(tmp_path, free_port):
    return ServerSettings(host="127.0.0.1", port=free_port, store_dir=tmp_path / "state" / "nats")


@pytest.fixture
def start(nursery):
    async def start(settings):
        await nursery.start(lambda task_status: serve(settings, task_status))

    return start


@pytest.fixture
def connect_to(nursery):
    async def connect_to(settings, **login):
        bus = NatsBus([f"nats://{settings.host}:{settings.port}"], name="test", **login)
        await nursery.start(bus.run)
        return bus

    return connect_to


def _server():
    """The nats-server among our children."""
    children = psutil.Process().children(recursive=True)
    child = max(children, key=lambda each: each.create_time())  # fixtures of a whole run may have others
    assert child.name() == "nats-server"
    return child


async def _refused(settings):
    with trio.fail_after(30), pytest.raises(ConfigError) as caught:
        await serve(settings, trio.TASK_STATUS_IGNORED)
    return str(caught.value)


async def test_once_started_it_takes_connections_and_has_jetstream(settings, start, connect_to):
    await start(settings)

    bus = await connect_to(settings)
    bucket = await bus.bucket(BucketSpec(name="things"))

    assert await bucket.put("a", b"x") == 1


async def test_it_writes_through_to_the_disk_unless_told_otherwise(settings, start):
    await start(settings)

    config = json.loads((settings.store_dir / "nats-server.conf").read_text())

    assert config["jetstream"]["sync_interval"] == "always"


async def test_only_its_owner_reads_its_files_and_no_password_is_on_a_command_line(
    settings, start, connect_to
):
    password = "s3cret \"'\\$x{ä"
    old = os.umask(0)
    try:
        await start(attrs.evolve(settings, users=[("osapi", password), ("other", "x")]))
    finally:
        os.umask(old)

    bus = await connect_to(settings, user="osapi", password=password)
    await bus.flush()
    for path in (settings.store_dir, settings.store_dir / "nats-server.conf"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert "s3cret" not in " ".join(_server().cmdline())
    assert "s3cret" not in repr(attrs.evolve(settings, users=[("osapi", password)]))


async def test_users_by_nkey_are_let_in(settings, start, connect_to, tmp_path):
    import nkeys

    seed = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
    (tmp_path / "user.nk").write_bytes(seed)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    await start(attrs.evolve(settings, nkeys=[public]))

    bus = await connect_to(settings, nkey_file=str(tmp_path / "user.nk"))
    await bus.flush()

    assert await _login_refused(settings)


async def _login_refused(settings):
    bus = NatsBus([f"nats://{settings.host}:{settings.port}"], name="stranger")
    with pytest.raises(ConfigError):
        await bus.run(trio.TASK_STATUS_IGNORED)
    return True


async def test_what_was_stored_is_there_after_a_restart(settings, connect_to):
    for expected in (None, b"x"):
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: serve(settings, task_status))
            bus = NatsBus([f"nats://127.0.0.1:{settings.port}"], name="test")
            await nursery.start(bus.run)
            bucket = await bus.bucket(BucketSpec(name="things"))
            entry = await bucket.get("a")
            await bucket.put("a", b"x")
            nursery.cancel_scope.cancel()
        assert (entry and entry.value) == expected


async def test_cancelling_ends_it_and_leaves_no_child_and_no_thread(settings):
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: serve(settings, task_status))
        bus = NatsBus([f"nats://127.0.0.1:{settings.port}"], name="test")
        await nursery.start(bus.run)
        child = _server()
        nursery.cancel_scope.cancel()

    assert not child.is_running()
    assert [thread for thread in threading.enumerate() if thread.name == "nats"] == []


async def test_a_port_in_use_is_one_clear_line(settings):
    with socket.socket() as other:
        other.bind((settings.host, settings.port))
        other.listen()

        said = await _refused(settings)

    assert said.startswith(f"nats.server.port: {settings.port} is in use by another program")


async def test_a_port_that_becomes_free_in_time_is_taken(settings, start, connect_to, nursery):
    other = socket.socket()
    other.bind((settings.host, settings.port))
    other.listen()

    async def make_way():
        await trio.sleep(1)
        other.close()

    nursery.start_soon(make_way)
    await start(settings)

    await (await connect_to(settings)).flush()


async def test_a_store_in_use_is_one_clear_line(settings, start):
    await start(settings)

    said = await _refused(attrs.evolve(settings, port=settings.port + 1))

    assert said == f"nats.server.store_dir: {settings.store_dir} is in use by another server"


async def test_a_store_that_cannot_be_made_is_one_clear_line(settings, tmp_path):
    (tmp_path / "file").write_text("")

    said = await _refused(attrs.evolve(settings, store_dir=tmp_path / "file" / "nats"))

    assert said == f"nats.server.store_dir: {tmp_path}/file/nats: Not a directory"


async def test_a_server_that_ends_by_itself_is_an_error(settings):
    with pytest.RaisesGroup(pytest.RaisesExc(Error, match="nats-server has ended: status -9")):
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: serve(settings, task_status))
            _server().kill()


async def test_a_config_the_server_refuses_is_one_clear_line_with_its_reason(settings):
    said = await _refused(attrs.evolve(settings, nkeys=["nonsense"]))

    assert said.startswith("nats-server does not start: ")
    assert "Not a valid public nkey" in said
    assert "\n" not in said


async def test_what_the_server_says_is_logged(settings, start):
    with capture_logs() as logs:
        await start(settings)

    assert any("Server is ready" in entry.get("said", "") for entry in logs)
    assert {entry["log_level"] for entry in logs} == {"debug"}


PARENT = """
import sys, structlog, trio
from pathlib import Path
from osapi.bus.server import ServerSettings, serve

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

async def main():
    async with trio.open_nursery() as nursery:
        settings = ServerSettings(host="127.0.0.1", port=int(sys.argv[1]), store_dir=Path(sys.argv[2]))
        await nursery.start(lambda task_status: serve(settings, task_status))
        print("serving", flush=True)

trio.run(main)
"""


async def _start_parent(settings):
    """A process that serves, and the child it has."""
    argv = [sys.executable, "-c", PARENT, str(settings.port), str(settings.store_dir)]
    parent = await trio.lowlevel.open_process(argv, stdout=subprocess.PIPE)
    async with parent.stdout as output:
        with trio.fail_after(30):
            said = b""
            while b"serving\n" not in said:  # to the end of the line: it may come in two writes
                said += await output.receive_some()
    [child] = psutil.Process(parent.pid).children()
    assert child.name() == "nats-server"
    return parent, child


async def _kill(parent):
    parent.kill()
    await parent.wait()


async def test_the_child_of_a_killed_parent_goes_too_and_a_restart_works_at_once(
    settings, start, connect_to, until
):
    parent, first = await _start_parent(settings)
    await _kill(parent)
    parent, second = await _start_parent(settings)
    await _kill(parent)
    await start(settings)

    await (await connect_to(settings)).flush()

    await until(lambda: _gone(first) and _gone(second))


async def test_the_child_does_not_hang_on_a_thread_that_ends(settings):
    parent, child = await _start_parent(settings)
    try:
        await trio.sleep(11)  # idle threads of trio end after ten seconds

        assert not _gone(child)
    finally:
        await _kill(parent)


def _gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
