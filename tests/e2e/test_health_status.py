"""The health of everything that beats, and what the broker holds."""

from processes import eventually


def beating(fleet):
    return [
        (entry["type"], entry["hostname"]) for entry in fleet.json("client", "health", "status")["registry"]
    ]


def test_every_component_of_every_host_is_there_part_by_part(fleet):
    eventually(lambda: len(beating(fleet)) == 5)
    found = fleet.json("client", "health", "status")

    agents = [entry for entry in found["registry"] if entry["type"] == "agent"]
    assert [entry["type"] for entry in found["registry"]] == ["agent"] * 3 + ["controller", "nats"]
    assert [entry["hostname"] for entry in agents] == ["db-01", "web-01", "web-02"]
    assert all({"bus", "jobs", "facts", "heartbeat"} <= entry["components"].keys() for entry in agents)
    assert all(entry["mem_bytes"] > 0 for entry in found["registry"])
    assert {"controller.api", "agent.jobs", "nats.server"} <= found["components"].keys()
    assert found["components"]["nats.metrics"] == {"status": "disabled"}
    assert found["status"] == "ok"


def test_the_logs_are_the_streams(fleet):
    streams = fleet.json("client", "health", "status")["streams"]

    kept = {stream["name"]: stream["messages"] for stream in streams}
    assert {"AUDIT", "agent-state-timeline"} <= kept.keys()
    assert kept["agent-state-timeline"] >= 3  # of each agent, that it has started


def test_a_kind_of_component_is_shown_with_its_parts(fleet):
    eventually(lambda: len(beating(fleet)) == 5)
    shown = fleet.cli("client", "nats", "status", check=0).stdout

    lines = [line.split() for line in shown.splitlines() if line.strip()]
    assert lines[0] == ["TYPE", "HOSTNAME", "STATUS", "AGE", "CPU", "MEM"]
    assert (lines[1][0], lines[1][2]) == ("nats", "Ready")
    assert ["├─", "server", f"nats://127.0.0.1:{fleet.broker_port}", "ok"] in lines
    assert "agent" not in shown
