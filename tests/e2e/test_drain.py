"""Drained hosts: what they take, what they say, and what becomes of what is meant for them."""

import time
from datetime import datetime

import httpx
import pytest
from processes import Installation, eventually, installation

QUICK = {"OSAPI_NATS_REGISTRY_TTL": "3s"}
"""A beat each second, so that a pause would be seen."""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A broker, a controller, and two agents that beat each second."""
    with installation(tmp_path_factory.mktemp("drain")) as site:
        site.env |= QUICK
        site.broker()
        site.controller()
        for name in ("web-01", "web-02"):
            site.agent(name, labels="group=web")
        yield site


def agents(site: Installation):
    with site.http() as http:
        return {found["hostname"]: found for found in http.get("/api/agent").json()["agents"]}


def state(site: Installation, name: str) -> str:
    return agents(site)[name]["state"]


def begin(http: httpx.Client, target: str, command: str, **more: str) -> str:
    """Have a command run without waiting for it; the id of the job."""
    body = {"command": command, "timeout": 60}
    answer = http.post(
        f"/api/node/{target}/command/shell", json=body, params=more, headers={"Prefer": "respond-async"}
    )
    assert answer.status_code == 202, answer.text
    return answer.json()["job_id"]


def where(http: httpx.Client, job_id: str) -> dict[str, str]:
    states = http.get(f"/api/job/{job_id}").json()["agent_states"]
    return {host: found["status"] for host, found in states.items()}


def events(http: httpx.Client, name: str) -> list[str]:
    return [each["event"] for each in http.get(f"/api/agent/{name}").json()["timeline"]]


def beats(http: httpx.Client, name: str) -> datetime:
    return datetime.fromisoformat(http.get(f"/api/agent/{name}").json()["registered_at"])


def test_a_drained_host_takes_nothing_while_its_beat_goes_on(here, tmp_path):
    with here.http() as http:
        drained = http.post("/api/agent/web-01/drain")
        eventually(lambda: state(here, "web-01") == "Cordoned")
        everywhere = [
            {item["hostname"] for item in http.get(f"/api/node/{target}/load").json()["results"]}
            for target in ("_all", "_any", "group:web")
        ]
        before = beats(http, "web-01")
        eventually(lambda: beats(http, "web-01") > before)
        again = http.post("/api/agent/machine-web-01/drain")
        waiting = begin(http, "web-01", f"touch {tmp_path}/ran", expires="5m")

        assert (drained.status_code, drained.json()) == (200, {"message": "drained web-01: no job runs"})
        assert everywhere == [{"web-02"}] * 3
        assert (again.status_code, again.json()["error"]) == (409, "web-01 is drained already (Cordoned)")
        assert where(http, waiting) == {"web-01": "submitted"}

        undrained = http.post("/api/agent/web-01/undrain")
        eventually(lambda: where(http, waiting) == {"web-01": "completed"})

        assert undrained.json() == {"message": "undrained web-01: 1 job waited"}
        assert http.post("/api/agent/web-01/undrain").status_code == 409
        assert (tmp_path / "ran").exists()
        assert events(http, "web-01") == ["registered", "drain", "cordoned", "undrain"]


def test_what_runs_comes_to_its_end_and_then_it_is_cordoned_also_after_a_restart(here, tmp_path):
    agent = here.agent("db-01", labels="group=db")
    with here.http() as http:
        long = begin(http, "db-01", f"until test -e {tmp_path}/end; do sleep 0.1; done")
        eventually(lambda: where(http, long) == {"db-01": "started"})

        drain = ("client", "agent", "drain", "--hostname", "db-01", "--wait", "1s")
        told = here.cli(*drain, check=4)
        assert state(here, "db-01") == "Draining"
        seen = {beats(http, "db-01")}
        while len(seen) < 4:  # three times the life of a beat
            assert agents(here)["db-01"]["status"] == "Ready"
            seen.add(beats(http, "db-01"))
            time.sleep(0.2)
        (tmp_path / "end").touch()
        eventually(lambda: state(here, "db-01") == "Cordoned")

        assert "drained db-01: 1 job still runs" in told.stdout
        assert told.stderr == "Error: db-01 is Draining still, after 1 s; its jobs go on\n"
        assert where(http, long) == {"db-01": "completed"}

        agent.stop()
        agent.start().until_ready()
        waiting = begin(http, "db-01", "true", expires="5m")
        eventually(lambda: agents(here)["db-01"]["status"] == "Ready")

        assert state(here, "db-01") == "Cordoned"
        assert where(http, waiting) == {"db-01": "submitted"}
        assert events(http, "db-01") == ["registered", "drain", "cordoned", "stopped", "started"]
        http.post("/api/agent/db-01/undrain")
        eventually(lambda: where(http, waiting) == {"db-01": "completed"})
    agent.stop()


def test_an_agent_that_nobody_knows_is_not_drained(here):
    with here.http() as http:
        assert http.post("/api/agent/nowhere/drain").status_code == 404
        assert http.post("/api/agent/nowhere/undrain").status_code == 404


def holds(site: Installation, machine_id: str) -> dict[str, str]:
    with site.http() as http:
        found = http.get(f"/api/agent/{machine_id}").json().get("conditions") or []
    return {each["type"]: each["reason"] for each in found if each["status"]}


def test_two_agents_of_one_machine_id_that_met_after_an_outage_are_named(here):
    first = here.daemons[3]
    first.freeze()  # or it would have refused the second one
    twin = here.agent("twin", OSAPI_AGENT_MACHINE_ID="machine-web-02")
    first.thaw()

    found = eventually(lambda: holds(here, "machine-web-02").get("DuplicateMachineId"))
    assert "an agent on " in found
    assert "another agent has this machine id" in first.text
    twin.stop()
    eventually(lambda: "DuplicateMachineId" not in holds(here, "machine-web-02"))


def test_two_hosts_of_one_name_are_named_and_none_is_meant_by_it(here):
    twin = here.agent("twin-01", OSAPI_AGENT_HOSTNAME="web-01")

    with here.http() as http:
        asked = http.get("/api/node/web-01/load")
        by_id = http.get("/api/node/machine-twin-01/load")

    assert asked.status_code == 409
    assert "name one by machine id: machine-twin-01, machine-web-01" in asked.json()["error"]
    assert by_id.status_code == 200
    found = holds(here, "machine-web-01")["DuplicateHostname"]
    assert found == "it is also the name of machine-twin-01"
    shown = here.cli("client", "agent", "list", check=0).stdout
    assert "DuplicateHostname" in shown
    twin.stop()


def test_an_agent_that_is_gone_is_forgotten_and_a_new_one_once_it_is_back(here):
    gone = here.agent("old-01", labels="group=old")
    with here.http() as http:
        beating = http.delete("/api/agent/old-01")
        gone.stop()
        http.post("/api/agent/old-01/drain")

        told = here.cli("client", "agent", "forget", "--hostname", "old-01", check=0)

        assert (beating.status_code, "stop its agent first" in beating.json()["error"]) == (409, True)
        assert "forgot old-01 (machine-old-01)" in told.stdout
        eventually(lambda: "old-01" not in agents(here))
        assert http.delete("/api/agent/old-01").status_code == 404
        gone.start().until_ready()
        eventually(lambda: agents(here)["old-01"]["status"] == "Ready")
        assert state(here, "old-01") == "Ready"
        assert events(http, "old-01")[-2:] == ["forgotten", "registered"]
    gone.stop()
