"""What no HTTP client would send: the controller answers or hangs up, serves others meanwhile, and stays small."""

import socket
import threading
import time
from contextlib import ExitStack, suppress

import psutil
import pytest
from processes import eventually

HOST = b"Host: x\r\n"
JSON = b"Content-Type: application/json\r\n"
EXEC = b"POST /api/node/_all/command/exec?dry_run=true HTTP/1.1\r\n" + HOST
ALIVE = b"GET /api/health HTTP/1.1\r\n" + HOST
WEBSOCKET = ALIVE + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
H2C = ALIVE + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
H2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SMALL = 64 * 1024 * 1024
"""Bytes that the controller may grow by."""

GARBAGE = {
    "words": b"GARBAGE\r\n\r\n",
    "nothing": b"\r\n\r\n\r\n",
    "zeros": b"\0" * 5000,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "another protocol": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "half a line": b"GET /api/hea",
    "half a head": ALIVE,
    "no host": b"GET /api/health HTTP/1.1\r\n\r\n",
    "two hosts": ALIVE + HOST + b"\r\n",
    "a host that is none": b"GET /api/health HTTP/1.1\r\nHost: a b:9999999/@[::\xff\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n\r\n",
    "bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of another site": b"GET http://elsewhere/../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path that climbs": b"GET /api/../../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT elsewhere:22 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long path": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long header": ALIVE + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
    "many headers": ALIVE + b"A: b\r\n" * 50_000 + b"\r\n",
    "a header without end": ALIVE + b"a" * 200_000,
    "NUL in a header": ALIVE + b"A\0B: c\r\n\r\n",
    "folded lines": ALIVE + b"A: b\r\n c: d\r\n\r\n",
    "bytes in headers": ALIVE
    + b"Authorization: Bearer \xff\r\nCookie: \xff=\xfe\r\nX-Request-Id: \xff\r\n\r\n",
    "a length below zero": EXEC + b"Content-Length: -1\r\n\r\n",
    "a length beyond all": EXEC + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "two lengths": EXEC + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a length and chunks": EXEC + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an encoding": EXEC + b"Transfer-Encoding: gzip\r\n\r\nxx",
    "chunks that are none": EXEC + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk beyond all": EXEC + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "a body that ends early": EXEC + JSON + b"Content-Length: 500\r\n\r\n{",
    "a websocket": WEBSOCKET + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n",
    "half a websocket": WEBSOCKET + b"\r\n",
    "HTTP/2 by upgrade": H2C + b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    "HTTP/2 with bad settings": H2C + b"HTTP2-Settings: !!!\r\n\r\n",
    "HTTP/2": H2,
    "HTTP/2 and bytes": H2 + bytes(range(256)) * 20,
    "HTTP/2 with bad frames": H2 + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\5\1\5\0\0\0\1\x82\x86\x84\x41\xff",
}


@pytest.fixture
def address(target):
    return "127.0.0.1", target.site.port


def exchange(address, *parts, ends=True, patience=5):
    """What comes back for what is sent, until the other side has ended, or for a moment if it does not."""
    with socket.create_connection(address) as client:
        client.settimeout(patience)
        with suppress(OSError):  # hung up on
            for part in parts:
                client.sendall(part)
            if ends:
                client.shutdown(socket.SHUT_WR)
        return read(client)


def status(answer):
    """The status of the first answer that is not a preliminary one; 0 where there is none in HTTP/1.1."""
    heads = [part for part in answer.split(b"\r\n\r\n") if part.startswith(b"HTTP/1.1 ")]
    found = [int(head.split(b" ")[1]) for head in heads]
    return next((code for code in found if code >= 200), 0)


def process(target):
    [controller] = [daemon for daemon in target.site.daemons if daemon.log.stem == "controller"]
    return psutil.Process(controller.process.pid)


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_or_hung_up_on(target, address, sent):
    answer = exchange(address, sent)

    assert status(answer) < 500 or status(answer) == 501, answer
    assert b"Traceback" not in answer


def test_what_comes_byte_by_byte_is_answered(address):
    request = ALIVE + b"Connection: close\r\n\r\n"

    assert status(exchange(address, *(request[i : i + 1] for i in range(len(request))), ends=False)) == 200


def test_requests_in_one_go_are_answered_in_order(address):
    numbered = [ALIVE + b"X-Request-Id: number-%d\r\n\r\n" % number for number in range(100)]

    answer = exchange(
        address, *numbered[:-1], ALIVE + b"X-Request-Id: number-99\r\nConnection: close\r\n\r\n", ends=False
    )

    found = [
        line.partition(b": ")[2] for line in answer.split(b"\r\n") if line.lower().startswith(b"x-request-id")
    ]
    assert found == [b"number-%d" % number for number in range(100)]


def test_an_answer_before_its_body_leaves_the_connection_in_order(target, address):
    """The body comes late, in a packet of its own: what follows on that connection is answered all the same."""
    with socket.create_connection(address) as client:
        client.settimeout(10)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(300):
            client.sendall(EXEC + JSON + b"Content-Length: 20\r\n\r\n")
            client.sendall(b'{"command": "uname"}')
            answer = client.recv(65536)
            assert status(answer) == 401
            while not answer.endswith(b"}\n"):
                answer += client.recv(65536)


def test_others_are_served_while_hundreds_dawdle(target, address, http):
    before = process(target).num_fds()
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address)) for _ in range(300)]
        for number, client in enumerate(clients):
            client.sendall((ALIVE, EXEC + b"Content-Length: 9\r\n\r\n", H2)[number % 3])

        for _ in range(5):
            for client in clients[::3]:
                client.sendall(b"X: y\r\n")
            began = time.monotonic()
            assert http.get("/api/node/_any/uptime").json()["results"][0]["status"] == "ok"
            assert time.monotonic() - began < 5

    eventually(lambda: process(target).num_fds() <= before + 10)


@pytest.mark.parametrize(("token", "size"), [(True, 65536), (False, 65536), (False, 1)])
def test_a_body_without_end_is_refused_and_not_kept(target, address, http, token, size):
    bearer = b"Authorization: Bearer %s\r\n" % target.site.token.encode() if token else b""
    before = process(target).memory_info().rss
    chunks = b"%x\r\n%s\r\n" % (size, b"x" * size) * (65536 // size)
    answers = []

    def send():
        with socket.create_connection(address) as client, suppress(ConnectionError):
            client.settimeout(20)
            client.sendall(EXEC + JSON + bearer + b"Transfer-Encoding: chunked\r\n\r\n")
            reader = threading.Thread(target=lambda: answers.append(read(client)))
            reader.start()
            with suppress(ConnectionError):
                for _ in range(2000):
                    client.sendall(chunks)
            reader.join()

    sender = threading.Thread(target=send)
    sender.start()
    while sender.is_alive():
        assert http.get("/api/health").status_code == 200
        sender.join(0.2)

    assert status(answers[0]) == (413 if token else 401)
    assert process(target).memory_info().rss - before < SMALL


def read(client):
    """What comes until the other side ends or resets, or for as long as the client waits."""
    found = b""
    with suppress(ConnectionError, TimeoutError):
        while data := client.recv(65536):
            found += data
    return found


def test_a_head_request_for_a_stream_ends(target):
    with target.client() as http:
        answer = http.head("/api/events")

        assert answer.headers["content-type"].startswith("text/event-stream")
        assert http.get("/api/health").status_code == 200


def test_a_path_with_an_empty_part_is_no_other_path(http):
    assert http.get("/api/node//disk").status_code == 404
    assert http.get("/api//job").status_code == 404


def test_a_client_that_does_not_read_is_hung_up_on_by_the_end(target, unread):
    """Not only to be rid of it: hypercorn would wait for it before the controller could stop."""
    here = unread.getsockname()

    eventually(lambda: all(found.raddr != here for found in process(target).net_connections()), within=40)
