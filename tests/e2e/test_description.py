"""What the API says of itself, beside what it does: real answers against the schemas of the document."""

import json
import re
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator

from controller.openapi import document

DOCUMENT = document()
ASKED = [
    pytest.param(method, path, entry, id=entry["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, entry in methods.items()
    if entry["operationId"]
    not in {
        "agent.drain",
        "agent.undrain",
        "agent.forget",
        "enrollment.pending",
        "enrollment.accept",
        "enrollment.reject",
        "job.delete",
        "job.cancel",
        "job.retry",
        "job.events",
        "job.watch",
        "blob.delete",
        "blob.register",
        "alert.dismiss",
        "notification.get",
        "notification.redeliver",
        "notification.test",
        "silence.expire",
    }
]
CONTENT = b"{{ hostname }}\n"


def conforms(body, schema):
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(body)


def schema_of(response):
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = response["content"].get("application/json") or next(iter(response["content"].values()))
    return content["schema"]


@pytest.fixture
def places(http):
    """What stands in paths: a process, a job that has ended, an agent, an object, a blob, a file, and a record."""
    job = http.get("/api/node/_any/uptime").json()
    name = job["results"][0]["hostname"]
    http.post("/api/file", data={"name": "app.conf"}, files={"file": CONTENT})
    blob = http.post("/api/blobs", files={"file": CONTENT}).json()
    path = quote("/etc/app/app.conf", safe="")
    recorded = http.get("/api/audit").json()["items"][0]["id"]
    return {
        "pid": "1", "id": job["job_id"], "agent": name, "name": "app.conf", "sha256": blob["sha256"], "path": path,
        "audit": recorded,
    }  # fmt: skip


def asked(method, path, entry, places):
    """A request of what an entry describes; modifications are rehearsed."""
    names = {parameter["name"] for parameter in entry["parameters"] if parameter["in"] == "query"}
    fields = resolved(entry["requestBody"]) if "requestBody" in entry else {}
    host = places["agent"] if path.startswith("/api/agent") else "_all"
    in_path = set(re.findall(r"{(\w+)}", path)) - ({"hostname"} if path.startswith("/api/node/") else set())
    example = entry.get("x-example", {})
    given = {name: value for name, value in example.items() if name not in in_path}
    quoted = {name: quote(str(value), safe="") for name, value in example.items()}
    if path.startswith("/api/audit/"):
        places = places | {"id": places["audit"]}
    if path.startswith("/api/node/"):
        places = {name: value for name, value in places.items() if name != "name"}  # that of an object
    return {
        "method": method.upper(),
        "url": path.format(**(quoted | places | {"hostname": host})),
        "params": {name: given[name] for name in names & given.keys()}
        | ({"dry_run": "true"} if "dry_run" in names else {}),
        **({"data": given, "files": {"file": CONTENT}} if "file" in fields else {"json": given or None}),
    }


def resolved(body):
    [content] = body["content"].values()
    return DOCUMENT["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]["properties"]


@pytest.mark.parametrize(("method", "path", "entry"), ASKED)
def test_an_answer_is_what_the_document_says(http, places, method, path, entry):
    answer = http.request(**asked(method, path, entry, places))

    response = entry["responses"][str(answer.status_code)]
    assert answer.is_success
    if "content" not in response:
        assert not answer.content
    elif answer.headers["content-type"] == "application/octet-stream":
        assert answer.content == CONTENT
    else:
        assert answer.headers["content-type"].partition(";")[0] in response["content"]
        conforms(answer.json(), schema_of(response))


@pytest.mark.parametrize(
    ("method", "url", "options", "status"),
    [
        ("GET", "/api/job/nonsense", {}, 400),
        ("GET", "/api/job/6f9619ff-8b86-4011-b42d-00c04fc964ff", {}, 404),
        ("GET", "/api/node/_any/process/4194304", {}, 404),
        ("GET", "/api/agent", {"headers": {"Authorization": "Bearer x"}}, 401),
        ("PUT", "/api/node/_all/timezone", {"json": {}}, 400),
        ("PUT", "/api/node/_all/timezone", {"content": b"<x>", "headers": {"Content-Type": "text/xml"}}, 415),
    ],
)
def test_a_problem_is_what_the_document_says(http, method, url, options, status):
    answer = http.request(method, url, **options)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    conforms(answer.json(), {"$ref": "#/components/schemas/Problem"})


def test_the_document_is_served_as_it_is_made(http):
    served = http.get("/api/openapi.json")

    assert served.json() == json.loads(json.dumps(DOCUMENT))


def test_the_page_is_served_without_a_token(stack):
    with stack.http(token="") as nobody:
        page = nobody.get("/api/docs")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "timezone.update" in page.text


def test_events_are_what_the_document_says(http, places):
    with http.stream("GET", f"/api/job/{places['id']}/events") as answer:
        lines = [line.partition(": ")[2] for line in answer.iter_lines() if line.startswith("data:")]

    assert lines
    for line in lines:
        conforms(json.loads(line), {"$ref": "#/components/schemas/Event"})
