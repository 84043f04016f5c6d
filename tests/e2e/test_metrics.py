"""What the three daemons tell Prometheus, in one process as `osapi start` has them."""

import re
from importlib.resources import files

import httpx
import pytest
from processes import eventually, free_port, installation
from prometheus_client.parser import text_string_to_metric_families

DAEMONS = ("controller", "agent", "nats_server")


@pytest.fixture(scope="module")
def ports():
    return {name: free_port() for name in DAEMONS}


@pytest.fixture(scope="module")
def measured(tmp_path_factory, ports):
    """`osapi start` with metrics, after a job that went well, one that did not, and requests of all kinds."""
    with installation(tmp_path_factory.mktemp("measured")) as found:
        for name, port in ports.items():
            found.env[f"OSAPI_{name.upper()}_METRICS_ENABLED"] = "true"
            found.env[f"OSAPI_{name.upper()}_METRICS_PORT"] = str(port)
        found.everything()
        with found.http() as http:
            assert http.get("/api/node/_all/uptime").status_code == 200
            failing = {"command": "false"}
            assert http.post("/api/node/_all/command/exec", json=failing).status_code == 202
            assert http.get("/api/job/none").status_code == 400
            assert http.get("/api/no/such/path").status_code == 404
        yield found


@pytest.fixture
def told(measured, ports):
    """The numbers of a daemon, by name and the values of its labels."""

    def told(name):
        text = httpx.get(f"http://127.0.0.1:{ports[name]}/metrics").text
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    return told


def test_each_daemon_is_ready_and_tells_its_own_numbers(measured, ports, told):
    for name, component in zip(DAEMONS, ("controller", "agent", "broker"), strict=True):
        ready = httpx.get(f"http://127.0.0.1:{ports[name]}/health/ready")
        numbers = told(name)

        assert ready.json() == {"status": "ready"}
        assert [key for key in numbers if key[0] == "osapi_component_up"] == [
            ("osapi_component_up", component)
        ]
        assert all(up for key, up in numbers.items() if key[0] == "osapi_subsystem_up"), numbers
        assert numbers["osapi_bus_connected",] == 1
        eventually(lambda name=name: 0 <= told(name)["osapi_heartbeat_age_seconds",] < 30)


def test_jobs_and_requests_are_counted_where_they_are(told):
    controller, agent = told("controller"), told("agent")

    assert controller["osapi_jobs_created_total", "node.uptime"] == 1
    assert controller["osapi_job_latency_seconds_count", "node.uptime", "completed"] == 1
    assert controller["osapi_http_request_duration_seconds_count", "GET", "node.uptime", "2xx"] == 1
    assert controller["osapi_http_request_duration_seconds_count", "GET", "other", "4xx"] >= 1
    assert controller["osapi_agents", "Ready"] == 1
    assert controller["osapi_projection_lag_seconds", "jobs"] < 5
    assert (
        agent["osapi_jobs_processed_total", "completed"] + agent["osapi_jobs_processed_total", "failed"] == 2
    )
    assert agent["osapi_job_duration_seconds_count", "node.uptime", "completed"] == 1
    assert (agent["osapi_jobs_active",], agent["osapi_jobs_waiting",]) == (0, 0)


def test_every_series_of_the_alert_rules_is_there(told):
    names = {key[0] for daemon in DAEMONS for key in told(daemon)}

    asked = set(re.findall(r"\bosapi_[a-z_]+\b", (files("osapi") / "monitoring" / "alerts.yaml").read_text()))

    assert asked <= names


def test_the_beat_says_where_they_are(measured, ports):
    eventually(lambda: len(measured.json("client", "health", "status")["registry"]) == 3)
    registry = measured.json("client", "health", "status")["registry"]

    addresses = {entry["type"]: entry["components"]["metrics"]["address"] for entry in registry}

    kinds = zip(("controller", "agent", "nats"), ports.values(), strict=True)
    assert addresses == {kind: f"http://127.0.0.1:{port}" for kind, port in kinds}
