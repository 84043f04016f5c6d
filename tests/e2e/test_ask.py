"""The main job: ask a host something, over CLI and REST, and get what the host really is."""

import json
import os
import socket
from pathlib import Path

import pytest


def test_the_host_name_is_the_one_the_operating_system_has(stack):
    answer = stack.json("client", "node", "hostname", "get")

    assert [(item["hostname"], item["status"], item["changed"]) for item in answer["results"]] == [
        (socket.gethostname(), "ok", False)
    ]


def test_a_group_alone_answers_like_get(stack):
    done = stack.cli("client", "node", "hostname", check=0)

    assert socket.gethostname() in done.stdout
    assert "Job ID" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("disk", "get"),
        ("memory", "get"),
        ("load", "get"),
        ("os", "get"),
        ("uptime", "get"),
        ("timezone", "get"),
        ("process", "list"),
    ],
)
def test_every_question_has_an_answer_for_a_person_and_for_a_program(stack, words):
    shown = stack.cli("client", "node", *words, check=0).stdout
    answer = stack.json("client", "node", *words)

    assert "Job ID" in shown
    assert [item["status"] for item in answer["results"]] == ["ok"]


def test_a_list_without_entries_is_one_item_that_has_no_fields_but_those_of_any(stack):
    shown = stack.cli("client", "node", "sysctl", "list", check=0).stdout
    answer = stack.json("client", "node", "sysctl", "list")

    assert "1 host: 1 ok" in shown
    assert answer["results"] == [{"hostname": socket.gethostname(), "status": "ok", "changed": False}]


def test_the_disk_is_as_big_as_the_kernel_says(stack):
    answer = stack.json("client", "node", "disk", "get")

    [root] = [disk for disk in answer["results"][0]["disks"] if disk["name"] == "/"]
    found = os.statvfs("/")
    assert root["total"] == found.f_blocks * found.f_frsize


def test_memory_used_is_not_the_page_cache(stack):
    memory = stack.json("client", "node", "memory", "get")["results"][0]["memory"]

    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total = int(lines["MemTotal"].split()[0]) * 1024
    assert memory["total"] == total
    assert 0 < memory["used"] < total
    assert memory["used"] + memory["free"] <= total


def test_a_program_runs_with_its_arguments_and_no_shell(stack):
    answer = stack.json(
        "client", "node", "command", "exec", "--command", "echo", "--args", "-n", "--args", "$HOME; a  b"
    )

    [item] = answer["results"]
    assert (item["stdout"], item["exit_code"], item["changed"]) == ("$HOME; a  b", 0, True)


def test_uname_as_the_seed_shows_it(stack):
    done = stack.cli("client", "node", "command", "exec", "--command", "uname", "--args", "-a", check=0)

    assert os.uname().release in done.stdout


def test_a_shell_line_runs_in_a_shell_and_its_exit_code_is_a_result(stack, tmp_path):
    answer = stack.json(
        "client",
        "node",
        "command",
        "shell",
        "--command",
        "echo out; echo err >&2; exit 7",
        "--cwd",
        str(tmp_path),
    )

    [item] = answer["results"]
    assert (item["stdout"], item["stderr"], item["exit_code"], item["status"]) == ("out\n", "err\n", 7, "ok")


def test_output_lines_name_their_host_and_the_exit_code_is_the_commands(stack):
    done = stack.cli(
        "client", "node", "command", "shell", "--command", "echo one; echo two; exit 3", "--stdout", check=3
    )

    host = socket.gethostname()
    assert done.stdout.splitlines()[-2:] == [f"[{host}] one", f"[{host}] two"]


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(stack):
    before = stack.json("client", "node", "timezone", "get")["results"][0]["timezone"]
    other = "Europe/Berlin" if before != "Europe/Berlin" else "Asia/Tokyo"

    answer = stack.json("client", "node", "timezone", "update", "--timezone", other, "--dry-run")

    [item] = answer["results"]
    assert item["status"] == "ok"
    assert ["timedatectl", "set-timezone", other] in item["plan"]["commands"] or item["plan"]["files"]
    assert stack.json("client", "node", "timezone", "get")["results"][0]["timezone"] == before


def test_a_fact_is_put_in_by_the_agent(stack):
    answer = stack.json("client", "node", "command", "exec", "--command", "echo", "--args", "@fact.hostname")

    assert answer["results"][0]["stdout"] == f"{socket.gethostname()}\n"


def test_an_unknown_fact_fails_and_is_named(stack):
    done = stack.cli(
        "client", "node", "command", "exec", "--command", "echo", "--args", "@fact.colour", check=1
    )

    assert "colour" in done.stdout + done.stderr


def test_the_agent_itself_and_the_first_process_are_not_signalled(stack):
    first = stack.cli("client", "node", "process", "signal", "--pid", "1", "--signal", "HUP", check=1)
    assert "is the first of the host" in first.stdout + first.stderr
    done = stack.cli("client", "node", "process", "signal", "--pid", "0", "--signal", "TERM", check=2)
    assert "pid" in done.stderr


def test_a_process_that_is_not_there_is_not_found(stack, http):
    response = http.get(f"/api/node/{socket.gethostname()}/process/4194000")

    assert response.status_code == 404
    assert response.json()["type"] == "urn:osapi:problem:not_found"


def test_a_big_result_arrives_whole(stack):
    answer = stack.json(
        "client", "node", "command", "shell", "--command", "head -c 900000 /dev/zero | tr '\\0' 'é' "
    )

    assert len(answer["results"][0]["stdout"]) > 800_000


def test_the_agent_is_listed_with_its_facts(stack):
    [agent] = stack.json("client", "agent", "list")["agents"]
    shown = stack.cli("client", "agent", "get", "--hostname", agent["hostname"], check=0).stdout

    assert (agent["status"], agent["state"]) == ("Ready", "Ready")
    assert agent["cpu_count"] == os.cpu_count()
    assert agent["kernel_version"] == os.uname().release
    assert agent["machine_id"] in shown


def test_health_tells_of_every_component(stack, http):
    assert http.get("/api/health").json() == {"status": "ok"}
    assert http.get("/health/ready").json() == {"status": "ready"}
    status = http.get("/api/health/status").json()

    assert status["status"] == "ok"
    assert {"controller.nats", "controller.dispatch", "agent.heartbeat"} <= status["components"].keys()
    assert status["agents"]["total"] == 1
    assert json.loads(stack.cli("version", check=0).stdout)["version"] == status["version"]
