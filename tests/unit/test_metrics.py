"""What daemons tell Prometheus, each for itself, over a port of its own."""

import socket
from functools import partial

import httpx
import pytest
import trio
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from osapi.config.schema import Metrics as Section
from osapi.errors import ConfigError
from osapi.metrics import Metrics, operation_label
from osapi.metrics.server import REQUEST, start_metrics
from osapi.supervise import Condition, State
from osapi.vitals import sub_components


class NoBus:
    """A connection that was lost once and is there again."""

    connected, connections = True, 2


@pytest.fixture
def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def serve(nursery, free_port):
    """Serve the metrics of a daemon; a client of them."""

    async def serve(metrics, health):
        section = Section(enabled=True, port=free_port)
        await start_metrics(metrics, section, NoBus(), health, nursery)
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port}")

    return serve


@pytest.fixture
async def agent(serve):
    health = {}
    async with await serve(Metrics("agent", health), health) as client:
        yield client


async def send(port, data):
    """What comes back when bytes are sent, until the connection ends."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(data)
        return b"".join([piece async for piece in stream])


def samples(metrics):
    return {
        (each.name, *each.labels.values()): each.value
        for found in metrics.collect()
        for each in found.samples
    }


async def test_two_daemons_of_one_process_have_numbers_of_their_own():
    one, other = Metrics("agent", {}), Metrics("agent", {})
    counted = one.counter("osapi_things", "Things.")
    other.counter("osapi_things", "Things.")

    counted.inc()

    assert samples(one)["osapi_things_total",] == 1
    assert samples(other)["osapi_things_total",] == 0


async def test_it_is_alive_and_says_why_it_cannot_do_its_work(serve):
    health = {}
    metrics = Metrics("agent", health)

    async with await serve(metrics, health) as client:
        alive, starting = await client.get("/health"), await client.get("/health/ready")
        metrics.trouble = partial(trio.lowlevel.checkpoint)
        ready = await client.get("/health/ready")

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (starting.status_code, starting.json()) == (
        503,
        {"status": "not_ready", "error": "it is starting"},
    )
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize(
    ("accept", "kind", "parse"),
    [
        (
            "application/openmetrics-text; version=1.0.0",
            "application/openmetrics-text",
            text_string_to_metric_families,
        ),
        ("text/plain", "text/plain", plain_families),
        ("*/*", "text/plain", plain_families),
    ],
)
async def test_the_format_is_the_one_that_is_asked_for(agent, accept, kind, parse):
    answer = await agent.get("/metrics", headers={"Accept": accept})

    names = {family.name for family in parse(answer.text)}
    assert answer.headers["content-type"].startswith(kind)
    assert {
        "osapi_component_up",
        "osapi_bus_connected",
        "process_open_fds",
        "osapi_event_loop_lag_seconds",
    } <= names
    assert not any(name.endswith("_created") for name in names)


async def test_supervised_tasks_are_told_of_as_they_are(serve):
    health = {"jobs": Condition(state=State.RUNNING), "facts": Condition(state=State.WAITING, crashes=3)}
    health["tracing"] = Condition(state=State.DISABLED)
    metrics = Metrics("agent", health)
    metrics.follow_bus(NoBus())

    told = samples(metrics)

    assert (told["osapi_subsystem_up", "jobs"], told["osapi_subsystem_up", "facts"]) == (1, 0)
    assert told["osapi_subsystem_restarts_total", "facts"] == 3
    assert ("osapi_subsystem_up", "tracing") not in told
    assert told["osapi_bus_reconnects_total",] == 1


async def test_the_age_of_a_beat_is_that_of_the_last_one_that_was_told(autojump_clock):
    health = {"heartbeat": Condition(state=State.RUNNING, worked=trio.current_time())}

    await trio.sleep(12)

    assert samples(Metrics("agent", health))["osapi_heartbeat_age_seconds",] == pytest.approx(12)


async def test_a_loop_that_is_held_up_is_late(autojump_clock, nursery):
    metrics = Metrics("agent", {})

    await nursery.start(metrics.watch_loop)
    await trio.sleep(0.4)
    autojump_clock.jump(2)
    await trio.sleep(0.5)

    told = samples(metrics)
    late = told["osapi_event_loop_lag_seconds_count",] - told["osapi_event_loop_lag_seconds_bucket", "1.0"]
    assert late == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/x", 404), ("POST", "/metrics", 405), ("HEAD", "/metrics", 200)],
)
async def test_there_is_nothing_else(agent, method, path, status):
    answer = await agent.request(method, path)

    assert answer.status_code == status
    assert answer.headers["connection"] == "close"
    assert method != "HEAD" or not answer.content


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * REQUEST, b"431"),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n", b"400"),
    ],
)
async def test_what_is_no_request_is_refused_and_others_are_served(agent, free_port, sent, status):
    assert (await send(free_port, sent)).startswith(b"HTTP/1.1 " + status)

    assert (await agent.get("/health")).status_code == 200


async def test_a_client_that_leaves_in_the_middle_does_no_harm(agent, free_port):
    stream = await trio.open_tcp_stream("127.0.0.1", free_port)
    await stream.send_all(b"GET /metr")
    await stream.aclose()

    assert (await agent.get("/health")).status_code == 200


async def test_a_port_that_is_taken_is_named(nursery, free_port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        section = Section(enabled=True, port=free_port)

        named = rf"^nats\.server\.metrics\.port: 127\.0\.0\.1:{free_port} cannot be listened on"
        with pytest.RaisesGroup(pytest.RaisesExc(ConfigError, match=named), flatten_subgroups=True):
            await start_metrics(Metrics("broker", {}), section, NoBus(), {}, nursery)


async def test_switched_off_it_says_so(nursery):
    health = {}

    await start_metrics(Metrics("agent", health), Section(), NoBus(), health, nursery)

    assert sub_components(health)["metrics"].status == "disabled"


async def test_where_it_listens_is_in_the_beat(serve, free_port):
    health = {}

    async with await serve(Metrics("agent", health), health):
        assert sub_components(health)["metrics"].address == f"http://127.0.0.1:{free_port}"


def test_what_no_declaration_has_as_its_name_is_one_label():
    assert operation_label("node.uptime") == "node.uptime"
    assert operation_label("node.up\ntime") == operation_label("x" * 99) == "other"
