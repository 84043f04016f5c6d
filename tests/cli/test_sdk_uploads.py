"""Uploads with the SDK, on trio and on asyncio: what is sent, what is not, and what is heard meanwhile."""

import hashlib
import json
import os
import socket
import threading
from functools import partial

import httpx
import pytest
from answering import Part

from osapi import errors
from osapi.calls import blob, file
from osapi.client import Client
from osapi.duplex import Duplex
from osapi.transfers import upload, upload_blob, upload_file

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
UPLOADED = {"name": "a", "sha256": SHA256, "size": len(CONTENT), "changed": True, "content_type": "raw"}
BLOB = {
    "sha256": SHA256,
    "size": len(CONTENT),
    "source": "managed",
    "backend": "nats",
    "created_at": "2026-11-22T10:00:00Z",
}


class Endless(httpx.AsyncByteStream):
    def __aiter__(self):
        return self

    async def __anext__(self):
        return bytes(1 << 20)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'so"urce.conf'
    path.write_bytes(CONTENT)
    return path


def test_a_form_has_its_fields_first_and_the_file_last(controller, both, source):
    controller.says("POST", "/api/file", UPLOADED, 201)
    told = []

    done = both(upload, file.Upload(name="a", force=True), source, told=lambda *sent: told.append(sent))

    [asked] = controller.asked
    assert done == file.FileUploaded(**UPLOADED)
    assert list(asked.body.items()) == [
        ("name", Part(None, b"a")),
        ("content_type", Part(None, b"raw")),
        ("file", Part("so%22urce.conf", CONTENT)),
    ]
    assert asked.query == {"force": "true"}
    assert asked.headers["authorization"] == "Bearer secret"
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_what_has_no_size_yet_is_sent_with_its_size(controller, both):
    async def pieces():
        for piece in (b"one ", b"two ", b"three"):
            yield piece

    controller.says("POST", "/api/file", UPLOADED, 201)

    both(upload, file.Upload(name="a"), pieces())

    assert controller.asked[0].body["file"] == Part("file", b"one two three")


def test_a_pipe_is_read_to_its_end(controller, both, tmp_path):
    controller.says("POST", "/api/file", UPLOADED, 201)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[CONTENT])
    writer.start()

    both(upload, file.Upload(name="a"), pipe)
    writer.join()

    assert controller.asked[0].body["file"].data == CONTENT


def test_an_open_file_is_read_to_its_end(controller, both, source):
    controller.says("POST", "/api/file", UPLOADED, 201)

    with source.open("rb") as opened:
        opened.seek(1000)
        both(upload, file.Upload(name="a"), opened)

    assert controller.asked[0].body["file"].data == CONTENT[1000:]


def test_an_empty_file_is_a_file(controller, both, source):
    controller.says("POST", "/api/file", UPLOADED, 201)
    source.write_bytes(b"")

    both(upload, file.Upload(name="a"), source)

    assert controller.asked[0].body["file"].data == b""


def test_the_same_content_is_not_sent_again(controller, both, source):
    controller.says("GET", "/api/file/a", UPLOADED | {"source": "user"})

    done = both(upload_file, "a", source)

    assert done == file.FileUploaded(**UPLOADED | {"changed": False})
    assert [asked.method for asked in controller.asked] == ["GET"]


def test_other_content_is_a_conflict_before_it_is_sent(controller, both, source):
    controller.says("GET", "/api/file/a", UPLOADED | {"source": "user", "sha256": "0" * 64})

    with pytest.raises(errors.Conflict, match="other content under that name; force replaces it"):
        both(upload_file, "a", source)

    assert [asked.method for asked in controller.asked] == ["GET"]


@pytest.mark.parametrize(
    ("name", "settings", "known"),
    [
        ("a", {}, (404, {"detail": "no"})),
        ("a", {}, (403, {"detail": "needs file:read"})),
        ("a", {"content_type": "template"}, (200, UPLOADED | {"source": "user"})),
        ("a", {"force": True}, (200, UPLOADED | {"source": "user"})),
        ("osapi/a", {}, (200, UPLOADED | {"source": "osapi"})),
    ],
    ids=["not there", "not to be known", "of another type", "forced", "reserved"],
)
def test_what_the_controller_has_to_decide_is_sent(controller, both, source, name, settings, known):
    controller.says("GET", f"/api/file/{name.replace('/', '%2F')}", known[1], known[0])
    controller.says("POST", "/api/file", UPLOADED, 201)

    done = both(upload_file, name, source, **settings)

    assert done.changed
    assert controller.asked[-1].body["name"].data == name.encode()


def test_a_blob_that_is_there_is_not_sent_again(controller, both, source):
    controller.says("HEAD", f"/api/blobs/{SHA256}", **{"Osapi-Answer": json.dumps(BLOB)})

    done = both(upload_blob, source)

    assert (done.sha256, done.changed, done.backend) == (SHA256, False, "nats")
    assert [asked.method for asked in controller.asked] == ["HEAD"]


@pytest.mark.parametrize("source_known", [None, "s3://bucket/key"])
def test_a_blob_that_osapi_does_not_hold_is_sent_with_its_name(controller, both, source, source_known):
    if source_known:
        known = json.dumps(BLOB | {"source": source_known, "backend": "external"})
        controller.says("HEAD", f"/api/blobs/{SHA256}", **{"Osapi-Answer": known})
    controller.says("POST", "/api/blobs", BLOB | {"changed": True}, 201)

    done = both(upload_blob, source, mime_type="text/plain")

    assert done.changed
    assert controller.asked[-1].body == {
        "filename": Part(None, b'so"urce.conf'),
        "mime_type": Part(None, b"text/plain"),
        "file": Part("so%22urce.conf", CONTENT),
    }


def test_what_is_known_of_a_blob_is_an_answer_to_head(controller, both):
    known = BLOB | {"filename": "ä.conf"}
    controller.says("HEAD", f"/api/blobs/{SHA256}", **{"Osapi-Answer": json.dumps(known)})

    async def check(client, sha256):
        return await client.run(blob.Check(sha256=sha256))

    assert both(check, SHA256).filename == "ä.conf"
    with pytest.raises(errors.NotFound, match=rf"nothing is at {controller.url}/api/blobs/0{{64}}"):
        both(check, "0" * 64)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.NotAuthenticated),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (507, errors.NoSpace),
    ],
)
@pytest.mark.parametrize("early", [0, 0.5])
def test_an_answer_before_the_end_is_the_answer(controller, both, tmp_path, status, kind, early):
    controller.says("POST", "/api/file", {"detail": "no more of it"}, status, early=early)
    large = tmp_path / "large"
    with large.open("wb") as opened:
        opened.truncate(64 << 20)

    with pytest.raises(kind, match="no more of it"):
        both(upload, file.Upload(name="a"), large)


def test_a_file_that_becomes_shorter_is_not_stored(controller, both, source):
    controller.says("POST", "/api/file", UPLOADED, 201)

    with pytest.raises(errors.Error, match="it became shorter while it was sent"):
        both(upload, file.Upload(name="a"), source, told=lambda *_: source.write_bytes(b"short"))


def test_a_controller_that_is_not_there_is_named(both, source, controller):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        controller.url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(errors.Unavailable, match=r"connection refused\n.*osapi start"):
            both(upload, file.Upload(name="a"), source)


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (b"", "the connection to .* broke"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{", "the connection to .* broke"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the connection to .* broke"),
    ],
    ids=["nothing", "a part", "something else"],
)
def test_a_connection_that_ends_without_an_answer_is_no_answer(controller, both, source, says, message):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(says)

        thread = threading.Thread(target=answer)
        thread.start()
        controller.url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(errors.Unavailable, match=message):
            both(upload, file.Upload(name="a"), source)
        thread.join()


def test_a_controller_that_takes_nothing_is_given_up(both, source):
    async def stalled(_, url):
        async with httpx.AsyncClient(transport=Duplex(silence=0.2)) as client:
            request = client.build_request("POST", url, headers={"Content-Length": str(1 << 30)})
            request.stream = Endless()
            await client.send(request)

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(httpx.WriteTimeout, match=r"nothing was taken for 0\.2 s"),
    ):
        both(stalled, f"http://127.0.0.1:{server.getsockname()[1]}")


def test_an_upload_goes_through_a_proxy_where_there_is_one(controller, both, source, monkeypatch):
    monkeypatch.setenv("http_proxy", controller.url)
    monkeypatch.delenv("no_proxy", raising=False)
    controller.says("POST", "/api/file", UPLOADED, 201)
    controller.url = "http://osapi.invalid:8080"

    both(upload, file.Upload(name="a"), source)

    assert controller.asked[0].headers["host"] == "osapi.invalid:8080"
    assert controller.asked[0].body["file"].data == CONTENT


@pytest.mark.parametrize("call", [file.Download(name="a"), file.Upload(name="a")])
def test_what_moves_a_file_is_not_a_question(controller, both, call):
    with pytest.raises(TypeError, match=r"which is what osapi\.transfers does"):
        both(partial(Client.run), call)
