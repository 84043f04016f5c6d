"""Real receivers for the tests of notifications: a web server that keeps what it got, and a mail server in a thread."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from processes import free_port


class Hook(ThreadingHTTPServer):
    """Answers with `statuses` one after the other, the last of them for ever; `got` are headers and bodies."""

    def __init__(self, *statuses: int, **headers: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses, self.headers = list(statuses or (204,)), headers
        self.got: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?token=SECRET"


class Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
        status = self.server.statuses[0]
        if len(self.server.statuses) > 1:
            self.server.statuses.pop(0)
        self.send_response(status)
        for key, value in self.server.headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


@contextmanager
def hook(*statuses: int, **headers: str) -> Iterator[Hook]:
    with Hook(*statuses, **headers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Mailbox:
    """Takes all mail but that for `nobody@…`; `got` are the mails as they came, with who they were for."""

    def __init__(self) -> None:
        self.got: list[tuple[list[str], bytes]] = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options) -> str:  # noqa: N802 - aiosmtpd asks
        if address.startswith("nobody@"):
            return "550 there is nobody"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - the same
        self.got.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"

    def login(self, _server, _session, _envelope, _mechanism, data) -> AuthResult:
        right = (data.login, data.password) == (b"osapi", b"SECRET")
        return AuthResult(success=right, handled=right)


@contextmanager
def mailbox(
    tls: ssl.SSLContext | None = None, *, starttls: bool = False, login: bool = False
) -> Iterator[tuple[Mailbox, int]]:
    """A mail server on a port of its own."""
    box = Mailbox()
    settings = (
        {"authenticator": box.login, "auth_required": True, "auth_require_tls": starttls} if login else {}
    )
    if starttls:
        settings |= {"tls_context": tls, "require_starttls": True}
    port = free_port()
    served = Controller(box, "127.0.0.1", port, ssl_context=None if starttls else tls, **settings)
    served.start()
    try:
        yield box, port
    finally:
        served.stop()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS, for 127.0.0.1 and localhost, and the file that who trusts it has."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    argv = ["openssl", "req", *kind, *names, "-keyout", key, "-out", cert]
    subprocess.run(argv, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context, cert
