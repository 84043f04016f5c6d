"""Docker Engines on unix sockets, which answer what real ones have answered.

Captured of Docker 20.10 (Debian 12, API 1.41) and 26.1 (Debian 13, API 1.45).
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs
import pytest

from agent.dispatch import perform
from osapi import wire

IMAGE = "10.77.0.1:5000/lab/box:1"
"""The one that was there."""
CAPTURED = Path(__file__).parent / "captured"
RAW = "application/vnd.docker.raw-stream"
PIECE = 5
"""Bytes that streams come in at a time."""


class Engine(ThreadingMixIn, UnixStreamServer):
    """Answers as told; of several answers to one request each is given once, the last one for ever.

    `asked` has the requests: method, path without version, query, and body. `go` ends a stream that is held.
    """

    def __init__(self, socket: Path, version: str) -> None:
        self.version, self.captured = version, json.loads((CAPTURED / f"engine-{version}.json").read_text())
        self.asked: list[tuple[str, str, dict[str, str], object]] = []
        self.held, self.go = threading.Event(), threading.Event()
        self._answers: dict[str, list[str]] = {}
        super().__init__(str(socket), Handler)

    def answers(self, names: Mapping[str, str | list[str]]) -> None:
        """Have requests, each `METHOD path`, answered with what was captured under a name."""
        for request, found in names.items():
            self._answers[request] = found if isinstance(found, list) else [found]

    def answer(self, request: str) -> dict[str, str | int]:
        names = self._answers.get(request)
        assert names, f"nobody told how to answer {request}"
        return self.captured[names.pop(0) if len(names) > 1 else names[0]]

    @property
    def changes(self) -> list[str]:
        """What was asked that changes anything."""
        return [f"{method} {path}" for method, path, _, _ in self.asked if method != "GET"]

    def body(self, request: str) -> object:
        """What a request had."""
        [found] = [body for method, path, _, body in self.asked if f"{method} {path}" == request]
        return found

    def described(self, name: str) -> dict[str, object]:
        """A captured answer."""
        return self.captured[name]["body"]


class Handler(BaseHTTPRequestHandler):
    server: Engine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/_ping":
            self._send(200, "text/plain", b"OK")
            return
        prefix, path = f"/v{self.server.version}/", unquote(url.path)
        assert path.startswith(prefix), path
        path = path.removeprefix(prefix[:-1])
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
        self.server.asked.append((self.command, path, dict(parse_qsl(url.query)), body))
        found = self.server.answer(f"{self.command} {path}")
        content = found["body"] if isinstance(found["body"], str) else json.dumps(found["body"])
        self._send(found["status"], found["type"], content.encode("latin-1"))

    do_POST = do_DELETE = do_GET  # noqa: N815 - as http.server calls them

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Api-Version", self.server.version)
        if kind:
            self.send_header("Content-Type", kind)
        if kind == RAW:
            self._raw(body)
        elif status in {204, 304}:
            self.end_headers()
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _raw(self, body: bytes) -> None:
        """A stream that ends with the connection, in small pieces; one that is held, before its end."""
        self.send_header("Connection", "close")
        self.end_headers()
        for start in range(0, len(body), PIECE):
            self.wfile.write(body[start : start + PIECE])
        if self.server.held.is_set():
            self.server.go.wait(30)

    def log_message(self, *_: object) -> None:
        """Requests are kept in `asked`."""


@contextmanager
def playing(root: Path, version: str) -> Iterator[Engine]:
    """An Engine of a version on the socket of a host."""
    socket = root / "var/run/docker.sock"
    socket.parent.mkdir(parents=True)
    with Engine(socket, version) as engine:
        serving = threading.Thread(target=engine.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            yield engine
        finally:
            engine.go.set()
            engine.shutdown()
            serving.join()


@pytest.fixture(params=["1.41", "1.45"])
def engine(request, host):
    """An Engine in which there is nothing; and each of two versions of it."""
    with playing(host.root, request.param) as found:
        yield found


@pytest.fixture
def told():
    """What jobs have told while they ran, by stream."""
    return []


@pytest.fixture
def ask(host, told):
    """How an operation ends on the host."""

    async def ask(operation, *, dry=False, **given):
        listening = attrs.evolve(host, dry=dry, emit=lambda *output: told.append(output))
        return await perform(listening, wire.params(operation, given))

    return ask


@pytest.fixture
def runs(engine):
    """An Engine in which web runs."""
    id, run = engine.described("create")["Id"], engine.described("exec")["Id"]
    engine.answers(
        {
            f"GET /images/{IMAGE}/json": "image",
            "GET /containers/web/json": "container running",
            f"GET /containers/{id}/json": "container running",
            "GET /containers/json": "containers",
            "GET /containers/web/logs": "logs",
            "POST /containers/web/exec": "exec",
            f"POST /exec/{run}/start": "exec start",
            f"GET /exec/{run}/json": "exec ended",
            "POST /containers/web/stop": "stop",
            "DELETE /containers/web": "remove",
        }
    )
    return engine


@pytest.fixture
def exited(runs):
    """An Engine in which web was there, and has ended."""
    id = runs.described("create")["Id"]
    runs.answers({"GET /containers/web/json": "container exited", f"POST /containers/{id}/start": "start"})
    return runs
