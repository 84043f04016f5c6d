"""Files in the object store, over HTTP: what is stored, what is refused, and what comes back."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from urllib.parse import quote

import httpx
import pytest
import trio
from processes import eventually

from osapi import wire
from osapi.bus import layout
from osapi.bus.connect import connect
from osapi.config import Auth, Config, NatsConnection
from osapi.deployments import Deployment

NUMBERS = count()


@pytest.fixture
def name():
    return f"files/app {next(NUMBERS)} ä.conf"


@pytest.fixture
def upload(http):
    def upload(name, data, *, client=http, content_type=None, force=None):
        form = {"name": name} if content_type is None else {"name": name, "content_type": content_type}
        query = {} if force is None else {"force": force}
        return client.post("/api/file", params=query, data=form, files={"file": data})

    return upload


def url(name, more=""):
    return f"/api/file/{quote(name, safe='')}{more}"


def digest(data):
    return sha256(data).hexdigest()


def listed(http):
    return {each["name"]: each for each in http.get("/api/file").json()["files"]}


def on_the_bus(site, work):
    """Do something with the broker, signed in as the daemons are."""
    password = (site.folder / "state" / "broker.password").read_text().strip()
    auth = Auth(type="user_pass", username="osapi", password=password)

    async def connected():
        bus = connect(NatsConnection(host="127.0.0.1", port=site.broker_port, auth=auth))
        async with trio.open_nursery() as nursery:
            await nursery.start(bus.run)
            await work(bus, layout.specs(Config(), ""))
            nursery.cancel_scope.cancel()

    trio.run(connected)


def test_a_file_is_stored_listed_described_and_downloaded(http, upload, name):
    data = os.urandom(3_000_000)
    known = {"name": name, "sha256": digest(data), "size": len(data), "content_type": "raw"}

    answer = upload(name, data)

    assert (answer.status_code, answer.json()) == (201, known | {"changed": True})
    assert http.get(url(name)).json() == known | {"source": "user"} == listed(http)[name]
    content = http.get(url(name, "/content"))
    assert (content.status_code, content.content == data) == (200, True)
    assert content.headers["ETag"] == f'"{digest(data)}"'
    assert content.headers["Content-Length"] == "3000000"
    assert quote(name.rpartition("/")[2]) in content.headers["Content-Disposition"]


def test_the_same_again_changes_nothing_and_force_changes_it(http, upload, name):
    upload(name, b"one")

    again = upload(name, b"one")
    forced = upload(name, b"one", force="true")

    assert (again.status_code, again.json()["changed"]) == (201, False)
    assert (forced.status_code, forced.json()["changed"]) == (201, True)


def test_other_content_is_a_conflict_that_names_both_and_the_way_out(http, upload, name):
    upload(name, b"one")

    refused = upload(name, b"two", force="false")

    assert refused.status_code == 409
    for words in (name, digest(b"one"), digest(b"two"), "force"):
        assert words in refused.json()["detail"]
    assert http.get(url(name, "/content")).content == b"one"


def test_with_force_other_content_replaces_it(http, upload, name):
    upload(name, b"one")

    forced = upload(name, b"two", force="true", content_type="template")

    assert (forced.status_code, forced.json()["changed"], forced.json()["sha256"]) == (
        201,
        True,
        digest(b"two"),
    )
    assert http.get(url(name)).json()["content_type"] == "template"
    assert http.get(url(name, "/content")).content == b"two"


def test_another_content_type_is_a_change(http, upload, name):
    upload(name, b"one", content_type="raw")

    changed = upload(name, b"one", content_type="template")
    same = upload(name, b"one", content_type="template")

    assert (changed.json()["changed"], same.json()["changed"]) == (True, False)
    assert listed(http)[name]["content_type"] == "template"


def test_of_two_who_upload_at_once_one_gets_a_conflict(stack, upload, name):
    contents = [bytes([letter]) * 2_000_000 for letter in b"ab"]
    with stack.http() as one, stack.http() as other, ThreadPoolExecutor() as beside:
        running = [
            beside.submit(upload, name, data, client=client)
            for client, data in zip((one, other), contents, strict=True)
        ]
        found = [each.result() for each in running]

        assert sorted(answer.status_code for answer in found) == [201, 409]
        [won] = [data for data, answer in zip(contents, found, strict=True) if answer.status_code == 201]
        assert one.get(url(name)).json()["sha256"] == digest(won)


@pytest.mark.parametrize("own", ["osapi/motd.tmpl", "osapi/new", "osapi/"])
def test_files_of_osapi_are_not_the_users_to_change(http, upload, own):
    before = listed(http)

    for answer in (
        upload(own, b"x"),
        upload(own, b"x", force="true"),
        http.delete(url(own)),
    ):
        assert answer.status_code == 403
        assert "osapi/" in answer.json()["detail"]

    assert listed(http) == before


def test_files_of_osapi_are_there_from_the_start(http):
    motd = eventually(lambda: listed(http).get("osapi/motd.tmpl"))

    assert (motd["source"], motd["content_type"]) == ("osapi", "template")
    assert b"{{ hostname }}" in http.get(url("osapi/motd.tmpl", "/content")).content


def test_an_empty_file_is_refused(http, upload, name):
    refused = upload(name, b"")

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "file")
    assert name not in listed(http)


@pytest.mark.parametrize("wrong", ["", "x" * 256, "a\nb", "a\0b"])
def test_a_name_that_is_none_is_refused(upload, wrong):
    refused = upload(wrong, b"x")

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "name")


def test_an_unknown_content_type_is_refused(upload, name):
    refused = upload(name, b"x", content_type="jinja")

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "content_type")


def test_a_deleted_file_is_gone(http, upload, name):
    upload(name, b"x")

    deleted = http.delete(url(name))

    assert (deleted.status_code, deleted.json()) == (200, {"name": name, "deleted": True})
    assert name not in listed(http)
    assert upload(name, b"other").status_code == 201


def test_what_is_not_there_is_not_found(http, name):
    for answer in (http.get(url(name)), http.get(url(name, "/content")), http.delete(url(name))):
        assert answer.status_code == 404
        assert name in answer.json()["detail"]


def test_without_a_token_or_the_permission_nothing_is_done(stack, upload, name):
    reader = stack.json("token", "generate", "-u", "anna", "-r", "read")["token"]
    upload(name, b"x")
    with stack.http("") as nobody, stack.http(reader) as may_read:
        for client, status in ((nobody, 401), (may_read, 403)):
            assert upload(name, b"y", client=client).status_code == status
            assert upload("osapi/x", b"", client=client).status_code == status
            assert client.delete(url(name)).status_code == status
        assert may_read.get(url(name, "/content")).content == b"x"
        for path in ("/api/file", "/api/file/stale", url(name), url(name, "/content")):
            assert nobody.get(path).status_code == 401
            assert may_read.get(path).status_code == 200


def test_a_deployment_is_stale_once_its_object_has_other_content(stack, http, upload, name):
    upload(name, b"one")
    [host] = http.get("/api/agent").json()["agents"]
    made = Deployment(
        object_name=name,
        path="/etc/cron.d/app",
        sha256=digest(b"rendered"),
        source_sha256=digest(b"one"),
        content_type="template",
        deployed_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    )

    async def record(bus, specs):
        bucket = await bus.bucket(specs.file_state)
        for machine_id in (host["machine_id"], "gone"):
            await bucket.put(layout.deployment(machine_id, made.path), wire.encode(made))

    def found():
        answer = http.get("/api/file/stale").json()
        return [each for each in answer["stale"] if each["object_name"] == name]

    on_the_bus(stack, record)
    assert found() == []
    upload(name, b"two", force="true")

    stale = eventually(found)
    assert sorted(each["hostname"] for each in stale) == sorted([host["hostname"], "gone"])
    assert {each["provider"] for each in stale} == {"cron"}
    assert {each["deployed_sha"] for each in stale} == {digest(b"one")}
    assert {each["current_sha"] for each in stale} == {digest(b"two")}
    http.delete(url(name))
    assert {each["current_sha"] for each in found()} == {""}
    upload(name, b"one")
    assert found() == []


def test_a_result_that_is_kept_in_the_object_store_is_no_file(stack, http):
    answer = stack.json(
        "client", "node", "command", "shell", "--command", "head -c 1500000 /dev/zero | tr '\\0' x"
    )

    assert len(answer["results"][0]["stdout"]) > 1024 * 1024
    names = listed(http)
    assert [each for each in names if answer["job_id"] in each] == []
    [agent] = http.get("/api/agent").json()["agents"]
    hidden = layout.result(answer["job_id"], agent["machine_id"])
    assert http.get(url(hidden)).status_code == 404
    assert http.get(url(hidden, "/content")).status_code == 404


def test_a_store_that_is_full_says_so_and_keeps_what_it_has(site, upload):
    site.env["OSAPI_NATS_OBJECTS_MAX_BYTES"] = "1000000"
    site.everything()
    with site.http() as http:
        assert upload("kept", b"k" * 500_000, client=http).status_code == 201

        refused = upload("too much", b"x" * 5_000_000, client=http)

        assert refused.status_code == 507
        for words in ("file-objects is full", "nats.objects.max_bytes"):
            assert words in refused.json()["detail"]
        assert http.get(url("kept", "/content")).content == b"k" * 500_000
        assert upload("small", b"s" * 100_000, client=http).status_code == 201


def test_a_controller_that_is_killed_amid_an_upload_leaves_what_was_there(site):
    site.broker()
    controller = site.controller()
    with site.http() as http:
        http.post("/api/file", data={"name": "a"}, files={"file": b"one"})

    def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\na\r\n'
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield b"x" * 100_000
        controller.kill()
        yield b"x"

    with site.http() as http, pytest.raises(httpx.TransportError):
        http.post(
            "/api/file",
            params={"force": "true"},
            content=endless(),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
    site.controller()

    with site.http() as http:
        assert http.get(url("a", "/content")).content == b"one"
