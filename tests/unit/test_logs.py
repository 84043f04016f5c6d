"""Logs: what they look like, and what they never hold."""

import io
import json
import logging
import os

import pytest
import structlog

from osapi.logs import configure
from osapi.tokens import issue
from osapi.traceparent import fresh, within


@pytest.fixture
def log():
    """Sets up the logs, and returns where they go."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def set_up(stream, *, debug=False):
        configure(debug=debug, to=stream)
        return structlog.get_logger()

    yield set_up
    structlog.reset_defaults()
    root.handlers[:], root.level = before, level


def broken(local):
    raise ValueError("it broke")


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_machine_reads_one_json_object_a_line(log):
    stream = io.StringIO()

    log(stream).info("job done", job="a", hosts=["x"], path=os.sep)
    log(stream).debug("not told")
    log(stream, debug=True).debug("told")

    first, second = lines(stream)
    assert {"event": "job done", "level": "info", "job": "a", "hosts": ["x"]}.items() <= first.items()
    assert first["timestamp"].endswith("Z")
    assert second["event"] == "told"


def test_a_person_reads_lines(log):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()

    try:
        broken("a local value")
    except ValueError:
        log(stream).exception("component crashed", component="bus", password="hunter2")

    assert "component crashed" in stream.getvalue()
    assert "ValueError: it broke" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
    assert "a local value" not in stream.getvalue().replace('broken("a local value")', "")


def test_secrets_are_masked_by_name_and_in_text(log):
    stream = io.StringIO()
    token = issue("0123456789abcdef" * 4, "alice", ["admin"])
    seed = "SU" + "A" * 56

    log(stream).error(
        f"no luck with {token}",
        password="hunter2",
        signing_key="hunter2",
        headers={"Authorization": "Bearer hunter2hunter2", "Accept": "a"},
        url="nats://user:hunter2@localhost:4222",
        errors=[ValueError(f"Bearer hunter2hunter2 {seed}")],
        token="",
    )

    [found] = lines(stream)
    assert "hunter2" not in stream.getvalue()
    assert token not in stream.getvalue()
    assert seed not in stream.getvalue()
    assert found["headers"] == {"Authorization": "****", "Accept": "a"}
    assert found["url"] == "nats://****@localhost:4222"
    assert found["token"] == ""


def test_a_traceback_is_one_masked_value(log):
    stream = io.StringIO()

    crash = ExceptionGroup("all of it", [ValueError("nats://user:hunter2@localhost")])

    log(stream).error("component crashed", exc_info=crash)

    [found] = lines(stream)
    assert "nats://****@localhost" in found["exception"]
    assert "hunter2" not in stream.getvalue()


def test_libraries_log_the_same_way(log):
    stream = io.StringIO()
    log(stream)

    logging.getLogger("hypercorn.error").warning("lost %s", "a connection")
    logging.getLogger("hypercorn.error").info("not told")

    [found] = lines(stream)
    assert {
        "event": "lost a connection",
        "level": "warning",
        "logger": "hypercorn.error",
    }.items() <= found.items()


def test_what_is_said_in_a_trace_names_it(log):
    stream = io.StringIO()
    told, place = log(stream), fresh()

    told.info("before")
    with within(place):
        told.info("in it")
        logging.getLogger("a.library").warning("in it too")

    before, ours, theirs = lines(stream)
    assert "trace_id" not in before
    assert (ours["trace_id"], ours["span_id"]) == (place.trace_id, place.span_id)
    assert theirs["trace_id"] == place.trace_id
