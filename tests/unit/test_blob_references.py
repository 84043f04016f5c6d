"""Registered blobs, fetched from real servers on loopback: from where it is allowed, and from nowhere else."""

import gzip
import os
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
import pytest
import trio
import trio.testing

from osapi.blobs import references
from osapi.blobs.exchange import Exchange
from osapi.config.blobs import BlobReferences, Blobs
from osapi.errors import NotFound, OperationError, Refused

HERE = BlobReferences(http=True, allow=["127.0.0.1"])


@attrs.define(eq=False)
class Web:
    """A server that answers as a test says, and what it was asked: the path and the host of each request."""

    server: ThreadingHTTPServer
    answers: dict[str, tuple] = attrs.field(factory=dict)
    asked: list[tuple[str, str]] = attrs.field(factory=list)

    @property
    def port(self):
        return self.server.server_address[1]

    def url(self, path, host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"


@pytest.fixture
def serve(request):
    """Start a server at an address of the loopback."""

    def serve(address="127.0.0.1", context=None):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                web.asked.append((self.path, self.headers["Host"]))
                status, headers, body = web.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(ConnectionError):  # the client may go before the end
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        web = Web(ThreadingHTTPServer((address, 0), Handler))
        if context:
            web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
        thread = threading.Thread(target=web.server.serve_forever, args=(0.01,))
        thread.start()

        def stop():
            web.server.shutdown()
            web.server.server_close()
            thread.join()

        request.addfinalizer(stop)
        return web

    return serve


@pytest.fixture
def web(serve):
    return serve()


@attrs.define
class Names(trio.abc.HostnameResolver):
    """A resolver that gives for each name one answer after the other, the last one for ever."""

    known: dict[str, list[list[str]]]
    asked: list[str] = attrs.field(factory=list)

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):
        name = host.decode() if isinstance(host, bytes) else host
        self.asked.append(name)
        if name not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        answers = self.known[name]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        kind = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kind[":" in each], socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    async def getnameinfo(self, sockaddr, flags):
        raise AssertionError("nobody asks for the name of an address")


def names(**known):
    """Let names be known to this run of trio; `a_example` stands for a.example."""
    found = Names({name.replace("_", "."): answers for name, answers in known.items()})
    trio.socket.set_custom_hostname_resolver(found)
    return found


async def fetch(url, rules=HERE):
    async with references.read(url, Blobs(references=rules)) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_a_file_is_fetched_as_it_is_sent(web):
    data = os.urandom(3_000_000)
    packed = gzip.compress(b"hello")
    web.answers |= {"/a?b=c": (200, {}, data), "/z": (200, {"Content-Encoding": "gzip"}, packed)}

    assert await fetch(web.url("/a?b=c")) == data
    assert await fetch(web.url("/z")) == packed
    assert web.asked == [(path, f"127.0.0.1:{web.port}") for path in ("/a?b=c", "/z")]


async def test_a_reader_may_go_before_the_end(web):
    web.answers["/a"] = (200, {}, os.urandom(30_000_000))

    async with references.read(web.url("/a"), Blobs(references=HERE)) as pieces:
        assert await anext(pieces)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((404, {}, b""), NotFound, "answers 404"),
        ((410, {}, b""), NotFound, "answers 410"),
        ((403, {}, b""), OperationError, "answers 403 Forbidden"),
        ((500, {}, b""), OperationError, "answers 500"),
        ((206, {}, b"half"), OperationError, "answers 206"),
        ((304, {}, b""), OperationError, "answers 304"),
        ((302, {}, b""), OperationError, "answers 302"),
        ((200, {"Content-Length": "1000"}, b"half"), OperationError, "cannot be fetched"),
    ],
)
async def test_what_is_no_file_is_an_error(web, answer, error, said):
    web.answers["/a"] = answer

    with pytest.raises(error, match=said):
        await fetch(web.url("/a"))


async def test_a_server_that_is_away_is_an_error():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))  # which does not listen
        port = found.getsockname()[1]

        with pytest.raises(OperationError, match=r"cannot be fetched: 127\.0\.0\.1: Connection refused"):
            await fetch(f"http://127.0.0.1:{port}/a")


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b"\0" * 100_000]
)
async def test_what_does_not_speak_http_is_an_error(nursery, said):
    async def answer(stream):
        async with stream:
            await stream.receive_some()
            with suppress(trio.BrokenResourceError):
                await stream.send_all(said)

    [listener] = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
    port = listener.socket.getsockname()[1]

    with pytest.raises(OperationError, match="cannot be fetched"):
        await fetch(f"http://127.0.0.1:{port}/a")

    nursery.cancel_scope.cancel()


async def test_a_server_that_falls_silent_is_an_error(autojump_clock):
    client, server = trio.testing.memory_stream_pair()

    with pytest.raises(OperationError, match="nothing for 30 s"):
        await Exchange.get(client, "http://files.example/a", "files.example", "/a")

    await server.aclose()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "0177.0.0.1",
        "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "0", "0.0.0.0", "[::]", "127.0.0.1.",
    ],
)  # fmt: skip
async def test_this_machine_is_refused_however_it_is_written(web, host):
    names(**{"127_0_0_1_": [["127.0.0.1"]], "localhost": [["127.0.0.1"]]})

    with pytest.raises(Refused, match=r"blobs\.references\.allow"):
        await fetch(web.url("/a", host), BlobReferences(http=True))

    assert web.asked == []


async def test_a_name_is_asked_at_the_address_that_was_judged(web):
    """Rebinding: by the time of the connection the name leads to this machine's other address."""
    other = names(files_example=[["127.0.0.1"], ["127.0.0.2"]])
    web.answers["/a"] = (200, {}, b"data")

    assert await fetch(web.url("/a", "files.example")) == b"data"

    assert other.asked == ["files.example"]
    assert web.asked == [("/a", f"files.example:{web.port}")]
    with pytest.raises(Refused, match=r"files\.example is 127\.0\.0\.2"):
        await fetch(web.url("/a", "files.example"))


async def test_one_address_that_is_not_allowed_refuses_the_name(web):
    names(files_example=[["127.0.0.1", "169.254.169.254"]])

    with pytest.raises(Refused, match=r"files\.example is 169\.254\.169\.254, the metadata service"):
        await fetch(web.url("/a", "files.example"))

    assert web.asked == []


async def test_the_next_address_is_asked_where_one_does_not_answer(web):
    names(files_example=[["127.0.0.3", "127.0.0.1"]])
    web.answers["/a"] = (200, {}, b"data")

    rules = attrs.evolve(HERE, allow=["127.0.0.0/8"])

    assert await fetch(web.url("/a", "files.example"), rules) == b"data"


async def test_a_name_that_is_not_known_is_an_error():
    names()

    with pytest.raises(OperationError, match=r"files\.example cannot be resolved"):
        await fetch("https://files.example/a")
    with pytest.raises(OperationError, match="cannot be resolved"):
        await fetch(f"https://{'a' * 64}.example/a")


async def test_redirects_are_followed_to_where_it_is_allowed(web):
    names(a_example=[["127.0.0.1"]], b_example=[["127.0.0.1"]])
    web.answers |= {
        "/a": (301, {"Location": web.url("/b", "b.example")}, b"gone"),
        "/b": (302, {"Location": "c?d=e"}, b""),
        "/c?d=e": (307, {"Location": f"//a.example:{web.port}/f"}, b""),
        "/f": (308, {"Location": "/g"}, b""),
        "/g": (200, {}, b"data"),
    }

    assert await fetch(web.url("/a", "a.example")) == b"data"
    assert [host.partition(".")[0] for _, host in web.asked] == ["a", "b", "b", "a", "a"]


async def test_a_redirect_leads_nowhere_that_is_not_allowed(web, serve):
    other = serve("127.0.0.2")
    names(inside_example=[["127.0.0.2"]])
    targets = {
        other.url("/x", "127.0.0.2"): "127.0.0.2, this machine",
        other.url("/x", "inside.example"): "inside.example is 127.0.0.2",
        "http://169.254.169.254/latest/meta-data/": "metadata",
        "http://[fd00:ec2::254]/latest/": "metadata",
        "http://[::ffff:169.254.169.254]/": "metadata",
        f"http://user@127.0.0.1:{web.port}/x": "user name",
        "file:///etc/passwd": "file is not allowed",
        "s3://bucket/key": "s3 is not allowed",
    }
    for i, target in enumerate(targets):
        web.answers[f"/{i}"] = (302, {"Location": target}, b"")

    for i, reason in enumerate(targets.values()):
        with pytest.raises(Refused, match=reason):
            await fetch(web.url(f"/{i}"))

    assert other.asked == []


async def test_redirects_in_a_circle_end(web):
    web.answers["/a"] = (302, {"Location": "/a"}, b"")

    with pytest.raises(Refused, match="redirected more than 5 times"):
        await fetch(web.url("/a"))

    assert len(web.asked) == 6


async def test_proxies_of_the_environment_are_not_asked(web, serve, monkeypatch):
    proxy = serve()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url(""))
    web.answers["/a"] = (200, {}, b"data")

    assert await fetch(web.url("/a")) == b"data"
    assert proxy.asked == []


@pytest.fixture
def secure(serve, tmp_path, monkeypatch):
    """A server of files.example with a certificate that this machine trusts."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    words += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=files.example"]
    words += ["-addext", "subjectAltName=DNS:files.example"]
    subprocess.run(words, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return serve(context=context)


SECURE = BlobReferences(allow=["127.0.0.1"])


async def test_the_certificate_must_be_of_the_name(secure):
    names(files_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    secure.answers["/a"] = (200, {}, b"data")

    assert await fetch(secure.url("/a", "files.example", "https"), SECURE) == b"data"
    for host in ("other.example", "127.0.0.1"):
        with pytest.raises(OperationError, match="certificate verify failed"):
            await fetch(secure.url("/a", host, "https"), SECURE)
    assert [path for path, _ in secure.asked] == ["/a"]


async def test_a_certificate_that_nobody_trusts_is_refused(secure, monkeypatch):
    names(files_example=[["127.0.0.1"]])
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(OperationError, match="certificate verify failed"):
        await fetch(secure.url("/a", "files.example", "https"), SECURE)


async def test_a_redirect_from_https_to_http_is_refused(secure, web):
    names(files_example=[["127.0.0.1"]])
    secure.answers["/a"] = (302, {"Location": web.url("/b")}, b"")

    with pytest.raises(Refused, match="http is not allowed, only https"):
        await fetch(secure.url("/a", "files.example", "https"), SECURE)

    assert web.asked == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("https://127.0.0.1/a", "loopback"),
        ("https://[::ffff:169.254.169.254]/a", "metadata"),
        ("http://files.example/a", "http is not allowed"),
        ("https://me@files.example/a", "user name"),
        ("s3://other/key", r"other is not in blobs\.references\.s3_buckets; allowed: images"),
        ("s3://images/a//b", "empty part"),
        ("s3://images/../b", r"with \.\."),
        ("file:///etc/passwd", r"not below a folder of blobs\.references\.file_roots; allowed: /srv/images"),
        ("file:///srv/images", "not below"),
        ("file:///srv/images2/a", "not below"),
        ("file:///srv/images/../../etc/passwd", r"\.\. is not allowed"),
        ("file:///srv/images/%2e%2e/%2e%2e/etc/passwd", r"\.\. is not allowed"),
        ("file:///srv/images/a%00b", "names no file"),
        ("file:///srv/images/a?b", "names no file"),
        ("file:///srv/images/%ff", "not UTF-8"),
    ],
)
async def test_what_the_configuration_does_not_allow_is_refused_unread(source, said):
    blobs = Blobs(references=BlobReferences(file_roots=["/srv/images"], s3_buckets=["images"]))

    with pytest.raises(Refused, match=said):
        await references.check(source, blobs)


async def test_what_the_configuration_allows_is_let_pass_unread():
    names(files_example=[["10.0.0.1", "fd12::1"]])
    blobs = Blobs(references=BlobReferences(file_roots=["/srv/images"], s3_buckets=["images"]))

    for source in (
        "https://files.example/a",
        "https://known-to-hosts-only.example/a",
        "https://10.1.2.3/a",
        "s3://images/a%b/c d",
        "file:///srv/images/a%20b/%C3%A4.iso",
    ):
        await references.check(source, blobs)
