"""The audit log of real processes: what is in it, when it is written, and what becomes visible where it is touched."""

import json
from datetime import datetime
from threading import Thread

import httpx
import pytest
import trio
from processes import eventually

from osapi.audit.chain import read
from osapi.bus import CaughtUp
from osapi.bus.bridge import NatsBus
from osapi.bus.layout import job, specs
from osapi.config import Config
from osapi.keys import KeyPair
from osapi.tokens import issue

SECRET = "correct-horse-battery-9417"
SPECS = specs(Config(), "")


def on_the_broker(site, work):
    """Do something with a bus that is connected as the controller's is."""

    async def connected():
        password = (site.folder / "state" / "broker.password").read_text().strip()
        url = f"nats://127.0.0.1:{site.broker_port}"
        bus = NatsBus([url], name="test", user="osapi", password=password)
        async with trio.open_nursery() as nursery:
            await nursery.start(bus.run)
            found = await work(bus)
            nursery.cancel_scope.cancel()
        return found

    return trio.run(connected)


async def blocks(bus):
    """The writes of the log, each with when the broker took it."""
    log = await bus.log(SPECS.audit)
    found = []
    async with log.read() as lines:
        async for line in lines:
            if isinstance(line, CaughtUp):
                return found
            found.append(line)
    raise AssertionError("it ended")


def entries(site):
    return [entry for line in on_the_broker(site, blocks) for entry in read(line.data)]


def rewrite(site, change):
    """Put another log in the place of the one that is there, as who owns the broker can."""

    async def replace(bus):
        before = [each for line in await blocks(bus) for each in line.data.split(b"\n")]
        log = await bus.log(SPECS.audit)
        await log.stream.ask(f"STREAM.DELETE.{log.stream.name}", {}, dict)
        log = await bus.log(SPECS.audit)
        for line in change(before):
            await log.append("entries", line)

    on_the_broker(site, replace)


def listed(http, count, **filters):
    """Entries, newest first, once there are that many."""

    def found():
        items = http.get("/api/audit", params=filters).raise_for_status().json()["items"]
        return items if len(items) >= count else None

    return eventually(found)


def set_a_parameter(http, value="1", **params):
    return http.post(
        "/api/node/_all/command/exec", json={"command": "true", "args": [value]}, params=params, timeout=60
    )


def hang_on(site):
    """Ask for a change, and wait for an answer that does not come."""
    with site.http() as http, pytest.raises(httpx.TransportError):
        set_a_parameter(http, "begun")


def token(site, *roles, subject="reader"):
    key = (site.folder / "state" / "signing.key").read_text().strip()
    return issue(key, subject, list(roles))


def test_a_change_is_on_record_before_it_is_a_job_and_its_outcome_after(stack, http):
    done = set_a_parameter(http).raise_for_status().json()

    outcome, intent = listed(http, 2, job_id=done["job_id"])
    assert (intent["phase"], intent["response_code"]) == ("intent", 102)
    assert (outcome["phase"], outcome["response_code"], outcome["outcome"]) == ("outcome", 202, "completed")
    assert intent["params"] == {"command": "true", "args": ["1"], "timeout": 30}
    assert intent["hosts"] == [item["hostname"] for item in done["results"]]
    for entry in (intent, outcome):
        assert (entry["user"], entry["roles"], entry["source_ip"]) == ("admin", ["admin"], "127.0.0.1")
        assert (entry["method"], entry["path"]) == ("POST", "/api/node/_all/command/exec")
        assert (entry["operation_id"], entry["target"]) == ("command.exec", "_all")

    table = stack.cli("client", "audit", "list", "--job-id", done["job_id"], check=0).stdout
    assert ["begun" in line for line in table.splitlines() if "/api/node" in line] == [False, True]
    shown = stack.cli("client", "audit", "get", "--audit-id", intent["id"], check=0).stdout
    assert '"command": "true"' in shown
    assert f"Job ID: {done['job_id']}" in shown

    async def times(bus):
        bucket = await bus.bucket(SPECS.jobs)
        written = next(line for line in await blocks(bus) if intent["id"] in line.data.decode())
        return written.created, (await bucket.get(job(done["job_id"]))).created

    recorded, submitted = on_the_broker(stack, times)
    assert recorded < submitted


def test_a_job_that_goes_on_after_the_answer_has_its_end_on_record(http):
    asked = {"command": "sleep", "args": ["1"]}
    job_id = http.post("/api/node/_all/command/exec", json=asked, headers={"Prefer": "respond-async"}).json()[
        "job_id"
    ]

    end, outcome, _ = listed(http, 3, job_id=job_id)

    assert (outcome["response_code"], outcome["phase"]) == (202, "outcome")
    assert outcome["outcome"] in {"submitted", "processing"}
    assert (end["phase"], end["outcome"], end["states"]) == ("end", "completed", {"completed": 1})
    assert (end["user"], end["roles"]) == ("admin", ["admin"])


def test_calls_that_change_something_and_dry_runs_and_reads_are_on_record(http):
    http.put("/api/node/_all/timezone", json={"timezone": "Europe/Berlin"}, params={"dry_run": "true"})
    http.delete("/api/job/6f9619ff-8b86-4011-b42d-00c04fc964ff")
    http.get("/api/health/status")
    http.get("/api/audit", params={"limit": "0"})

    [dry] = listed(http, 1, path="/api/node/_all/timezone", limit=1)
    deleted, about_to = listed(http, 2, operation_id="job.delete", limit=2)
    assert (dry["phase"], dry["dry_run"], dry["response_code"]) == ("outcome", True, 200)
    assert (about_to["phase"], deleted["response_code"]) == ("intent", 404)
    assert listed(http, 1, operation_id="audit", status="4xx")[0]["response_code"] == 400
    assert http.get("/api/audit", params={"path": "/api/health"}).json()["items"] == []


def test_refused_requests_are_on_record_and_a_flood_of_them_is_counted(stack, http):
    with httpx.Client(base_url=stack.url) as anonymous, stack.http(token(stack, "read")) as reader:
        reader.get("/api/audit")
        set_a_parameter(reader)
        for _ in range(50):
            anonymous.get("/api/node/_all/hostname", headers={"Authorization": "Bearer x"})

    refused = listed(http, 5, status="401", limit=100)
    assert {(entry["user"], entry["source_ip"]) for entry in refused} == {("", "127.0.0.1")}
    assert len(refused) < 10
    forbidden = listed(http, 2, user="reader", status="403")
    assert {entry["operation_id"] for entry in forbidden} == {"audit.list", "command.exec"}


def test_pages_and_single_entries_are_as_clients_know_them(http):
    for _ in range(5):
        http.get("/api/agent")
    listed(http, 5, operation_id="agent.list")

    first = http.get("/api/audit", params={"limit": 3}).json()
    second = http.get("/api/audit", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    whole = http.get("/api/audit/export").json()
    lines = http.get("/api/audit/export", headers={"Accept": "application/x-ndjson"})

    numbers = [entry["number"] for entry in [*first["items"], *second["items"]]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 6
    assert len(whole["items"]) >= whole["total_items"] >= first["total_items"]
    known = {entry["number"]: entry for entry in map(json.loads, lines.text.splitlines())}
    for entry in first["items"]:
        assert known[entry["number"]] == entry
        assert http.get(f"/api/audit/{entry['id']}").json() == {"entry": entry}
        datetime.fromisoformat(entry["timestamp"])
    gone = http.get("/api/audit/00000000-ffff-8abc-9d11-5a6b7c8d9e0f")
    assert gone.status_code == 404
    past = http.get("/api/audit", params={"until": "2020-01-01"}).json()
    assert (past["items"], past["total_items"]) == ([], 0)


def test_a_log_that_was_tampered_with_says_where(site):
    site.everything()
    with site.http() as http:
        for value in "123":
            set_a_parameter(http, value)
        listed(http, 6, operation_id="command.exec")
    untouched = site.json("client", "audit", "verify")
    numbers = {entry["params"]["args"][0]: entry["number"] for entry in entries(site) if "params" in entry}

    def tamper(lines):
        edited, removed, moved = numbers["1"] - 1, numbers["2"] - 1, numbers["3"] - 1
        lines[edited] = lines[edited].replace(b'"1"', b'"9"')
        kept = [line for i, line in enumerate(lines) if i not in {removed, moved}]
        return [lines[moved], *kept]

    rewrite(site, tamper)
    done = site.cli("client", "audit", "verify", "--json", check=1)
    rewrite(site, lambda lines: lines[:2])
    cut = site.cli("client", "audit", "verify", "--expect", untouched["head"], check=1).stdout

    assert (untouched["verified"], untouched["findings"]) == (True, [])
    found = {(each["kind"], each["first"], each["last"]) for each in json.loads(done.stdout)["findings"]}
    assert found == {
        ("edited", numbers["1"], numbers["1"]),
        ("removed", numbers["2"], numbers["2"]),
        ("reordered", numbers["3"], numbers["3"]),
    }
    assert "removed" in cut
    assert "The log is not as it was written." in cut


def test_an_exported_file_is_verified_without_a_controller_and_has_no_secrets(site):
    controller = site.everything()
    with site.http() as http:
        http.post("/api/node/_all/user", json={"name": "nobody", "password": SECRET}, timeout=60)
        _, intent = listed(http, 2, operation_id="user.create")
    key = site.json("client", "audit", "key")["public_key"]
    output = site.folder / "audit.jsonl"
    exported = site.cli("client", "audit", "export", "--output", str(output), check=0).stdout
    controller.stop()
    offline = ("client", "audit", "verify", "--file", str(output), "--public-key")

    fine = site.cli(*offline, key, check=0).stdout
    foreign = site.cli(*offline, KeyPair.generate().public.text, check=1).stdout
    text = output.read_text()
    lines = text.splitlines(keepends=True)
    output.write_text("".join(lines[:1] + lines[2:]))
    broken = site.cli(*offline, key, check=1).stdout

    assert f"Exported: {len(lines)}" in exported
    assert f"{len(lines)}, from 1 to" in fine
    assert "foreign" in foreign
    assert "removed  2" in broken
    assert intent["params"]["password"] == "****"
    assert SECRET not in text
    assert (site.folder / "state" / "admin.token").read_text().strip() not in text


def test_a_full_log_refuses_changes_and_allows_reads(site):
    site.env["OSAPI_NATS_AUDIT_MAX_BYTES"] = "30000"
    site.everything()
    with site.http() as http:
        answers = [set_a_parameter(http, "x" * 200)]
        while answers[-1].is_success and len(answers) < 200:
            answers.append(set_a_parameter(http, "x" * 200))
        jobs = http.get("/api/job").json()["total_items"]
        again = set_a_parameter(http)

        assert len(answers) > 5
        for refused in (answers[-1], again):
            assert refused.status_code == 503, refused.text
            assert "raise nats.audit.max_bytes" in refused.json()["error"]
        assert http.get("/api/job").json()["total_items"] == jobs == len(answers) - 1
        assert http.get("/api/node/_all/hostname").status_code == 200
        assert http.get("/api/audit").status_code == 200
    assert site.json("client", "audit", "verify")["verified"]


def test_two_controllers_write_one_chain_and_a_killed_one_leaves_what_it_began(site):
    site.broker()
    first = site.controller()
    agent = site.agent("web-01")
    key = {"OSAPI_CONTROLLER_AUDIT_KEY": (site.folder / "state" / "audit.key").read_text().strip()}
    other = site.beside("other")
    other.controller(**key)

    def work(url):
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {site.token}"}) as http:
            for _ in range(10):
                set_a_parameter(http).raise_for_status()

    threads = [Thread(target=work, args=(found.url,)) for found in (site, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: not site.json("client", "audit", "verify")["unfinished"])  # outcomes come soon after
    together = site.json("client", "audit", "verify")

    agent.freeze()
    waiting = Thread(target=hang_on, args=(site,))
    with other.http(site.token) as http:
        waiting.start()
        eventually(lambda: "begun" in str(listed(http, 1, phase="intent", limit=1)))
        first.kill()
        waiting.join()
        agent.thaw()
        [intent] = listed(http, 1, phase="intent", limit=1)
        told = [entry["phase"] for entry in listed(http, 1, job_id=intent["job_id"])]
    left = other.cli(
        "client", "audit", "verify", "--json", OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN=site.token
    )

    assert (together["verified"], together["unfinished"]) == (True, [])
    assert together["entries"] >= 40
    assert told == ["intent"]
    assert json.loads(left.stdout)["unfinished"] == [intent["id"]]
