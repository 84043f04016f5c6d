"""Collectors of traces that tests read: one that keeps what it is sent, over HTTP or gRPC, and Rotel before it."""

import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import grpc
import rotel
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from processes import eventually, free_port, listens


@attrs.frozen(kw_only=True)
class Seen:
    """A span that came."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool


@attrs.define
class Kept:
    """What a collector was sent, and with which headers."""

    port: int = 0
    spans: list[Seen] = attrs.field(factory=list)
    headers: list[dict[str, str]] = attrs.field(factory=list)

    def take(self, request: ExportTraceServiceRequest, headers: dict[str, str]) -> None:
        self.headers.append(headers)
        for resource in request.resource_spans:
            service = _plain(resource.resource.attributes)["service.name"]
            self.spans += [
                Seen(
                    service=service,
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    attributes=_plain(span.attributes),
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                )
                for scope in resource.scope_spans
                for span in scope.spans
            ]

    def of(self, trace_id: str) -> dict[str, Seen]:
        """The spans of a trace, by name."""
        return {span.name: span for span in self.spans if span.trace_id == trace_id}


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@attrs.frozen(kw_only=True)
class Authority:
    """A certificate authority, and a certificate of 127.0.0.1 that it has signed; all are files in PEM."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        found = cls(ca=folder / "ca.pem", certificate=folder / "server.pem", key=folder / "server.key")
        new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
        _openssl(*new, "-subj", "/CN=an authority", "-keyout", folder / "ca.key", "-out", found.ca)
        names = ("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE")
        signed = ("-CA", found.ca, "-CAkey", folder / "ca.key")
        _openssl(
            *new, "-subj", "/CN=a collector", *names, *signed, "-keyout", found.key, "-out", found.certificate
        )
        return found


def _openssl(*words: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def over_http(authority: Authority | None = None, *, status: int = 200) -> Iterator[Kept]:
    """A collector on a free port that answers with `status`."""
    kept = Kept()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if status == 200:
                kept.take(ExportTraceServiceRequest.FromString(body), dict(self.headers.items()))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that hangs up is no error here."""

    server = Server(("127.0.0.1", 0), Handler)
    if authority:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.certificate, authority.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def over_grpc(authority: Authority | None = None) -> Iterator[Kept]:
    """A collector on a free port."""
    kept = Kept()

    class Servicer(TraceServiceServicer):
        def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802 -- the name in the protocol
            kept.take(request, dict(context.invocation_metadata()))
            return ExportTraceServiceResponse()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # its thread is there from now on, and not from the first test on
        server = grpc.server(pool)
        add_TraceServiceServicer_to_server(Servicer(), server)
        if authority:
            pair = (authority.key.read_bytes(), authority.certificate.read_bytes())
            kept.port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        else:
            kept.port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield kept
        finally:
            server.stop(0).wait()


@contextmanager
def forwarding(folder: Path, kept: Kept) -> Iterator[tuple[int, int]]:
    """Rotel, which passes on what it is sent over gRPC; its own ports of gRPC and of HTTP."""
    by_grpc, by_http = free_port(), free_port()
    words = [
        str(Path(rotel.__file__).parent / "rotel-agent"),
        "start",
        f"--pid-file={folder / 'rotel.pid'}",
        f"--otlp-grpc-endpoint=127.0.0.1:{by_grpc}",
        f"--otlp-http-endpoint=127.0.0.1:{by_http}",
        "--exporter=otlp",
        f"--otlp-exporter-endpoint=http://127.0.0.1:{kept.port}",
        "--otlp-exporter-protocol=grpc",
        "--otlp-exporter-compression=none",
        "--batch-timeout=50ms",
    ]
    with (folder / "rotel.log").open("wb") as log:
        process = subprocess.Popen(
            words, stdout=log, stderr=log, cwd=folder, env={"PATH": os.environ["PATH"]}
        )
    try:
        eventually(lambda: listens(by_grpc) and listens(by_http))
        yield by_grpc, by_http
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
