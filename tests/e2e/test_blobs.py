"""Blobs over HTTP and the command line, from upload to the file on a host, in every backend."""

import json
import os
import socket
from contextlib import ExitStack
from hashlib import sha256

import httpx
import pytest
from processes import Installation, installation
from seaweed import seaweed

HOST = socket.gethostname()


def digest(data):
    return sha256(data).hexdigest()


def upload(http, data, **fields):
    return http.post("/api/blobs", data=fields, files={"file": ("nginx.conf", data)})


def register(http, **fields):
    return http.post("/api/blobs/register", json=fields)


def listed(http, limit=100):
    """All pages, one after the other."""
    found, cursor = [], {}
    while True:
        page = http.get("/api/blobs", params={"limit": limit, **cursor}).json()
        found += page["blobs"]
        if "next_cursor" not in page:
            assert page["total"] == len(found)
            return found
        assert len(page["blobs"]) == limit
        cursor = {"cursor": page["next_cursor"]}


def test_a_blob_is_stored_described_downloaded_and_deleted(http):
    data = os.urandom(3_000_000)
    path = f"/api/blobs/{digest(data)}"
    assert http.head(path).status_code == 404

    answer = upload(http, data)

    known = {"sha256": digest(data), "size": 3_000_000, "source": "managed", "backend": "nats"}
    known |= {"filename": "nginx.conf", "mime_type": "application/octet-stream"}
    assert answer.status_code == 201
    assert answer.json() == known | {"changed": True, "created_at": answer.json()["created_at"]}
    head = http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert json.loads(head.headers["Osapi-Answer"]).items() >= known.items()
    content = http.get(path)
    assert (content.status_code, content.content == data) == (200, True)
    assert content.headers["ETag"] == f'"{digest(data)}"'
    assert "nginx.conf" in content.headers["Content-Disposition"]
    assert http.delete(path).status_code == 204
    assert [http.head(path).status_code, http.get(path).status_code, http.delete(path).status_code] == [
        404
    ] * 3


def test_what_is_stored_already_is_said_to_be(http):
    data = os.urandom(1000)
    first = upload(http, data).json()

    again = upload(http, data, filename="other.conf")

    assert (again.status_code, again.json()) == (201, first | {"changed": False})


def test_lists_come_in_pages_in_the_order_of_sha256(http):
    added = {upload(http, os.urandom(100)).json()["sha256"] for _ in range(7)}
    added.add(
        register(http, sha256=digest(os.urandom(9)), source="https://10.0.0.1/a.iso", size=1).json()["sha256"]
    )

    found = [blob["sha256"] for blob in listed(http, limit=3)]

    assert found == sorted(found)
    assert added <= set(found)
    gone = added.pop()
    http.delete(f"/api/blobs/{gone}")
    assert gone not in {blob["sha256"] for blob in listed(http, limit=2)}


def test_what_lies_elsewhere_is_registered_and_not_downloaded_here(http):
    sha, source = digest(os.urandom(9)), "https://10.0.0.1/images/ubuntu-24.04.iso"

    answer = register(http, sha256=sha, source=source, size=4_294_967_296)

    assert answer.status_code == 201
    assert answer.json().items() >= {"source": source, "backend": "external", "changed": True}.items()
    assert json.loads(http.head(f"/api/blobs/{sha}").headers["Osapi-Answer"])["size"] == 4_294_967_296
    refused = http.get(f"/api/blobs/{sha}")
    assert (refused.status_code, source in refused.json()["detail"]) == (409, True)
    other = register(http, sha256=sha, source="https://10.0.0.1/other.iso", size=4_294_967_296)
    assert (other.status_code, "registered already" in other.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "source",
    [
        "https://127.0.0.1/a",
        "https://localhost/a",
        "https://2130706433/a",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
        "http://files.example/a",
        "https://me:secret@10.0.0.1/a",
        "file:///etc/shadow",
        "s3://private/key",
    ],
)
def test_a_source_that_is_not_allowed_is_bad_input(http, source):
    answer = register(http, sha256=digest(os.urandom(9)), source=source, size=1)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "source"


def test_only_admins_delete_blobs(stack, http):
    sha = upload(http, os.urandom(100)).json()["sha256"]

    for role, may in (("read", [200, 403, 403]), ("write", [200, 201, 403])):
        token = stack.json("token", "generate", "-u", "anna", "-r", role)["token"]
        with stack.http(token) as other:
            tried = [
                other.head(f"/api/blobs/{sha}"),
                upload(other, b"data"),
                other.delete(f"/api/blobs/{sha}"),
            ]
        assert [answer.status_code for answer in tried] == may
    with stack.http(token="") as nobody:
        assert upload(nobody, b"data").status_code == 401


def test_the_sessions_of_the_command_line(stack, tmp_path):
    file, back = tmp_path / "nginx.conf", tmp_path / "back.conf"
    file.write_text(f"# {tmp_path}\n")
    sha = digest(file.read_bytes())
    of_iso = digest(os.urandom(9))

    assert sha in stack.cli("client", "blob", "upload", str(file), check=0).stdout
    iso = ["--source", "https://10.0.0.1/ubuntu-24.04.iso", "--size", "4294967296"]
    stack.cli("client", "blob", "register", "--sha256", of_iso, *iso, check=0)
    assert "managed" in stack.cli("client", "blob", "check", sha, check=0).stdout
    stack.cli("client", "blob", "check", digest(b"never"), check=1)
    assert {sha, of_iso} <= {blob["sha256"] for blob in stack.json("client", "blob", "list")["blobs"]}
    stack.cli("client", "blob", "download", sha, "--to", str(back), check=0)
    assert back.read_bytes() == file.read_bytes()
    stack.cli("client", "blob", "delete", sha, check=0)


@pytest.fixture(scope="module", params=["nats", "fs", "s3"])
def everything(request, tmp_path_factory) -> Installation:
    """`osapi start` with a backend, and a folder of files that lie elsewhere."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "blobs").mkdir()
    (folder / "elsewhere").mkdir()
    with installation(folder) as site, ExitStack() as servers:
        site.env |= {
            "OSAPI_BLOBS_BACKEND": request.param,
            "OSAPI_BLOBS_FS_PATH": str(folder / "blobs"),
            "OSAPI_BLOBS_REFERENCES_FILE_ROOTS": str(folder / "elsewhere"),
        }
        if request.param == "s3":
            server = servers.enter_context(seaweed(folder / "s3"))
            site.env |= server.env | {"OSAPI_BLOBS_S3_ENDPOINT": server.endpoint}
        site.everything()
        yield site


def write(http, path, sha):
    answer = http.put(
        f"/api/node/{HOST}/file/write", json={"path": str(path), "source_sha256": sha, "mode": "0640"}
    )
    [found] = answer.json()["results"]
    return found


def test_a_blob_is_written_to_a_host_from_every_backend(everything, tmp_path):
    data, file = os.urandom(12_000_000), tmp_path / "file"
    with everything.http() as http:
        sha = upload(http, data).json()["sha256"]

        first, second = write(http, file, sha), write(http, file, sha)

        assert (first["status"], first["changed"], second["changed"]) == ("ok", True, False), first
        assert file.read_bytes() == data
        assert file.stat().st_mode & 0o777 == 0o640
        assert http.get(f"/api/blobs/{sha}").content == data
        assert http.delete(f"/api/blobs/{sha}").status_code == 204
        gone = http.put(
            f"/api/node/{HOST}/file/write", json={"path": str(tmp_path / "other"), "source_sha256": sha}
        )
        assert (gone.status_code, sha in gone.json()["detail"]) == (404, True)


def test_what_lies_elsewhere_is_written_only_where_it_is_what_was_registered(everything, tmp_path):
    there, file = everything.folder / "elsewhere" / "data.iso", tmp_path / "file"
    data = os.urandom(2_000_000)
    there.write_bytes(data)
    with everything.http() as http:
        answer = register(http, sha256=digest(data), source=f"file://{there}", size=len(data))
        assert answer.status_code == 201

        assert write(http, file, digest(data))["changed"]
        assert file.read_bytes() == data

        there.write_bytes(data[:-1] + b"?")
        file.write_text("before")
        refused = write(http, file, digest(data))
        assert refused["status"] == "failed"
        assert "has SHA-256" in refused["error"]
        assert file.read_text() == "before"
        http.delete(f"/api/blobs/{digest(data)}")
    assert there.exists()


def test_a_blob_that_is_damaged_is_not_downloaded_to_its_end(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "blobs").mkdir()
    with installation(folder) as site:
        site.env |= {"OSAPI_BLOBS_BACKEND": "fs", "OSAPI_BLOBS_FS_PATH": str(folder / "blobs")}
        site.everything()
        with site.http() as http:
            sha = upload(http, bytes(1_000_000)).json()["sha256"]
            (folder / "blobs" / sha[:2] / sha).write_bytes(bytes(999_999) + b"?")

            with pytest.raises(httpx.RemoteProtocolError):
                http.get(f"/api/blobs/{sha}")

            (folder / "blobs").rename(folder / "gone")
            assert upload(http, b"other").status_code == 503
