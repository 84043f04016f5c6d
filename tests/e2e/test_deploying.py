"""From the object store onto the disks of three agents, each a process of its own, and back."""

import os
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
import trio
from processes import eventually

from osapi.bus import layout
from osapi.bus.connect import connect
from osapi.config import Auth, Config, NatsConnection

HOSTS = ["db-01", "web-01", "web-02"]
TEMPLATE = b"# {{ .Hostname }}\nlisten = {{ .Vars.address }}:8080\ncpus = {{ .Facts.cpu_count }}\n"
NUMBERS = count()


def upload(site, data, *, name=None, content_type="raw"):
    """Put data into the object store, over what has the name; its name."""
    name = name or f"object-{next(NUMBERS)}"
    with site.http() as http:
        form = {"name": name, "content_type": content_type}
        answer = http.post("/api/file", params={"force": "true"}, data=form, files={"file": data})
    assert answer.status_code == 201, answer.text
    return name


def ask(site, verb, target="_all", **body):
    """What a host or each of several answers."""
    with site.http() as http:
        answer = http.post(f"/api/node/{target}/file/{verb}", params=body.pop("params", {}), json=body)
    return answer.json()


def items(answer):
    return {item["hostname"]: item for item in answer["results"]}


def untouched(path):
    """What is another as soon as anything of a file is changed, or it is replaced."""
    found = path.stat()
    return found.st_ino, found.st_ctime_ns


def each(site, verb, field, **body):
    return {host: item.get(field) for host, item in items(ask(site, verb, **body)).items()}


def all_hosts(value):
    return dict.fromkeys(HOSTS, value)


def records(site):
    """The records of deployments on the broker, each with its revision."""
    password = (site.folder / "state" / "broker.password").read_text().strip()
    auth = Auth(type="user_pass", username="osapi", password=password)
    found = {}

    async def read():
        bus = connect(NatsConnection(host="127.0.0.1", port=site.broker_port, auth=auth))
        async with trio.open_nursery() as nursery:
            await nursery.start(bus.run)
            bucket = await bus.bucket(layout.specs(Config(), "").file_state)
            async with bucket.watch() as entries:
                while hasattr(entry := await entries.receive(), "key"):
                    found[entry.key] = entry.revision, entry.value
            nursery.cancel_scope.cancel()

    trio.run(read)
    return found


@pytest.fixture
def place(tmp_path):
    """The path to deploy to: all agents are on this machine, so each has a file of its own."""
    return str(tmp_path / "etc" / "@fact.hostname")


@pytest.fixture
def on_disk(tmp_path):
    def on_disk(host) -> Path:
        return tmp_path / "etc" / host

    return on_disk


def test_one_template_is_rendered_for_each_host(fleet, place, on_disk):
    name = upload(fleet, TEMPLATE, content_type="template")
    vars = {"address": "@fact.hostname"}

    done = items(ask(fleet, "deploy", object_name=name, path=place, mode="0640", vars=vars))

    for host in HOSTS:
        text = f"# {host}\nlisten = {host}:8080\ncpus = {os.cpu_count()}\n"
        assert on_disk(host).read_text() == text
        assert on_disk(host).stat().st_mode & 0o777 == 0o640
        assert done[host]["changed"]
        assert done[host]["sha256"] == sha256(text.encode()).hexdigest()


def test_a_label_chooses_the_hosts(fleet, place, on_disk):
    name = upload(fleet, b"for the web\n")

    ask(fleet, "deploy", target="group:web", object_name=name, path=place)

    assert [host for host in HOSTS if on_disk(host).exists()] == ["web-01", "web-02"]


def test_a_second_run_changes_nothing_and_writes_nothing_to_the_broker(fleet, place, on_disk):
    name = upload(fleet, TEMPLATE, content_type="template")
    body = {"object_name": name, "path": place, "mode": "0640", "vars": {"address": "x"}}
    ask(fleet, "deploy", **body)
    before, files = records(fleet), [untouched(on_disk(host)) for host in HOSTS]

    assert each(fleet, "deploy", "changed", **body) == all_hosts(False)

    assert records(fleet) == before
    assert [untouched(on_disk(host)) for host in HOSTS] == files


def test_what_somebody_edited_is_drifted_and_deploy_repairs_it(fleet, place, on_disk):
    name = upload(fleet, b"port = 80\n")
    ask(fleet, "deploy", object_name=name, path=place, mode="0640")
    on_disk("web-01").write_text("port = 81\n")
    on_disk("db-01").chmod(0o666)
    on_disk("web-02").unlink()

    found = items(ask(fleet, "status", path=place))

    assert {host: found[host]["status"] for host in HOSTS} == {
        "web-01": "drifted",
        "db-01": "drifted",
        "web-02": "missing",
    }
    assert (found["web-01"]["differs"], found["db-01"]["differs"]) == (["content"], ["mode"])

    repaired = each(fleet, "deploy", "changed", object_name=name, path=place, mode="0640")

    assert repaired == all_hosts(True)
    assert each(fleet, "status", "status", path=place) == all_hosts("in-sync")
    assert {on_disk(host).read_text() for host in HOSTS} == {"port = 80\n"}


def test_what_is_uploaded_anew_is_stale_until_it_is_deployed(fleet, place):
    def stale():
        with fleet.http() as http:
            listed = http.get("/api/file/stale").json()["stale"]
        return sorted(item["hostname"] for item in listed if item["object_name"] == name)

    name = upload(fleet, TEMPLATE, content_type="template")
    body = {"object_name": name, "path": place, "vars": {"address": "x"}}
    ask(fleet, "deploy", **body)
    assert stale() == []

    upload(fleet, TEMPLATE + b"new = yes\n", name=name, content_type="template")
    assert stale() == HOSTS
    ask(fleet, "deploy", target="group:web", **body)
    assert stale() == ["db-01"]
    ask(fleet, "undeploy", target="db-01", path=place)
    assert stale() == []


def test_undeploy_removes_what_was_deployed_and_keeps_the_record(fleet, place, on_disk):
    name = upload(fleet, b"port = 80\n")
    ask(fleet, "deploy", target="group:web", object_name=name, path=place)
    on_disk("db-01").write_text("mine\n")
    before = records(fleet)

    done = items(ask(fleet, "undeploy", path=place))

    assert [done[host].get("changed") for host in ("web-01", "web-02")] == [True, True]
    assert (done["db-01"]["status"], done["db-01"]["code"]) == ("failed", "conflict")
    assert "was not deployed by OSAPI" in done["db-01"]["error"]
    assert [host for host in HOSTS if on_disk(host).exists()] == ["db-01"]
    assert before.keys() == records(fleet).keys()
    assert each(fleet, "status", "status", path=place) == all_hosts("missing")
    assert each(fleet, "undeploy", "changed", target="group:web", path=place) == {
        "web-01": False,
        "web-02": False,
    }


def test_undo_brings_back_the_version_before(fleet, place, on_disk):
    name = upload(fleet, b"port = 80\n")
    ask(fleet, "deploy", target="web-01", object_name=name, path=place)
    upload(fleet, b"port = 81\n", name=name)
    ask(fleet, "deploy", target="web-01", object_name=name, path=place, mode="0600")

    [back] = ask(fleet, "undo", target="web-01", path=place)["results"]

    assert (back["changed"], back["sha256"]) == (True, sha256(b"port = 80\n").hexdigest())
    assert on_disk("web-01").read_text() == "port = 80\n"
    assert on_disk("web-01").stat().st_mode & 0o777 == 0o644
    assert each(fleet, "status", "status", target="web-01", path=place) == {"web-01": "in-sync"}
    ask(fleet, "undo", target="web-01", path=place)
    assert on_disk("web-01").read_text() == "port = 81\n"


def test_a_template_with_an_unknown_name_fails_and_names_it(fleet, place, on_disk):
    name = upload(fleet, b"ok\n{{ .Vars.adress }}\n", content_type="template")

    done = items(ask(fleet, "deploy", object_name=name, path=place, vars={"address": "x"}))

    assert {item["status"] for item in done.values()} == {"failed"}
    assert all("adress" in item["error"] for item in done.values())
    assert not any(on_disk(host).exists() for host in HOSTS)


def test_a_dry_run_gives_the_diff_and_writes_nothing(fleet, place, on_disk):
    name = upload(fleet, b"port = 80\n")
    ask(fleet, "deploy", object_name=name, path=place)
    upload(fleet, b"port = 81\n", name=name)
    before, files = records(fleet), [untouched(on_disk(host)) for host in HOSTS]

    done = items(ask(fleet, "deploy", object_name=name, path=place, mode="0600", params={"dry_run": "true"}))

    for host in HOSTS:
        assert done[host]["changed"]
        [plan] = done[host]["plan"]["files"]
        assert plan["path"] == str(on_disk(host))
        assert "-port = 80\n+port = 81\n" in plan["diff"]
        assert "new mode 100600" in plan["diff"]
    assert records(fleet) == before
    assert [untouched(on_disk(host)) for host in HOSTS] == files


def test_what_the_agent_keeps_and_the_kernel_shows_is_refused(fleet):
    name = upload(fleet, b"x\n")

    for path in (
        str(fleet.folder / "state-web-01" / "agent" / "journal.db"),
        "/etc/osapi/osapi.yaml",
        "/proc/sys/kernel/hostname",
        "/etc/shadow",
        "/etc/../etc/shadow-",
    ):
        [done] = ask(fleet, "deploy", target="web-01", object_name=name, path=path)["results"]
        assert (done["status"], done["code"]) == ("failed", "refused"), path


def test_an_agent_that_is_killed_in_the_middle_leaves_the_old_file_or_the_new_one(site, tmp_path):
    site.broker()
    site.controller()
    agent = site.agent("web-01")
    old, new = b"old" * 1000, os.urandom(1024 * 1024) * 200
    path = tmp_path / "etc" / "image"
    ask(site, "deploy", target="web-01", object_name=upload(site, old, name="image"), path=str(path))
    upload(site, new, name="image")

    with site.http() as http:
        body = {"object_name": "image", "path": str(path)}
        submitted = http.post(
            "/api/node/web-01/file/deploy",
            json=body,
            headers={"Prefer": "respond-async"},
            params={"expires": "5m"},
        )
    assert submitted.status_code == 202, submitted.text
    eventually(
        lambda: [one for one in path.parent.iterdir() if one != path and one.stat().st_size > 20_000_000]
    )
    agent.kill()

    assert path.read_bytes() == old
    site.agent("web-01")
    eventually(lambda: path.stat().st_size == len(new))
    assert sha256(path.read_bytes()).digest() == sha256(new).digest()
    eventually(lambda: [one.name for one in path.parent.iterdir()] == ["image"])
