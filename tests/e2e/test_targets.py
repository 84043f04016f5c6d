"""Which hosts a job reaches: three agents, each a process of its own."""

import collections

from processes import eventually


def hostnames(answer):
    return [item["hostname"] for item in answer["results"]]


def hello(fleet, target, *words):
    return fleet.json(
        "client",
        "node",
        "command",
        "exec",
        "--target",
        target,
        "--command",
        "echo",
        "--args",
        "hello",
        *words,
    )


def test_all_reaches_every_host(fleet):
    assert hostnames(hello(fleet, "_all")) == ["db-01", "web-01", "web-02"]


def test_a_host_is_reached_by_its_name_and_by_its_machine_id(fleet):
    assert hostnames(hello(fleet, "web-01")) == ["web-01"]
    assert hostnames(hello(fleet, "machine-web-01")) == ["web-01"]


def test_a_label_reaches_its_dotted_prefixes(fleet):
    assert hostnames(hello(fleet, "group:web")) == ["web-01", "web-02"]
    assert hostnames(hello(fleet, "group:web.dev")) == ["web-01"]
    assert fleet.cli("client", "node", "disk", "get", "--target", "group:we").returncode == 2


def test_any_reaches_exactly_one_host_each_time(fleet, tmp_path):
    log = tmp_path / "log"
    with fleet.http() as http:
        for number in range(30):
            body = {"command": f"echo {number} >> {log}"}
            answer = http.post("/api/node/_any/command/shell", json=body).json()
            assert len(answer["results"]) == 1
            assert answer["results"][0]["status"] == "ok"

    ran = collections.Counter(log.read_text().split())
    assert ran == {str(number): 1 for number in range(30)}


def test_identical_answers_are_shown_as_one(fleet):
    shown = fleet.cli("client", "node", "timezone", "get", check=0).stdout

    assert "3 hosts" in shown


def test_hosts_that_all_fail_are_items_and_exit_code_1(fleet):
    done = fleet.cli("client", "node", "process", "get", "--pid", "4194000", check=1)

    assert "3 failed" in done.stdout + done.stderr


def test_labels_are_shown(fleet):
    answer = fleet.json("client", "node", "hostname", "get", "--target", "machine-web-01")

    assert answer["results"][0]["labels"] == {"group": "web.dev.eu"}


def test_a_hundred_questions_at_once_are_all_answered_once(fleet):
    import threading

    found = []

    def ask():
        with fleet.http() as http:
            found.extend(http.get("/api/node/_all/load").json() for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 100
    assert all(hostnames(answer) == ["db-01", "web-01", "web-02"] for answer in found)
    assert all(item["status"] == "ok" for answer in found for item in answer["results"])


def test_the_list_of_agents_names_all(fleet):
    listed = fleet.json("client", "agent", "list")

    assert [agent["hostname"] for agent in listed["agents"]] == ["db-01", "web-01", "web-02"]
    eventually(lambda: fleet.json("client", "health", "status")["agents"]["ready"] == 3)
