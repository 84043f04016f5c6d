"""What is wrong is refused before anything happens, and the refusal names it."""

import socket

import pytest

HOST = socket.gethostname()


def refused(response, status, field=None):
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["error"] == problem["detail"]
    if field:
        assert field in problem["detail"]
        assert [error["field"] for error in problem.get("errors", [])] == [field]
    return problem


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"command": "ls", "colour": "red"}, "colour"),
        ({"command": 7}, "command"),
        ({}, "command"),
        ({"command": "ls", "args": "x"}, "args"),
        ({"command": "ls", "args": [1]}, "args[0]"),
        ({"command": "ls", "timeout": 0}, "timeout"),
        ({"command": "ls", "timeout": 301}, "timeout"),
        ({"command": "ls", "timeout": "x"}, "timeout"),
        ({"command": "ls", "timeout": "30"}, "timeout"),
        ({"command": "a\0b"}, "command"),
        ({"command": "ls", "cwd": "relative"}, "cwd"),
        ({"command": "ls", "target": "x"}, "target"),
    ],
)
def test_a_body_that_is_wrong_names_the_field_and_makes_no_job(http, body, field):
    before = http.get("/api/job").json()["total_items"]

    refused(http.post(f"/api/node/{HOST}/command/exec", json=body), 400, field)

    assert http.get("/api/job").json()["total_items"] == before


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b"null", b'{"command": "ls"} x', b"nan"])
def test_a_body_that_is_no_json_object_is_refused(http, body):
    headers = {"Content-Type": "application/json"}

    refused(http.post(f"/api/node/{HOST}/command/exec", content=body, headers=headers), 400)


def test_a_body_of_another_type_is_refused(http):
    refused(
        http.post(
            f"/api/node/{HOST}/command/exec", content=b"command=ls", headers={"Content-Type": "text/plain"}
        ),
        415,
    )


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nobody", "nobody"),
        ("group:nothing", "group:nothing"),
        (":x", ":x"),
        ("x:", "x:"),
        ("a b:c", "a b:c"),
        ("_some", "_some"),
    ],
)
def test_a_target_that_means_no_host_is_refused(http, target, words):
    problem = refused(http.get(f"/api/node/{target}/disk"), 400, "target")

    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("status=done", "status"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
        ("cursor=%00", "cursor"),
    ],
)
def test_a_query_that_is_wrong_names_the_parameter(http, query, field):
    refused(http.get(f"/api/job?{query}"), 400, field)


@pytest.mark.parametrize(
    "query", ["dry_run=maybe", "expires=soon", "expires=-1s", "expires=99999h", "colour=red"]
)
def test_what_every_operation_takes_is_checked_too(http, query):
    refused(
        http.put(f"/api/node/{HOST}/timezone?{query}", json={"timezone": "Europe/Berlin"}),
        400,
        query.split("=")[0],
    )


def test_a_question_has_no_dry_run(http):
    refused(http.get(f"/api/node/{HOST}/disk?dry_run=true"), 400, "dry_run")


@pytest.mark.parametrize("job_id", ["00000000-0000-0000-0000-000000000000"])
def test_an_unknown_job_is_not_found(http, job_id):
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/retry"),
        ("POST", "/cancel"),
        ("GET", "/events"),
    ):
        refused(http.request(method, f"/api/job/{job_id}{path}"), 404)


@pytest.mark.parametrize("job_id", ["1", "x" * 36, "..%2f..", "00000000-0000-0000-0000-00000000000g"])
def test_a_job_id_that_is_none_is_refused(http, job_id):
    response = http.get(f"/api/job/{job_id}")

    assert response.status_code in {400, 404}
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_body_beyond_the_limit_is_refused(http):
    refused(http.post(f"/api/node/{HOST}/command/exec", json={"command": "x" * 11_000_000}), 413)


def test_an_unknown_path_and_method_are_problems_too(http):
    refused(http.get("/api/nothing"), 404)
    refused(http.put("/api/job"), 405)


def test_a_path_parameter_that_is_no_number_is_refused(http):
    refused(http.get(f"/api/node/{HOST}/process/x"), 400, "pid")
    refused(http.get(f"/api/node/{HOST}/process/0"), 400, "pid")
    refused(http.post(f"/api/node/{HOST}/process/-1/signal", json={"signal": "TERM"}), 400, "pid")
    refused(http.post(f"/api/node/{HOST}/process/5/signal", json={"signal": "STOP"}), 400, "signal")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("client", "node", "disk", "get", "--target", "nobody"), "nobody"),
        (("client", "node", "timezone", "update"), "timezone"),
        (("client", "node", "timezone", "update", "--timezone", "a;b"), "timezone"),
        (("client", "job", "get", "--job-id", "x"), "id"),
        (("client", "node", "dsk"), "disk"),
        (("client", "node", "disk", "get", "--colour"), "--colour"),
    ],
)
def test_the_command_line_says_what_is_wrong_and_ends_with_2(stack, words, says):
    done = stack.cli(*words, check=2)

    assert says in done.stderr
    assert "Traceback" not in done.stderr
