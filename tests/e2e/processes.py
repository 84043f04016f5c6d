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

PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], Any], *, within: float = PATIENCE) -> Any:
    """The first true value of `check`; its last one in the failure."""
    end = time.monotonic() + within
    while not (found := check()):
        assert time.monotonic() < end, f"not within {within:g} s: {found!r}"
        time.sleep(0.05)
    return found


class Daemon:
    """One process of OSAPI, its output in a file."""

    def __init__(self, words: list[str], env: Mapping[str, str], log: Path) -> None:
        self.words, self.env, self.log = words, dict(env), log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Daemon":
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "osapi.cli.main", *self.words],
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return self

    def said(self, words: str) -> bool:
        """Whether it has said something; a failure at once where it has ended instead."""
        found = words in self.text
        assert found or self.process is None or self.process.poll() is None, f"ended: {self.text}"
        return found

    @property
    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

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
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


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

    def daemon(self, name: str, *words: str, **env: str) -> Daemon:
        found = Daemon(list(words), {**self.env, **env}, self.folder / f"{name}.log")
        self.daemons.append(found)
        return found.start()

    def everything(self) -> Daemon:
        """`osapi start`, ready."""
        daemon = self.daemon("osapi", "start")
        eventually(lambda: daemon.said("OSAPI is up"))
        return daemon

    def broker(self) -> Daemon:
        """The broker, listening."""
        daemon = self.daemon("broker", "nats", "server", "start")
        eventually(lambda: self._listens(self.broker_port) or daemon.said("never"))
        return daemon

    def controller(self, name: str = "controller", **env: str) -> Daemon:
        """A controller, ready."""
        daemon = self.daemon(name, "controller", "start", **env)
        eventually(lambda: daemon.said("OSAPI is up"))
        return daemon

    def agent(self, name: str, *, labels: str = "", **env: str) -> Daemon:
        """An agent that calls itself `name`, with a state directory and a machine id of its own; ready."""
        password = self.folder / "state" / "broker.password"
        daemon = self.daemon(
            name,
            "agent",
            "start",
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
        )
        eventually(lambda: daemon.said("agent ready"))
        return daemon

    def cli(self, *words: str, check: int | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """The real command line, as a user of this machine would call it."""
        done = subprocess.run(
            [sys.executable, "-m", "osapi.cli.main", *words],
            env={**os.environ, **self.env, **env},
            stdin=subprocess.DEVNULL,
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

    def close(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.close()

    def _listens(self, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    found = Installation(folder)
    try:
        yield found
    finally:
        found.close()
