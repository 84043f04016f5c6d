"""The command line, run for real against a controller of the test's own."""

import os
import subprocess
import sys
import threading

import attrs
import pytest
from answering import Controller, Handler, Server

from osapi.cli import main


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


@pytest.fixture
def program(environ):
    """Run the program itself."""

    def run(*words, **more):
        done = subprocess.run(
            [sys.executable, "-m", "osapi.cli.main", *words],
            env=environ | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run
