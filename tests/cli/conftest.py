"""The command line, run for real against a controller of the test's own."""

import asyncio
import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time

import attrs
import pytest
import trio
from answering import Controller, Handler, Server

from osapi.cli import main
from osapi.client import Client


@pytest.fixture
def controller():
    server = Server(("127.0.0.1", 0), Handler)
    server.controller = Controller(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.controller
    server.shutdown()
    thread.join()
    server.server_close()


@attrs.frozen
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def environ(controller, tmp_path):
    """An environment in which nothing but the controller of this test is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OSAPI_", "NO_COLOR"))}
    return kept | {
        "OSAPI_CONTROLLER_CLIENT_URL": controller.url,
        "OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN": "token",
        "OSAPI_STATE_DIR": str(tmp_path / "state"),
        "TZ": "UTC",
    }


@pytest.fixture
def osapi(environ, capsys, monkeypatch):
    """Run a command line in this process."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def run(*words):
        code = main.run([str(word) for word in words])
        done = capsys.readouterr()
        return Done(code, done.out, done.err)

    return run


@pytest.fixture(params=["trio", "asyncio"])
def both(request, controller):
    """Do something with the SDK on each of its event loops, and return what came of it."""

    def run(what, *arguments, **settings):
        async def done():
            async with Client(controller.url, "secret") as client:
                return await what(client, *arguments, **settings)

        return trio.run(done) if request.param == "trio" else asyncio.run(done())

    return run


@attrs.define
class Program:
    """Runs the program itself."""

    environ: dict
    started: list = attrs.field(factory=list)

    def __call__(self, *words, **more):
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=60)
        return Done(process.returncode, out, err)

    def start(self, *words, stdin=None, **more):
        process = subprocess.Popen(
            [sys.executable, "-m", "osapi.cli.main", *words],
            env=self.environ | more,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def on_terminal(self, *words, **more):
        """Run it on a terminal of 80 columns and 24 lines."""
        ours, its = pty.openpty()
        termios.tcsetwinsize(its, (24, 80))
        process = subprocess.Popen(
            [sys.executable, "-m", "osapi.cli.main", *words],
            env={"TERM": "xterm-256color"} | self.environ | more,
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,  # so that there is no other terminal to ask
        )
        os.close(its)
        self.started.append(process)
        return Screen(process, ours)

    def interrupt(self, process):
        process.send_signal(signal.SIGINT)
        return process.wait(30)

    def until(self, holds):
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def imported(self, done):
        """The modules that a run with PYTHONVERBOSE imported."""
        return set(re.findall(r"^import '([^']+)'", done.err, re.MULTILINE))


@attrs.define
class Screen:
    """All that a program has written on its terminal."""

    process: subprocess.Popen
    terminal: int
    text: str = ""

    def until(self, *parts):
        while not all(part in self.text for part in parts):
            assert select.select([self.terminal], [], [], 30)[0]
            self.text += os.read(self.terminal, 65536).decode()

    def finish(self):
        with contextlib.suppress(OSError):  # the terminal's other end is closed
            while part := os.read(self.terminal, 65536):
                self.text += part.decode()
        os.close(self.terminal)
        self.process.wait(30)
        return self.text

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.finish()


@pytest.fixture
def program(environ):
    program = Program(environ)
    yield program
    for process in program.started:
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            pipe.close()
