"""Which hosts are there, as their beats tell, and the silence where beats should be."""

from datetime import UTC, datetime

import trio

from controller.hosts import Hosts
from osapi import wire
from osapi.bus import Entry
from osapi.registry import Beat

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def beat(name):
    said = Beat(
        machine_id=name,
        hostname=name,
        instance="i",
        version="1",
        state="Ready",
        registered_at=NOON,
        started_at=NOON,
    )
    return Entry(f"agents.{name}", wire.encode(said), 1, 0.0)


async def test_a_host_that_is_silent_while_others_beat_is_gone(autojump_clock):
    hosts = Hosts(silence=35)
    hosts.apply(beat("a"))

    for _ in range(4):
        await trio.sleep(10)
        hosts.apply(beat("b"))

    assert not hosts.online("a")
    assert hosts.online("b")


async def test_no_host_is_gone_because_the_broker_was_away(autojump_clock):
    hosts, back = Hosts(silence=35), []
    hosts.apply(beat("a"))
    hosts.apply(beat("b"))
    hosts.returned = back.append

    await trio.sleep(3600)
    assert hosts.online("a")
    hosts.apply(beat("b"))

    assert hosts.online("a")
    assert back == []


async def test_a_beat_that_lapsed_is_no_goodbye_and_one_that_was_deleted_is(autojump_clock):
    hosts = Hosts(silence=35)
    for name in ("a", "b"):
        hosts.apply(beat(name))

    hosts.apply(Entry("agents.a", None, 2, 0.0, lapsed=True))
    hosts.apply(Entry("agents.b", None, 3, 0.0))

    assert hosts.online("a")
    assert not hosts.online("b")
