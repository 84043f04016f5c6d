import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from collectors import Kept, forwarding, over_grpc
from processes import Installation, eventually, installation

PREFIX = "OSAPI_TELEMETRY_TRACING_"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def tracing(**settings: str) -> dict[str, str]:
    on = {"ENABLED": "true", "EXPORTER": "otlp"} | settings
    return {PREFIX + name: value for name, value in on.items()}


@pytest.fixture(scope="module")
def collector() -> Iterator[Kept]:
    with over_grpc() as kept:
        yield kept


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: Kept) -> Iterator[Installation]:
    """A controller that speaks gRPC to Rotel, an agent that speaks HTTP; so does the command line."""
    folder: Path = tmp_path_factory.mktemp("traced")
    with forwarding(folder, collector) as (by_grpc, by_http), installation(folder) as found:
        grpc = tracing(PROTOCOL="grpc", OTLP_ENDPOINT=f"127.0.0.1:{by_grpc}")
        http = tracing(PROTOCOL="http", OTLP_ENDPOINT=f"http://127.0.0.1:{by_http}")
        found.broker()
        found.controller(**grpc)
        found.agent("web-01", **http)
        found.env |= http
        yield found


def shown(text: str) -> str:
    """The trace id that `--debug` tells."""
    found = re.search("Trace id: ([0-9a-f]{32})", text)
    assert found, text
    return found[1]


def test_one_call_is_one_trace_of_cli_controller_and_agent_in_a_real_collector(traced, collector):
    words = ("client", "node", "command", "shell", "--command", "echo s3cret; exit 3", "--target", "web-01")
    told = traced.cli(*words, "--debug")

    trace = shown(told.stderr)
    eventually(lambda: len(collector.of(trace)) == 7)
    spans = collector.of(trace)
    server = spans["POST /api/node/{target}/command/shell"]
    ways = {
        name: (
            span.service,
            next((above.name for above in spans.values() if above.span_id == span.parent), ""),
        )
        for name, span in spans.items()
    }
    assert ways == {
        "osapi client node command shell": ("osapi-cli", ""),
        server.name: ("osapi-controller", "osapi client node command shell"),
        "job.submit": ("osapi-controller", server.name),
        "job.dispatch": ("osapi-controller", server.name),
        "job.wait": ("osapi-controller", server.name),
        "job.process": ("osapi-agent", "job.dispatch"),
        "sh": ("osapi-agent", "job.process"),
    }
    assert server.attributes["http.response.status_code"] == 202
    job = spans["job.process"].attributes
    assert job["job.operation"] == "command.shell"
    assert (job["job.category"], job["job.type"], job["outcome"]) == ("command", "modify", "completed")
    assert spans["sh"].attributes == {"process.executable.name": "sh", "process.exit.code": 3}
    assert "s3cret" not in repr(collector.spans)


@pytest.mark.parametrize("exporter", ["otlp", "none"])
def test_a_job_knows_its_trace_whether_or_not_the_command_line_records_it(traced, exporter):
    words = ("client", "node", "hostname", "get", "--target", "web-01", "--debug")
    told = traced.cli(*words, OSAPI_TELEMETRY_TRACING_EXPORTER=exporter)

    with traced.http() as http:
        newest = http.get("/api/job").json()["items"][0]
        assert newest["trace_id"] == shown(told.stderr)
        assert http.get(f"/api/job/{newest['id']}").json()["trace_id"] == newest["trace_id"]


def test_a_job_that_waits_for_its_host_stays_in_its_trace(traced, collector):
    agent = traced.agent("away-01")
    agent.stop()

    words = ("client", "node", "hostname", "get", "--target", "away-01", "--expires", "5m", "--detach")
    trace = shown(traced.cli(*words, "--debug", check=0).stderr)
    agent.start()

    eventually(lambda: "job.process" in collector.of(trace))
    agent.stop()
    spans = collector.of(trace)
    assert spans["job.dispatch"].parent == spans["GET /api/node/{target}/hostname"].span_id
    assert spans["job.process"].parent == spans["job.dispatch"].span_id


def test_a_caller_that_is_traced_finds_its_id_in_answers_and_problems(traced, collector):
    with traced.http() as http:
        missed = http.get(
            "/api/job/6f9619ff-8b86-4011-b42d-00c04fc964ff", headers={"traceparent": TRACEPARENT}
        )
        refused = http.get("/api/job", headers={"Authorization": "none", "traceparent": TRACEPARENT})
        own = http.get("/api/job", headers={"traceparent": "00-bad"})

    trace, caller = TRACEPARENT.split("-")[1:3]
    assert (missed.headers["Trace-Id"], missed.json()["trace_id"]) == (trace, trace)
    assert (refused.headers["Trace-Id"], refused.json()["trace_id"]) == (trace, trace)
    assert re.fullmatch("[0-9a-f]{32}", own.headers["Trace-Id"])
    eventually(lambda: {"GET /api/job/{id}", "GET /api/job"} <= collector.of(trace).keys())
    assert {span.parent for span in collector.of(trace).values()} == {caller}


def test_what_its_caller_does_not_record_is_not_recorded(traced, collector):
    unsampled = TRACEPARENT[:-2].replace("0af7", "1111") + "00"
    sampled = unsampled[:-2].replace("1111", "2222") + "01"

    with traced.http() as http:
        for place in (unsampled, sampled):
            assert http.get("/api/node/web-01/hostname", headers={"traceparent": place}).is_success

    eventually(lambda: "job.process" in collector.of(sampled.split("-")[1]))
    assert collector.of(unsampled.split("-")[1]) == {}


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which connections are taken, and nothing more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_collector_that_is_dead_holds_up_neither_jobs_nor_the_end(site, silent, protocol):
    site.env |= tracing(PROTOCOL=protocol, OTLP_ENDPOINT=f"127.0.0.1:{silent}", TIMEOUT="1s")
    daemon = site.everything()

    asked = site.cli("client", "node", "hostname", "get", check=0)

    assert "Warning: the trace was not delivered" in asked.stderr
    eventually(lambda: daemon.said("traces are not delivered"))
    assert daemon.stop() == 0
    assert "spans were dropped" in daemon.text


def test_a_broken_setting_ends_the_start_with_one_line(site, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    settings = tracing(OTLP_ENDPOINT="https://127.0.0.1:1", TLS_CA_FILE=str(tmp_path / "ca.pem"))

    refused = site.cli("controller", "start", **settings)

    assert refused.returncode == 2
    assert f"Error: telemetry.tracing.tls.ca_file: {tmp_path}/ca.pem cannot be used" in refused.stderr
