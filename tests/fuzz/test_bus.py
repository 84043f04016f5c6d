"""Garbage on the bus, by somebody who has the broker's password: each piece is told of in one line, and no more.

Whoever has that password can have any job done; that is not what this is about. What no OSAPI ever writes must
not stop one.
"""

import json
import uuid
from collections import Counter
from datetime import timedelta
from urllib.parse import quote

import pytest
import trio
from fuzzed import AGENT, fuzzed
from jsonschema import Draft202012Validator
from processes import eventually
from rehearsal import DOCUMENT

from osapi.bus.connect import connect
from osapi.bus.layout import Subjects, specs
from osapi.config import Auth, Config, NatsConnection
from osapi.jobs import now

ME = f"machine-{AGENT}"
SUBJECTS = Subjects()
SPECS = specs(Config(), "")
ID = "00000000-0000-4000-8000-0000000000%02x"

BYTES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b"{}",
    b"7",
    b"[" * 100_000,
    b'{"id":' * 50_000,
    b'{"id": 1e999}',
    b"x" * 500_000,
    b'{"params": ' + b"[" * 400 + b"]" * 400 + b"}",
]
"""No job, no answer, no beat: nothing that anybody could read."""

WORDS = ["", " ", "a b", "a.b", "*", ">", "../x", "a\nb", "a\0b", "\u202e", "x" * 5000, 7, None, [], {}]
TIMES = ["", "now", "2026-01-01T00:00:00", "2026-01-01", -1, None, "1e99", "99999-01-01T00:00:00Z"]
EXTREMES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"]
DEEP = json.loads("[" * 400 + "]" * 400)


def job(number=0, **other):
    """A question that is well formed, with what differs."""
    created = now()
    return {
        "id": ID % number,
        "operation": "node.uptime",
        "params": {},
        "target": AGENT,
        "hosts": [{"machine_id": ME, "hostname": AGENT}],
        "user": "fuzzer",
        "created": created.isoformat(),
        "expires": (created + timedelta(seconds=20)).isoformat(),
        **other,
    }


def malformed_jobs():
    """Such as cannot be read: one thing wrong with each."""
    yield from (job(id=word) for word in WORDS)
    yield from (job(created=time) for time in TIMES)
    yield from (job(expires=time) for time in TIMES)
    yield from (job(hosts=[{"machine_id": word, "hostname": AGENT}]) for word in WORDS)
    yield from (job(hosts=hosts) for hosts in (None, {}, [7], [{}]))
    yield from (job(params=given) for given in (None, [], "x", {"a": DEEP}))
    yield from (job(dry_run=word) for word in ("no", 7, None))


def strange_jobs():
    """Such as can be read, and yet mean nothing that could be done."""
    numbers = iter(range(1, 256))
    strange = [
        *({"operation": name} for name in ("", "nothing.get", "__class__", "x" * 5000)),
        *({"params": given} for given in ({"x": 1}, {"": ""}, {"a": {"b": [None, "@fact.hostname"]}})),
        *({"created": time} for time in EXTREMES),
        *({"expires": time} for time in EXTREMES),
        {"target": "\0\n"}, {"user": "\r\n"}, {"target": "x" * 100_000}, {"target": "_all", "any_host": True},
        {"hosts": [{"machine_id": "nobody", "hostname": "\n"}]},
        {"reruns": "\0", "digest": "\0"},
    ]  # fmt: skip
    yield from (job(next(numbers), **each) for each in strange)


@pytest.fixture(scope="module")
def besieged(tmp_path_factory):
    """An installation of its own: what is put into its buckets stays there."""
    with fuzzed(tmp_path_factory.mktemp("bus")) as found:
        yield found


@pytest.fixture
async def bus(besieged, nursery):
    return await connected(besieged.site, nursery)


async def connected(site, nursery):
    """A bus that signs in as the daemons do."""
    password = (site.folder / "state" / "broker.password").read_text().strip()
    auth = Auth(type="user_pass", username="osapi", password=password)
    found = connect(NatsConnection(host="127.0.0.1", port=site.broker_port, auth=auth))
    await nursery.start(found.run)
    return found


@pytest.fixture(autouse=True)
def unmoved(besieged):
    """After each test: no component has crashed, nobody has shown a traceback, and the main job works."""
    besieged.logged()
    yield
    besieged.works()
    lines = besieged.logged()
    assert [line for line in lines if "exception" in line or line["event"] == "component crashed"] == []
    besieged.unharmed()


def lines(besieged, daemon):
    """What a daemon has logged since it was last looked; but not that garbage has the name of other garbage."""
    return [
        line
        for line in besieged.logged()
        if line["daemon"] == daemon and not line["event"].startswith("an alert ")
    ]


async def told(besieged, daemon, number):
    """What a daemon has logged, once there are as many lines as pieces of garbage; and that there are no more."""
    found = []
    with trio.move_on_after(20):
        while len(found) < number:
            await trio.sleep(0.05)
            found += lines(besieged, daemon)
    await trio.sleep(0.2)  # for what there should not be
    found += lines(besieged, daemon)
    assert len(found) == number, Counter(line.get("error") for line in found)
    return {line["event"] for line in found}


async def test_a_job_that_cannot_be_read_is_dropped_by_the_agent_with_a_line(besieged, bus):
    garbage = [*BYTES, *(json.dumps(each).encode() for each in malformed_jobs())]

    for data in garbage:
        for subject in (SUBJECTS.host("query", ME), SUBJECTS.any("modify"), SUBJECTS.host("nonsense", ME)):
            await bus.publish(subject, data, reply="_INBOX.fuzz")

    assert await told(besieged, AGENT, 3 * len(garbage)) == {"a message that cannot be read was dropped"}


async def test_a_job_that_means_nothing_is_answered_and_harms_nobody(besieged, bus):
    for definition in strange_jobs():
        data = json.dumps(definition).encode()
        for subject in (SUBJECTS.host("query", ME), SUBJECTS.any("query"), SUBJECTS.any("modify")):
            await bus.publish(subject, data)
    await bus.flush()


@pytest.mark.parametrize("reply", ["", "a..b", ".", "*", ">", "$JS.API.INFO"])
async def test_a_job_without_a_way_to_reply_is_done_all_the_same(besieged, bus, reply):
    definition = job(id=str(uuid.uuid4()))
    responses = await bus.bucket(SPECS.responses)

    await bus.publish(SUBJECTS.host("query", ME), json.dumps(definition).encode(), reply=reply)

    with trio.fail_after(10):
        while not await responses.get(f"answers.{definition['id']}.{ME}"):  # noqa: ASYNC110 - the broker tells no event
            await trio.sleep(0.05)


async def test_garbage_to_cancel_and_to_identify_is_told_of_or_answered(besieged, bus):
    words = [data for data in BYTES if data not in {b"7", b"null"}]

    for data in words:
        await bus.publish(SUBJECTS.host("cancel", ME), data)
        await bus.publish(SUBJECTS.host("identify", ME), data)

    assert await told(besieged, AGENT, len(words)) == {"a message that cannot be read was dropped"}
    assert (await bus.request(SUBJECTS.host("identify", ME), b"\xff", timeout=5)).data


async def test_garbage_for_the_controller_is_passed_over_with_a_line_each(besieged, bus):
    name = await controller_name(besieged, bus)
    reply = {"job_id": ID % 1, "machine_id": ME, "hostname": AGENT, "taking": "accepted"}
    event = {"job_id": ID % 1, "kind": "output", "time": now().isoformat(), "data": {}}
    wrong = [{**reply, field: word} for field in ("job_id", "machine_id") for word in WORDS]
    wrong += [{**reply, "taking": "x"}, {**reply, "hostname": None}]
    wrong_events = [{**event, "job_id": word} for word in WORDS]
    wrong_events += [{**event, "time": time} for time in TIMES]
    wrong_events += [{**event, "data": given} for given in ([], None, "x", {"a": DEEP})]

    replies = [*BYTES, *(json.dumps(each).encode() for each in wrong)]
    events = [*BYTES, *(json.dumps(each).encode() for each in wrong_events)]

    for data in replies:
        await bus.publish(SUBJECTS.replies(name, "x"), data)
    for data in events:
        await bus.publish(SUBJECTS.events("x", "y"), data)

    # an empty reply is what the broker itself says where nobody listens
    assert await told(besieged, "controller", len(replies) - 1 + len(events)) == {
        "a reply that cannot be read was passed over",
        "an event that cannot be read was passed over",
    }


async def controller_name(besieged, bus):
    """What agents are told to reply to: overheard from a job on its way."""
    async with bus.subscribe(SUBJECTS.host("query", ME)) as messages:
        await trio.to_thread.run_sync(besieged.works)
        with trio.fail_after(10):
            message = await messages.receive()
    return message.reply.split(".")[1]


async def put(bus, spec, key, value):
    """Whatever the broker takes as a key."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    answer = json.loads((await bus.request(f"$KV.{spec.name}.{key}", data, timeout=10)).data)
    assert "error" not in answer, answer


def answer(**other):
    return {"job_id": ID % 253, "machine_id": ME, "hostname": AGENT, "state": "completed", **other}


def beat(**other):
    return {
        "machine_id": "garbage", "hostname": "garbage", "instance": "1", "version": "1", "state": "Ready",
        "registered_at": now().isoformat(), "started_at": now().isoformat(), **other,
    }  # fmt: skip


def unreadable():
    """Bucket, key and value of entries that cannot be read."""
    for number, data in enumerate(BYTES):
        if data:
            yield SPECS.jobs, f"jobs.{ID % number}", data
            yield SPECS.responses, f"answers.{ID % (100 + number)}.{ME}", data
            yield SPECS.registry, f"agents.bytes{number}", data
            yield SPECS.registry, f"controller.bytes{number}", data
            yield SPECS.state, f"hosts.bytes{number}", data
    for number, definition in enumerate(malformed_jobs()):
        yield SPECS.jobs, f"jobs.{ID % (20 + number)}", definition
    yield SPECS.jobs, f"jobs.{ID % 250}", job(250, hosts=[])
    yield SPECS.jobs, f"jobs.{ID % 254}", job(255)
    yield SPECS.jobs, f"jobs.{ID % 254}.x", job(254)
    for key in ("garbage", "jobs", "answers", "a.b", "answers.x", "answers..x", "a.\u00e4", "jobs.\u00e4.x"):
        if ".." not in key:
            yield SPECS.jobs, key, b"x"
            yield SPECS.responses, key, b"x"
    yield SPECS.responses, f"answers.{ID % 253}.nobody", answer()
    fields = {
        "job_id": WORDS,
        "machine_id": WORDS,
        "finished": [t for t in TIMES if t],
        "state": ["", "x", 7],
    }
    fields["object"] = ["", "nothing", "nothing@x", "\0", "x" * 5000, "@", f"{ID}/../x@{'0' * 64}", 7]
    wrong_answers = [answer(**{field: word}) for field, words in fields.items() for word in words]
    for number, wrong in enumerate(wrong_answers):
        yield SPECS.responses, f"answers.{ID % (120 + number)}.{ME}", wrong
    fields = {"machine_id": [*WORDS, ME], "started_at": TIMES, "labels": ["x", {"a": 1}]}
    wrong_beats = [beat(**{field: word}) for field, words in fields.items() for word in words]
    for number, wrong in enumerate(wrong_beats):
        yield SPECS.registry, f"agents.garbage{number}", wrong
    yield SPECS.state, "hosts.garbage", {"machine_id": "other", "hostname": "x"}
    yield SPECS.facts, "facts.garbage", {"facts": {"a": DEEP}}
    yield SPECS.facts, "facts.garbage2", {"interfaces": 7}


async def test_garbage_in_the_buckets_is_passed_over_with_a_line_each(besieged, bus):
    entries = list(unreadable())

    for spec, key, value in entries:
        await put(bus, spec, key, value)

    assert await told(besieged, "controller", len(entries)) == {
        "an entry that cannot be read was passed over"
    }


def strange():
    """Bucket, key and value of entries that can be read, and that no OSAPI would write."""
    for definition in strange_jobs():
        yield SPECS.jobs, f"jobs.{definition['id']}", definition
    yield SPECS.jobs, f"jobs.{ID % 251}", job(251, any_host=True)
    yield SPECS.responses, f"lease.{ID % 251}", b"\xff\xfe"
    yield SPECS.jobs, f"jobs.{ID % 252}", job(252, any_host=True)
    yield SPECS.responses, f"lease.{ID % 252}", b"nobody"
    yield SPECS.jobs, f"cancel.{ID % 240}", b"\xff"
    yield SPECS.responses, f"lease.{ID % 240}", b"\xff"
    answers = [
        *({"data": data} for data in (5, "x", [], [1], {"hostname": 7, "status": "x"}, {"\0": None}, DEEP[0][0])),
        {"object": f"{ID % 1}/{ME}@{'0' * 64}"},
        *({"finished": time, "started": time} for time in EXTREMES),
        {"started": EXTREMES[1], "finished": EXTREMES[0]},
        {"state": "submitted"}, {"state": "started"}, {"hostname": ""}, {"hostname": "_all"}, {"code": "\0"},
        {"plan": {"files": [], "commands": [[]]}},
    ]  # fmt: skip
    for number, wrong in enumerate(answers, 210):
        yield SPECS.jobs, f"jobs.{ID % number}", job(number)
        yield SPECS.responses, f"answers.{ID % number}.{ME}", answer(job_id=ID % number, **wrong)
    beats = [
        *({"hostname": name} for name in ("", "_any", "_all", "a:b", "\0\r\n", "x" * 5000)),
        *({"started_at": time, "registered_at": time} for time in EXTREMES),
        {"labels": {"": "", "\0": "\n"}}, {"state": "\0"}, {"instance": ""},
        {"memory_stats": {"total": -1, "free": -1, "used": 10**18}, "process": {"cpu_percent": -1, "rss_bytes": -1}},
        {"sub_components": {"\0": {"status": "ok"}, "": {"status": "ok", "crashes": -1}}},
    ]  # fmt: skip
    for number, wrong in enumerate(beats):
        name = f"strange{number}"
        yield SPECS.registry, f"agents.{name}", {**beat(**wrong), "machine_id": name}
        yield SPECS.state, f"hosts.{name}", {"machine_id": name, "hostname": "\0"}
        yield SPECS.facts, f"facts.{name}", {"facts": {"": [None, {"\0": 1e300}]}, "fqdn": "\0"}
    yield SPECS.registry, "controller.strange", {**beat(), "type": "controller"}
    yield SPECS.registry, "nats.strange", {**beat(**beats[6]), "type": "\0"}


async def test_strange_entries_in_the_buckets_leave_every_page_as_the_document_says(besieged, bus):
    for spec, key, value in strange():
        await put(bus, spec, key, value)

    besieged.works()

    pages_conform(besieged)


async def test_daemons_start_on_buckets_full_of_garbage_and_serve_them(tmp_path, nursery):
    with fuzzed(tmp_path) as found:
        bus = await connected(found.site, nursery)
        for spec, key, value in [*unreadable(), *strange()]:
            await put(bus, spec, key, value)
        _, controller, agent = found.site.daemons

        for daemon in (controller, agent):
            assert await trio.to_thread.run_sync(daemon.stop) == 0
            await trio.to_thread.run_sync(again, daemon)

        await trio.to_thread.run_sync(pages_conform, found)
        await trio.to_thread.run_sync(found.works)
        nursery.cancel_scope.cancel()


def again(daemon):
    """Start a daemon once more, until it is ready."""
    daemon.start()
    eventually(lambda: daemon.said("OSAPI is up") or daemon.said("agent ready"))


def pages_conform(besieged):
    """What shows the buckets to clients: each page is answered, as the document says."""
    with besieged.client() as http:
        jobs, agents = http.get("/api/job?limit=100"), http.get("/api/agent")
        assert (jobs.status_code, agents.status_code) == (200, 200), (jobs.text, agents.text)
        ids = [item["id"] for item in jobs.json()["items"]]
        names = [agent["hostname"] for agent in agents.json()["agents"]]
        paths = {"/api/job": ["/api/job?limit=100"], "/api/agent": ["/api/agent"]}
        paths["/api/health/status"] = ["/api/health/status"]
        paths["/api/job/{id}"] = [f"/api/job/{job_id}" for job_id in ids]
        paths["/api/agent/{hostname}"] = [f"/api/agent/{quote(name, safe='')}" for name in names if name]
        for path, urls in paths.items():
            entry = DOCUMENT["paths"][path]["get"]
            for url in urls:
                found = http.get(url)
                assert str(found.status_code) in entry["responses"], (url, found.text)
                assert found.status_code < 500, (url, found.text)
                if found.status_code == 200:
                    schema = entry["responses"]["200"]["content"]["application/json"]["schema"]
                    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(
                        found.json()
                    )
