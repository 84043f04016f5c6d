"""What is wrong where a part does not run."""

import pytest

from controller.answers.health import _serves, _worst
from osapi.calls.health import ComponentHealth, RegistryEntry

RUNS = ComponentHealth(status="ok")
WAITS = ComponentHealth(status="waiting", error="OSError: link down")


def entry(kind, hostname, **components):
    return RegistryEntry(
        type=kind,
        hostname=hostname,
        status="Ready",
        conditions=[],
        age="1s",
        cpu_percent=0.0,
        mem_bytes=1,
        components=components,
    )


def test_a_part_of_a_broker_that_does_not_run_is_told_with_its_host():
    registry = [
        entry("nats", "b1", server=RUNS),
        entry("nats", "b2", server=WAITS),
        entry("nats", "b3", server=RUNS),
    ]

    worst = _worst(registry)

    assert (worst["nats.server"].status, worst["nats.server"].error) == ("waiting", "b2: OSError: link down")


@pytest.mark.parametrize(("kind", "serves"), [("agent", True), ("controller", False), ("nats", False)])
def test_what_everybody_needs_degrades_the_whole_and_one_host_does_not(kind, serves):
    assert _serves(entry(kind, "h", jobs=WAITS)) is serves


def test_a_part_that_is_switched_off_is_no_trouble():
    assert _serves(entry("nats", "b1", metrics=ComponentHealth(status="disabled")))
