"""OSAPI as real processes: a broker, controllers and agents of one installation, on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(check: Callable[[], Any], *, within: float = PATIENCE) -> Any:
    """The first true value of `check`; its last one in the failure."""
    end = time.monotonic() + within
    while not (found := check()):
        assert time.monotonic() < end, f"not within {within:g} s: {found!r}"
        time.sleep(0.05)
    return found


class Daemon:
    """One process of OSAPI, its output in a file that former ones of its name may have begun."""

    def __init__(
        self, words: list[str], env: Mapping[str, str], log: Path, ready: Callable[["Daemon"], bool]
    ) -> None:
        self.words, self.env, self.log, self.ready = words, dict(env), log, ready
        self.process: subprocess.Popen[bytes] | None = None
        self.begin = 0

    def start(self) -> "Daemon":
        with self.log.open("ab") as out:
            self.begin = out.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "osapi.cli.main", *self.words],
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return self

    def until_ready(self) -> "Daemon":
        eventually(lambda: self.ready(self))
        return self

    def said(self, words: str) -> bool:
        """Whether it has said something; a failure at once where it has ended instead."""
        found = words in self.text
        assert found or self.process is None or self.process.poll() is None, f"ended: {self.text}"
        return found

    @property
    def text(self) -> str:
        """What it has said, without what its predecessors did."""
        return self.log.read_bytes()[self.begin :].decode() if self.log.exists() else ""

    @property
    def family(self) -> list[psutil.Process]:
        """It and all that it has started."""
        assert self.process
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def freeze(self) -> None:
        """Stop it and all that it has started, until `thaw`."""
        for process in self.family:
            process.suspend()
        eventually(lambda: all(p.status() == psutil.STATUS_STOPPED for p in self.family))

    def thaw(self) -> None:
        for process in self.family:
            process.resume()

    def send(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.wait()

    def wait(self, within: float = PATIENCE) -> int:
        assert self.process
        return self.process.wait(within)

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(*daemons: Daemon) -> None:
    """Start some at once, and wait until all are ready."""
    for daemon in daemons:
        daemon.start()
    for daemon in daemons:
        daemon.until_ready()


def kill(*daemons: Daemon) -> None:
    """SIGKILL, all in the same moment; commands that an agent had started go on."""
    for daemon in daemons:
        daemon.send(signal.SIGKILL)
    for daemon in daemons:
        daemon.wait()


class Installation:
    """A broker, controllers and agents that are started as a test asks for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker_port, self.port = free_port(), free_port()
        self.daemons: list[Daemon] = []
        self.env = {
            "OSAPI_STATE_DIR": str(folder / "state"),
            "OSAPI_NATS_SERVER_PORT": str(self.broker_port),
            "OSAPI_CONTROLLER_NATS_PORT": str(self.broker_port),
            "OSAPI_AGENT_NATS_PORT": str(self.broker_port),
            "OSAPI_CONTROLLER_API_PORT": str(self.port),
            "OSAPI_CONTROLLER_API_HOST": "127.0.0.1",
            "NO_COLOR": "1",
            "COLUMNS": "100",
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.folder / "state" / "admin.token").read_text().strip()

    def daemon(
        self, name: str, *words: str, ready: Callable[[Daemon], bool] = lambda _: True, **env: str
    ) -> Daemon:
        found = Daemon(list(words), {**self.env, **env}, self.folder / f"{name}.log", ready)
        self.daemons.append(found)
        return found.start()

    def everything(self) -> Daemon:
        """`osapi start`, ready."""
        return self.daemon("osapi", "start", ready=lambda daemon: daemon.said("OSAPI is up")).until_ready()

    def broker(self) -> Daemon:
        """The broker, listening."""

        def ready(daemon: Daemon) -> bool:
            return listens(self.broker_port) or daemon.said("never")

        return self.daemon("broker", "nats", "server", "start", ready=ready).until_ready()

    def controller(self, name: str = "controller", **env: str) -> Daemon:
        """A controller, ready."""

        def ready(daemon: Daemon) -> bool:
            return daemon.said("OSAPI is up")

        return self.daemon(name, "controller", "start", ready=ready, **env).until_ready()

    def agent(self, name: str, *, labels: str = "", **env: str) -> Daemon:
        """An agent that calls itself `name`, with a state directory and a machine id of its own; ready."""
        password = self.folder / "state" / "broker.password"
        return self.daemon(
            name,
            "agent",
            "start",
            ready=lambda daemon: daemon.said("agent ready"),
            **{
                "OSAPI_STATE_DIR": str(self.folder / f"state-{name}"),
                "OSAPI_AGENT_HOSTNAME": name,
                "OSAPI_AGENT_MACHINE_ID": f"machine-{name}",
                "OSAPI_AGENT_LABELS": labels,
                "OSAPI_AGENT_NATS_AUTH_TYPE": "user_pass",
                "OSAPI_AGENT_NATS_AUTH_USERNAME": "osapi",
                "OSAPI_AGENT_NATS_AUTH_PASSWORD": password.read_text().strip(),
                **env,
            },
        ).until_ready()

    def cli(
        self, *words: str, check: int | None = None, typed: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """The real command line, as a user of this machine would call it; `typed` is on its standard input."""
        done = subprocess.run(
            [sys.executable, "-m", "osapi.cli.main", *words],
            env={**os.environ, **self.env, **env},
            input=typed,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        if check is not None:
            assert done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *words: str) -> Any:
        return json.loads(self.cli(*words, "--json", check=0).stdout)

    def http(self, token: str | None = None) -> httpx.Client:
        """A plain HTTP client with the admin's token, another, or none ("")."""
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def beside(self, name: str) -> "Installation":
        """Another machine of this installation, for a second controller: the same broker, users and keys."""
        other = Installation(self.folder / name)
        other.folder.mkdir()
        other.daemons = self.daemons
        own = self.folder / "state"
        other.env |= {
            "OSAPI_CONTROLLER_NATS_PORT": str(self.broker_port),
            "OSAPI_CONTROLLER_API_SECURITY_SIGNING_KEY": (own / "signing.key").read_text().strip(),
            "OSAPI_CONTROLLER_NATS_AUTH_TYPE": "user_pass",
            "OSAPI_CONTROLLER_NATS_AUTH_USERNAME": "osapi",
            "OSAPI_CONTROLLER_NATS_AUTH_PASSWORD": (own / "broker.password").read_text().strip(),
        }
        return other

    def close(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.close()


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    found = Installation(folder)
    try:
        yield found
    finally:
        found.close()
