"""A controller that answers what a test told it to, over real HTTP."""

import json
import socket
import threading
import time
from contextlib import suppress
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import attrs

JOB = "6f9619ff-8b86-4011-b42d-00c04fc964ff"


@attrs.define
class Answer:
    """An answer; it is held back until `when` is set. `frames` are sent one by one, each when its turn comes.

    `early` is said after so many seconds, without hearing more than the head of the request, and the last thing.
    """

    status: int = 200
    body: bytes = b""
    headers: dict = attrs.field(factory=dict)
    when: threading.Event | None = None
    frames: list = attrs.field(factory=list)
    early: float | None = None


@attrs.frozen
class Part:
    """A part of a form."""

    filename: str | None
    data: bytes


@attrs.define
class Asked:
    method: str
    path: str
    query: dict
    headers: dict
    body: object


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self):
        url = urlsplit(self.path)
        asked = Asked(
            self.command,
            url.path,
            {name: values[0] if len(values) == 1 else values for name, values in parse_qs(url.query).items()},
            {name.lower(): value for name, value in self.headers.items()},
            None,
        )
        controller = self.server.controller
        answer = controller.answer_to(asked)
        if answer.early is None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_form = self.headers.get_content_type() == "multipart/form-data"
            asked.body = form(self.headers["Content-Type"], body) if is_form else json.loads(body or b"null")
        else:
            time.sleep(answer.early)
            self.close_connection = True
        controller.asked.append(asked)
        self.tell(answer)
        if answer.early is not None:
            self.linger()

    def linger(self):
        """Hear on for a moment, as a controller does: who is hung up on while it sends may lose the answer."""
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1)
            while self.rfile.read1(65536):
                pass

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815 - as the standard library calls them

    def tell(self, answer):
        if answer.when:
            answer.when.wait(30)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.frames:
            self.send_header("Connection", "close")
            self.end_headers()
            for frame in answer.frames:
                if isinstance(frame, threading.Event):
                    frame.wait(30)
                else:
                    self.wfile.write(frame)
                    self.wfile.flush()
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else answer.body)

    def log_message(self, *_):
        pass


def form(content_type, body):
    """The parts of a multipart/form-data body in their order, as another implementation reads them."""
    message = BytesParser(policy=policy.HTTP).parsebytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + body
    )
    return {
        part.get_param("name", header="Content-Disposition"): Part(
            part.get_filename(), part.get_payload(decode=True)
        )
        for part in message.iter_parts()
    }


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request, client_address):
        """A client that goes away while it is answered is no error here."""


@attrs.define
class Controller:
    """What it was asked, and what it answers by method and path; the last of several answers stays."""

    url: str
    asked: list = attrs.field(factory=list)
    answers: dict = attrs.field(factory=dict)

    def says(self, method, path, body=None, status=200, *, early=None, **headers):
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = Answer(status, content, {"Content-Type": "application/json"} | headers, early=early)
        self.answers.setdefault((method, path), []).append(answer)
        return answer

    def streams(self, path, *frames):
        headers = {"Content-Type": "text/event-stream"}
        self.answers.setdefault(("GET", path), []).append(Answer(headers=headers, frames=list(frames)))

    def answer_to(self, asked):
        for path in (asked.path, asked.path.rpartition("/")[0] + "/*", "/api/job/*/events"):
            if found := self.answers.get((asked.method, path)):
                return found.pop(0) if len(found) > 1 else found[0]
        detail = f"nothing is at {asked.method} {asked.path}"
        return Answer(404, json.dumps({"status": 404, "code": 404, "detail": detail}).encode())


def item(hostname="web-01", status="ok", *, changed=False, **fields):
    """The answer of one host, as it lies in the envelope."""
    return {"hostname": hostname, "status": status, "changed": changed, **fields}


def envelope(*items):
    return {"job_id": JOB, "results": list(items)}


def frame(place, kind, **event):
    """A server-sent event."""
    data = {"job_id": JOB, "kind": kind, "time": "2026-11-22T10:00:00Z", **event}
    return f"id: r-{place}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()
