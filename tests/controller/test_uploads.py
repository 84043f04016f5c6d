"""Uploads and downloads through the real server: in any order, of any size, and cut short."""

import hashlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import httpx
import psutil
import pytest
import trio
from quart import request
from quart_trio import QuartTrio

from controller import uploads
from controller.daemon import serve_http
from controller.problems import json, respond

MIB = 1024 * 1024
MOST = 300 * MIB


class Ended(Exception):
    """The source of a download broke."""


def application(seen):
    """An application that answers an upload with what it was, and sends what is asked for."""
    app = QuartTrio("test", static_folder=None)
    app.register_error_handler(Exception, respond)
    app.add_url_rule("/upload", "upload", uploading(seen), methods=["POST"])
    app.add_url_rule("/refuse", "refuse", refuse, methods=["POST"])
    app.add_url_rule("/download/<kind>", "download", download, methods=["GET"])
    app.add_url_rule("/echo/<segment>", "echo", echo, methods=["GET"])
    return app


def uploading(seen):
    async def upload():
        form = await uploads.receive({"name"}, MOST)
        digest, size = hashlib.sha256(), 0
        try:
            seen.append("begun")
            async for piece in uploads.incoming():
                digest.update(piece)
                size += len(piece)
            seen.append("ended")
        finally:
            form.close()
        return json(
            form.fields
            | {"sha256": digest.hexdigest(), "size": size, "filename": uploads.incoming_filename()}
        )

    return upload


async def refuse():
    return json({"error": "no"}, 403)


async def download(kind):
    return uploads.download(nullcontext(Source(kind)), size=8 * MIB, sha256="aa", filename="ä b.bin")


async def echo(segment):
    return json({"path": request.path, "segment": segment})


class Source(AsyncIterator[bytes]):
    """Eight pieces of a MiB, after which it ends well or breaks."""

    def __init__(self, kind):
        self.kind, self.left = kind, 8

    async def __anext__(self):
        await trio.lowlevel.checkpoint()
        self.left -= 1
        if self.left >= 0:
            return bytes(MIB)
        if self.kind == "broken":
            raise Ended
        raise StopAsyncIteration


@asynccontextmanager
async def serving(seen):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_http, application(seen), listener, stop)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=url, timeout=30, verify=False) as http:
                yield http
            stop.set()


def form(*parts):
    """A form of fields (name, value) and files (name, bytes, filename), in this order."""
    body = b""
    for name, value, *filename in parts:
        file = f'; filename="{filename[0]}"' if filename else ""
        data = value if isinstance(value, bytes) else value.encode()
        body += (
            f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
        )
    return body + b"--x--\r\n"


async def send(http, *parts):
    return await http.post(
        "/upload", content=form(*parts), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )


CONTENT = os.urandom(3 * MIB) + b"\r\n--x not the end\r\n--"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


async def test_a_file_after_its_parameters_is_handed_on_as_it_comes():
    async with serving([]) as http:
        answer = await send(http, ("name", "a/b ü"), ("kind", "raw"), ("file", CONTENT, "dir/app.conf"))

    assert answer.json() == {
        "name": "a/b ü", "kind": "raw", "sha256": DIGEST, "size": len(CONTENT), "filename": "app.conf",
    }  # fmt: skip


async def test_a_file_before_the_parameters_waits_for_them():
    async with serving([]) as http:
        answer = await send(http, ("file", CONTENT, "app.conf"), ("kind", "raw"), ("name", "n"))

    assert answer.json() == {
        "name": "n", "kind": "raw", "sha256": DIGEST, "size": len(CONTENT), "filename": "app.conf",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([("name", "n"), ("file", b"x", "f"), ("kind", "late")], "kind: comes after the file; put it before"),
        ([("name", "n")], "file: missing; the form needs a part of that name"),
        ([("name", "n"), ("name", "m"), ("file", b"x", "f")], "name: given twice"),
        ([("name", "n"), ("other", b"x", "f"), ("file", b"x", "f")], "other: unknown file"),
        ([("file", b"x", "f"), ("file", b"y", "f")], "file: given twice"),
        ([("name", b"\xff"), ("file", b"x", "f")], "name: not UTF-8"),
    ],
)
async def test_a_form_that_is_wrong_is_refused(parts, told):
    async with serving([]) as http:
        answer = await send(http, *parts)

    assert answer.status_code == 400
    assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"", 415),
        ("multipart/form-data; boundary=x", b"", 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nhalf',
            400,
        ),
    ],
)
async def test_what_is_no_form_is_refused(kind, body, status):
    async with serving([]) as http:
        answer = await http.post("/upload", content=body, headers={"Content-Type": kind})

    assert answer.status_code == status, answer.text


async def test_parameters_without_end_are_refused():
    async with serving([]) as http:
        answer = await send(http, ("name", b"x" * 100_000), ("file", b"x", "f"))

    assert answer.status_code == 413


async def pieces(count):
    yield b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nn\r\n'
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    for _ in range(count):
        yield bytes(MIB)
    yield b"\r\n--x--\r\n"


async def test_a_large_file_is_never_in_memory():
    process = psutil.Process()
    async with serving([]) as http:
        await send(http, ("name", "n"), ("file", CONTENT, "f"))
        before = process.memory_info().rss

        answer = await http.post(
            "/upload", content=pieces(256), headers={"Content-Type": "multipart/form-data; boundary=x"}
        )

        assert answer.json()["size"] == 256 * MIB
        assert process.memory_info().rss - before < 48 * MIB


async def test_a_file_beyond_the_limit_is_refused_while_it_comes():
    async with serving([]) as http:
        answer = await http.post(
            "/upload",
            content=pieces(MOST // MIB + 1),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )

    assert answer.status_code == 413
    assert "controller.api.max_upload_bytes" in answer.json()["detail"]


async def test_an_answer_before_the_end_of_an_upload_arrives():
    async with serving([]) as http:
        answer = await http.post(
            "/refuse", content=pieces(64), headers={"Content-Type": "multipart/form-data; boundary=x"}
        )

    assert answer.status_code == 403
    assert answer.json() == {"error": "no"}


async def test_a_client_that_goes_away_ends_its_upload():
    seen = []
    async with serving(seen) as http:
        host, port = http.base_url.host, http.base_url.port
        stream = await trio.open_tcp_stream(host, port)
        head = b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        await stream.send_all(head + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n")
        await stream.send_all(form(("name", "n"), ("file", b"x" * 5000, "f"))[:4000])
        with trio.fail_after(10):
            while "begun" not in seen:
                await trio.lowlevel.checkpoint()
        await stream.aclose()

        answer = await send(http, ("name", "n"), ("file", CONTENT, "f"))

    assert answer.status_code == 200
    assert seen == ["begun", "begun", "ended"]


async def test_a_download_has_its_length_its_digest_and_its_name():
    async with serving([]) as http:
        answer = await http.get("/download/whole")
        head = await http.head("/download/whole")

    assert answer.content == bytes(8 * MIB)
    assert head.content == b""
    for found in (answer, head):
        assert found.headers["Content-Length"] == str(8 * MIB)
        assert found.headers["ETag"] == '"aa"'
        assert found.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A4%20b.bin"


async def test_a_download_that_breaks_does_not_look_whole():
    async with serving([]) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/download/broken")


async def test_an_escaped_slash_is_part_of_its_segment():
    async with serving([]) as http:
        answer = await http.get("/echo/%2Fetc%2Fa%20b")

    assert answer.json()["segment"] == "%2Fetc%2Fa%20b"
