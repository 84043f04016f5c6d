"""Which hosts are there, as their beats tell, and the silence where beats should be."""

from datetime import UTC, datetime

import pytest
import trio

from controller.hosts import Hosts, conditions
from osapi import wire
from osapi.bus import Entry
from osapi.errors import Conflict, NotFound
from osapi.registry import Beat, KnownHost

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


DRAINED, UNDRAINED = Entry("drain.a", b"1", 1, 0.0), Entry("drain.a", None, 2, 0.0)


def beat(name, *, hostname="", state="Ready"):
    said = Beat(
        machine_id=name,
        hostname=hostname or name,
        instance="i",
        version="1",
        state=state,
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


async def test_a_host_is_drained_before_it_has_noticed_and_ready_once_it_says_so(autojump_clock):
    hosts, back = Hosts(silence=35), []
    hosts.apply(beat("a"))
    hosts.returned = back.append
    host, seen = hosts.find("a"), []

    for entry in (DRAINED, beat("a", state="Draining"), beat("a", state="Cordoned"), UNDRAINED, beat("a")):
        hosts.apply(entry)
        seen.append((host.state, host.schedulable, len(back)))

    assert seen == [
        ("Draining", False, 0),
        ("Draining", False, 0),
        ("Cordoned", False, 0),
        ("Cordoned", False, 0),
        ("Ready", True, 1),
    ]


async def test_what_waits_for_a_host_is_told_also_where_the_key_goes_after_its_beat(autojump_clock):
    hosts, back = Hosts(silence=35), []
    hosts.apply(DRAINED)
    hosts.apply(beat("a"))
    hosts.returned = back.append

    hosts.apply(UNDRAINED)

    assert back == ["a"]
    assert hosts.ready("a")


async def test_a_drained_host_that_is_away_is_cordoned(autojump_clock):
    hosts = Hosts(silence=35)
    known = wire.encode(KnownHost(machine_id="a", hostname="web"))

    for entry in (Entry("hosts.a", known, 1, 0.0), DRAINED, beat("a"), Entry("agents.a", None, 2, 0.0)):
        hosts.apply(entry)

    assert hosts.find("web").state == "Cordoned"


async def test_a_drained_host_that_was_never_here_is_not_known(autojump_clock):
    hosts = Hosts(silence=35)

    hosts.apply(DRAINED)

    assert not list(hosts)
    with pytest.raises(NotFound):
        hosts.find("a")


async def test_two_hosts_of_one_name_are_told_apart_and_named(autojump_clock):
    hosts = Hosts(silence=35)
    for name, hostname in (("a", "twin"), ("b", "twin"), ("c", "alone")):
        hosts.apply(beat(name, hostname=hostname))

    with pytest.raises(Conflict, match="'twin' is the name of 2 hosts; name one by machine id: a, b"):
        hosts.find("twin")
    named = hosts.named()
    found = {host.machine_id: conditions(host, named[host.hostname])[-1] for host in hosts}

    assert hosts.find("a").machine_id == "a"
    assert {name: (each.status, each.reason) for name, each in found.items()} == {
        "a": (True, "it is also the name of b"),
        "b": (True, "it is also the name of a"),
        "c": (False, None),
    }
