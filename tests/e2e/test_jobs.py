"""Jobs: their life, their list, their events, and what may be done with them."""

import json
import socket
import threading
import uuid

import pytest
from processes import eventually

HOST = socket.gethostname()


def shell(http, command, *, headers=None, timeout=30, target=HOST, **query):
    return http.post(
        f"/api/node/{target}/command/shell",
        json={"command": command, "timeout": timeout},
        headers=headers or {},
        params=query,
    )


def status(http, job_id):
    return http.get(f"/api/job/{job_id}").json()["status"]


def finished(http, job_id):
    return eventually(
        lambda: status(http, job_id) not in {"submitted", "processing"} and status(http, job_id)
    )


def test_a_job_is_kept_with_its_answer(http):
    job_id = shell(http, "echo kept").json()["job_id"]

    job = http.get(f"/api/job/{job_id}").json()

    assert (job["status"], job["changed"], job["hostname"]) == ("completed", True, HOST)
    assert job["operation"]["type"] == "command.shell"
    assert job["operation"]["data"]["command"] == "echo kept"
    assert job["result"]["stdout"] == "kept\n"
    assert job["responses"][HOST]["data"]["stdout"] == "kept\n"
    assert job["agent_states"][HOST]["status"] == "completed"
    assert [event["event"] for event in job["timeline"]] == ["submitted", "accepted", "started", "completed"]


def test_who_does_not_wait_is_told_where_to_look(http):
    response = shell(http, "echo later", headers={"Prefer": "respond-async"})

    assert response.status_code == 202
    location = response.headers["Location"]
    assert location == f"/api/job/{response.json()['job_id']}"
    assert finished(http, response.json()["job_id"]) == "completed"


def test_a_bounded_wait_ends_without_the_answer_and_the_job_goes_on(http, tmp_path):
    go = tmp_path / "go"
    response = shell(
        http, f"while [ ! -e {go} ]; do sleep 0.05; done; echo late", headers={"Prefer": "wait=1"}
    )

    [item] = response.json()["results"]
    assert (item["status"], item["code"]) == ("failed", "no_answer")
    assert status(http, response.json()["job_id"]) == "processing"
    go.touch()
    assert finished(http, response.json()["job_id"]) == "completed"


def test_a_cancelled_command_leaves_no_process_behind(http, stack, tmp_path):
    mark = f"1{uuid.uuid4().int % 10**6:06}"
    job_id = shell(
        http, f"sleep {mark} & sleep {mark}; wait", headers={"Prefer": "respond-async"}, timeout=300
    ).json()["job_id"]
    eventually(lambda: _running(mark) == 2)

    shown = stack.json("client", "job", "cancel", "--job-id", job_id)

    assert shown["hosts"] == [HOST]
    assert finished(http, job_id) == "failed"
    assert http.get(f"/api/job/{job_id}").json()["agent_states"][HOST]["status"] == "cancelled"
    eventually(lambda: _running(mark) == 0)


def _running(mark):
    import psutil

    return sum(
        mark in process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"]
    )


def test_a_job_that_has_ended_cannot_be_cancelled(http):
    job_id = shell(http, "true").json()["job_id"]

    response = http.post(f"/api/job/{job_id}/cancel")

    assert response.status_code == 409
    assert "completed" in response.json()["detail"]


def test_a_timeout_is_a_failure_that_says_so(http):
    response = shell(http, "sleep 60", timeout=1)

    [item] = response.json()["results"]
    assert (item["status"], item["code"]) == ("failed", "timeout")
    assert "1 s" in item["error"] or "1s" in item["error"]


def test_a_retry_does_the_same_on_the_same_host(http, stack, tmp_path):
    count = tmp_path / "count"
    first = shell(http, f"echo x >> {count}").json()["job_id"]

    again = stack.json("client", "job", "retry", "--job-id", first)

    assert again["status"] == "created"
    assert finished(http, again["job_id"]) == "completed"
    assert count.read_text() == "x\nx\n"
    assert first in http.get(f"/api/job/{again['job_id']}").json()["timeline"][0]["message"]
    assert http.get(f"/api/job/{again['job_id']}").json()["operation"]["type"] == "command.shell"


def test_a_deleted_job_is_gone(http, stack):
    job_id = shell(http, "true").json()["job_id"]

    stack.cli("client", "job", "delete", "--job-id", job_id, check=0)

    assert http.get(f"/api/job/{job_id}").status_code == 404
    assert job_id not in {item["id"] for item in http.get("/api/job?limit=100").json()["items"]}


def test_a_job_that_runs_is_not_deleted(http, tmp_path):
    go = tmp_path / "go"
    job_id = shell(
        http, f"while [ ! -e {go} ]; do sleep 0.05; done", headers={"Prefer": "respond-async"}
    ).json()["job_id"]
    eventually(lambda: status(http, job_id) == "processing")

    response = http.delete(f"/api/job/{job_id}")

    assert response.status_code == 409
    go.touch()
    assert finished(http, job_id) == "completed"


def test_pages_go_on_where_the_one_before_ended_though_new_jobs_came(http):
    for _ in range(4):
        shell(http, "true")
    first = http.get("/api/job", params={"limit": 2}).json()
    shell(http, "true")

    second = http.get("/api/job", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    by_offset = http.get("/api/job", params={"limit": 2, "offset": 3}).json()

    ids = [item["id"] for item in first["items"] + second["items"]]
    assert len(set(ids)) == 4
    assert [item["id"] for item in by_offset["items"]] == [item["id"] for item in second["items"]]


def test_a_filter_shows_only_that_status_and_counts_all(http):
    shell(http, "true")
    shell(http, "sleep 60", timeout=1)

    page = http.get("/api/job", params={"status": "failed", "limit": 100}).json()

    assert {item["status"] for item in page["items"]} == {"failed"}
    assert page["total_items"] == page["status_counts"]["failed"] >= 1
    assert page["status_counts"]["completed"] >= 1


def test_an_offset_past_the_end_is_an_empty_page(http):
    assert http.get("/api/job", params={"offset": 100000}).json()["items"] == []


def test_the_same_idempotency_key_makes_one_job(http, tmp_path):
    count, key = tmp_path / "count", uuid.uuid4().hex
    first = shell(http, f"echo x >> {count}", headers={"Idempotency-Key": key})

    second = shell(http, f"echo x >> {count}", headers={"Idempotency-Key": key})
    other = shell(http, "true", headers={"Idempotency-Key": key})

    assert first.json() == second.json()
    assert count.read_text() == "x\n"
    assert other.status_code == 409


def test_racing_requests_with_one_key_make_one_job(http, stack, tmp_path):
    count, key, found = tmp_path / "count", uuid.uuid4().hex, []

    def ask():
        with stack.http() as client:
            found.append(shell(client, f"echo x >> {count}", headers={"Idempotency-Key": key}).json())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({answer["job_id"] for answer in found}) == 1
    assert all(answer == found[0] for answer in found)
    assert count.read_text() == "x\n"


def test_events_tell_the_story_of_a_job_with_its_output(http):
    response = shell(http, "echo one; sleep 0.2; echo two >&2", headers={"Prefer": "respond-async"})

    events = list(read(http, f"/api/job/{response.json()['job_id']}/events"))

    kinds = [kind for _, kind, _ in events]
    assert kinds[0] == "submitted"
    assert kinds[-2:] == ["finished", "completed"]
    assert {"accepted", "started", "output"} <= set(kinds)
    output = [(data["data"]["stream"], data["data"]["text"]) for _, kind, data in events if kind == "output"]
    assert sorted(output) == [("stderr", "two\n"), ("stdout", "one\n")]
    assert len({event_id for event_id, _, _ in events}) == len(events)


def test_events_resume_after_the_last_one_seen(http):
    job_id = shell(http, "echo one").json()["job_id"]
    events = list(read(http, f"/api/job/{job_id}/events"))

    rest = list(read(http, f"/api/job/{job_id}/events", events[1][0]))
    lost = list(read(http, f"/api/job/{job_id}/events", "elsewhere-1"))

    assert rest == events[2:]
    assert lost[0][1] == "gap"


def read(http, path, last=None):
    """(id, kind, data) of each event until the stream ends."""
    headers = {"Last-Event-ID": last} if last else {}
    with http.stream("GET", path, headers=headers) as response:
        fields = {}
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif fields:
                yield fields["id"], fields["event"], json.loads(fields["data"])
                fields = {}


def test_the_output_of_a_running_command_is_seen_before_it_ends(http, tmp_path):
    go = tmp_path / "go"
    job_id = shell(
        http,
        f"echo early; while [ ! -e {go} ]; do sleep 0.05; done",
        headers={"Prefer": "respond-async"},
    ).json()["job_id"]

    for _, kind, data in read(http, f"/api/job/{job_id}/events"):
        if kind == "output":
            assert data["data"]["text"] == "early\n"
            assert status(http, job_id) == "processing"
            go.touch()

    assert status(http, job_id) == "completed"


@pytest.mark.parametrize("words", [("list",), ("list", "--status", "completed", "--limit", "3")])
def test_the_command_line_lists_jobs(stack, http, words):
    job_id = shell(http, "true").json()["job_id"]

    done = stack.cli("client", "job", *words, check=0)

    assert job_id in done.stdout


def test_the_command_line_shows_a_job(stack, http):
    job_id = shell(http, "echo shown").json()["job_id"]

    done = stack.cli("client", "job", "get", "--job-id", job_id, check=0)

    assert "shown" in done.stdout
    assert job_id in done.stdout


def test_a_result_beyond_a_message_goes_through_the_object_store(http):
    megabyte = "head -c 1000000 /dev/zero | tr '\\0' x"

    answer = shell(http, f"{megabyte}; {megabyte} >&2").json()

    [item] = answer["results"]
    assert (len(item["stdout"]), len(item["stderr"])) == (1_000_000, 1_000_000)
    job = http.get(f"/api/job/{answer['job_id']}").json()
    assert len(job["result"]["stdout"]) == 1_000_000


def test_output_beyond_the_limit_is_cut_with_a_mark(http):
    item = shell(http, "head -c 5000000 /dev/zero | tr '\\0' x").json()["results"][0]

    assert "bytes left out" in item["stdout"]
    assert len(item["stdout"]) < 1_100_000
