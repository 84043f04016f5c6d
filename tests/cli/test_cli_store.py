"""The object store and blobs on the command line: what is uploaded, downloaded, listed and deleted."""

import hashlib
import json
import subprocess
import threading

import pytest
from answering import Part

CONTENT = b"listen 80;\n" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
STORED = {"name": "my-unit", "sha256": SHA256, "size": len(CONTENT), "content_type": "template"}
BLOB = {
    "sha256": SHA256,
    "size": 4096,
    "source": "managed",
    "backend": "nats",
    "created_at": "2020-01-02T03:04:05Z",
}


@pytest.fixture
def source(tmp_path, monkeypatch):
    path = tmp_path / "app.service"
    path.write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)
    return path


def test_a_file_is_uploaded(controller, osapi, source):
    controller.says("POST", "/api/file", STORED | {"changed": True}, 201)

    words = ["--name", "my-unit", "--file", "app.service", "--content-type", "template"]
    done = osapi("client", "file", "upload", *words)

    assert (done.code, done.err) == (0, "")
    assert done.out == (
        f"  Name: my-unit\n  SHA256: {SHA256}\n  Size: 10.7 KiB\n  Changed: yes\n  Content-Type: template\n\n"
    )
    assert controller.asked[-1].body == {
        "name": Part(None, b"my-unit"),
        "content_type": Part(None, b"template"),
        "file": Part("app.service", CONTENT),
    }


def test_a_program_is_told_of_an_upload_whether_or_not_bytes_were_sent(controller, osapi, source):
    controller.says("POST", "/api/file", STORED | {"changed": True}, 201)
    controller.says("GET", "/api/file/my-unit", {"detail": "no"}, 404)
    controller.says("GET", "/api/file/my-unit", STORED | {"source": "user"})

    words = [
        "client",
        "file",
        "upload",
        "app.service",
        "--name",
        "my-unit",
        "--content-type",
        "template",
        "-j",
    ]
    sent, known = (json.loads(osapi(*words).out) for _ in range(2))

    assert sent == STORED | {"changed": True}
    assert known == STORED | {"changed": False}
    assert [asked.method for asked in controller.asked] == ["GET", "POST", "GET"]


def test_other_content_is_replaced_by_force(controller, osapi, source):
    controller.says("POST", "/api/file", STORED | {"changed": True}, 201)
    controller.says("GET", "/api/file/my-unit", STORED | {"source": "user", "sha256": "0" * 64})
    upload = ("client", "file", "upload", "--name", "my-unit", "app.service")

    refused = osapi(*upload)
    done = osapi(*upload, "--force")

    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        "Error: my-unit: the object store has other content under that name; force replaces it\n"
    )
    assert done.code == 0
    assert controller.asked[-1].query == {"force": "true"}


def test_a_blob_is_uploaded_and_what_it_is_is_told(controller, osapi, source):
    controller.says("POST", "/api/blobs", BLOB | {"changed": True}, 201)

    done = osapi("client", "blob", "upload", "app.service")

    assert done.code == 0
    assert done.out == (
        f"  sha256: {SHA256}\n  size: 4096\n  source: managed\n  backend: nats\n"
        "  created_at: 2020-01-02 03:04:05\n  changed: true\n\n"
    )
    assert controller.asked[-1].body["filename"] == Part(None, b"app.service")


def test_what_lies_elsewhere_is_registered(controller, osapi):
    known = BLOB | {"source": "s3://images/a.iso", "backend": "external", "changed": True}
    controller.says("POST", "/api/blobs/register", known, 201)

    words = ["--sha256", SHA256, "--source", "s3://images/a.iso", "--size", "4294967296"]
    done = osapi("client", "blob", "register", *words)

    assert done.code == 0
    assert "  source: s3://images/a.iso\n  backend: external\n" in done.out
    assert controller.asked[0].body == {"sha256": SHA256, "source": "s3://images/a.iso", "size": 4294967296}


def test_whether_a_blob_is_there_is_told_in_words_in_json_and_as_an_exit_code(controller, osapi):
    controller.says("HEAD", f"/api/blobs/{SHA256}", **{"Osapi-Answer": json.dumps(BLOB)})
    check = ("client", "blob", "check")

    there, missing = osapi(*check, SHA256), osapi(*check, "0" * 64)
    as_json = [json.loads(osapi(*check, sha256, "-j").out) for sha256 in (SHA256, "0" * 64)]

    assert (there.code, missing.code) == (0, 1)
    assert there.out.startswith(f"  exists: true\n  sha256: {SHA256}\n  size: 4096\n  source: managed\n")
    assert missing.out == f"  exists: false\n  sha256: {'0' * 64}\n\n"
    assert as_json == [{"exists": True, **BLOB}, {"exists": False, "sha256": "0" * 64}]


def test_blobs_are_listed_page_by_page(controller, osapi):
    page = {"blobs": [BLOB | {"size": 4 << 30}], "total": 1001, "next_cursor": SHA256}
    controller.says("GET", "/api/blobs", page)

    done, wide = (
        osapi("client", "blob", "list", "--limit", "1"),
        osapi("client", "blob", "list", "-o", "wide"),
    )

    assert controller.asked[0].query == {"limit": "1"}
    assert done.out == (
        "  Total: 1001\n\n"
        "  SHA256        SIZE     SOURCE   BACKEND  CREATED\n"
        f"  {SHA256[:12]}  4.0 GiB  managed  nats     2020-01-02\n\n"
        f"  Go on with: --cursor {SHA256}\n\n"
    )
    assert f"  {SHA256}  4.0 GiB  managed" in wide.out


def test_files_are_listed_and_deployments_that_are_stale(controller, osapi):
    listed = {"files": [STORED | {"source": "user"}], "total": 1}
    controller.says("GET", "/api/file", listed)
    behind = {
        "object_name": "my-unit", "hostname": "web-01", "provider": "service", "path": "/etc/systemd/system/a.service",
        "deployed_sha": "a" * 64, "current_sha": "", "deployed_at": "2020-01-02T03:04:05Z",
    }  # fmt: skip
    controller.says("GET", "/api/file/stale", {"stale": [behind], "total": 1})

    assert osapi("client", "file", "list").out == (
        f"  NAME     SHA256        SIZE      SOURCE\n  my-unit  {SHA256[:12]}  10.7 KiB  user\n\n"
    )
    assert osapi("client", "file", "stale").out == (
        "  Total: 1\n\n"
        "  OBJECT   HOSTNAME  PROVIDER  DEPLOYED    DEPLOYED SHA\n"
        f"  my-unit  web-01    service   2020-01-02  {'a' * 12}\n\n"
    )


def test_a_file_is_shown_and_deleted(controller, osapi):
    controller.says("GET", "/api/file/my-unit", STORED | {"source": "user"})
    controller.says("DELETE", "/api/file/my-unit", {"name": "my-unit", "deleted": True})

    shown, deleted = (osapi("client", "file", verb, "--name", "my-unit") for verb in ("get", "delete"))

    assert shown.out.startswith(f"  Name: my-unit\n  SHA256: {SHA256}\n  Size: 10.7 KiB\n")
    assert deleted.out == "  Name: my-unit\n  Deleted: yes\n\n"


def test_that_a_blob_is_deleted_is_told(controller, osapi):
    controller.says("DELETE", f"/api/blobs/{SHA256}", status=204)
    delete = ("client", "blob", "delete", SHA256)

    told, as_json = osapi(*delete), json.loads(osapi(*delete, "-j").out)

    assert told.out == f"  SHA256: {SHA256}\n  Status: deleted\n\n"
    assert (as_json["sha256"], as_json["status"]) == (SHA256, "deleted")


@pytest.fixture
def remote(controller):
    return controller.says("GET", "/api/file/app%2Fmy.conf/content", CONTENT, ETag=f'"{SHA256}"')


def test_a_download_has_its_own_name_unless_it_is_told_another(remote, osapi, source):
    download = ("client", "file", "download", "--name", "app/my.conf")
    folder = source.with_name("folder")
    folder.mkdir()

    done, elsewhere, again = osapi(*download), osapi(*download, "--to", folder), osapi(*download, "-j")

    assert done.out == f"  Path: my.conf\n  SHA256: {SHA256}\n  Size: 10.7 KiB\n  Changed: yes\n\n"
    assert source.with_name("my.conf").read_bytes() == (folder / "my.conf").read_bytes() == CONTENT
    assert f"Path: {folder}/my.conf\n" in elsewhere.out
    assert json.loads(again.out) == {
        "path": "my.conf",
        "sha256": SHA256,
        "size": len(CONTENT),
        "changed": False,
    }


def test_a_download_replaces_other_content_only_by_force(remote, osapi, source):
    source.write_bytes(b"other")
    download = ("client", "file", "download", "--name", "app/my.conf", "--to", source)

    refused = osapi(*download)

    assert (refused.code, source.read_bytes()) == (1, b"other")
    assert refused.err.endswith("app.service: has other content; force replaces it\n")
    assert osapi(*download, "--force").code == 0
    assert source.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("file", "download", "--name", "app/my.conf", "--to", "/nowhere/x"), "/nowhere/x: No such file or directory"),
        (("file", "download", "--name", "app/.."), "--to: what is downloaded has no name for a file"),
        (("file", "upload", "--name", "a", "--file", "nothing"), "nothing: No such file or directory"),
        (("file", "upload", "--name", "a", "--file", "/"), "/: Is a directory"),
        (("file", "upload", "--name", "a"), "Missing argument 'FILE' (or option '--file')"),
        (("blob", "upload", "a", "b"), "Got unexpected extra argument (b)"),
        (("blob", "download", "abc"), "--sha256: 'abc' is not allowed; expected: SHA-256 of the content"),
        (("blob", "check", "0" * 64, "--sha256", "1" * 64), "extra argument (000000"),
        (("node", "file", "read"), "Missing argument 'PATH' (or option '--path')"),
        (("node", "file", "read", "/a", "--path", "/b"), "extra argument (/a); --path is given already"),
        (("node", "file", "copy", "/a"), "Missing argument 'DESTINATION' (or option '--destination')"),
    ],
)  # fmt: skip
def test_a_mistake_about_files_is_named(remote, osapi, source, words, error):
    done = osapi("client", *words)

    assert done.code in {1, 2}
    assert done.err.startswith("Error: ")
    assert error in done.err


def test_standard_input_is_uploaded_and_standard_output_gets_what_is_downloaded(controller, program, remote):
    controller.says("POST", "/api/file", STORED | {"changed": True}, 201)
    upload = program.start(
        "client", "file", "upload", "--name", "my-unit", "--file", "-", stdin=subprocess.PIPE
    )

    out, err = upload.communicate(CONTENT.decode(), timeout=60)
    done = program("client", "file", "download", "--name", "app/my.conf", "--to", "-")

    assert (upload.returncode, err) == (0, "")
    assert "Name: my-unit" in out
    assert controller.asked[-2].body["file"] == Part("file", CONTENT)
    assert (done.code, done.out.encode(), done.err) == (0, CONTENT, "")


def test_ctrl_c_ends_an_upload_that_waits_for_its_input(program, controller):
    upload = program.start(
        "client", "file", "upload", "--name", "a", "-", stdin=subprocess.PIPE, PYTHONVERBOSE="1"
    )
    heard = []
    reader = threading.Thread(target=lambda: heard.extend(upload.stderr))
    reader.start()

    program.until(lambda: any("osapi.multipart" in line for line in heard))
    code = program.interrupt(upload)
    reader.join()

    assert code == 130
    assert not any("Traceback" in line or "Fatal" in line for line in heard)


def test_on_a_terminal_a_bar_tells_how_far_it_is(controller, program, tmp_path):
    held = controller.says("POST", "/api/blobs", BLOB | {"changed": True}, 201)
    held.when = threading.Event()
    large = tmp_path / "large"
    large.write_bytes(bytes(3 << 20))

    screen = program.on_terminal("client", "blob", "upload", str(large), TERM="xterm-256color")
    screen.until("Uploading", "3.0 MiB of 3.0 MiB")
    held.when.set()
    text = screen.finish()

    assert "backend:\x1b[0m nats" in text
    assert screen.process.returncode == 0
