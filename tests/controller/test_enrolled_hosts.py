"""What the index of hosts makes of the keys that agents were accepted with."""

from datetime import UTC, datetime

from controller.hosts import Hosts
from osapi import wire
from osapi.bus import Entry
from osapi.enrollment import vouch
from osapi.keys import KeyPair
from osapi.registry import AgentState, Beat, KnownHost

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OWN, OTHER = KeyPair.generate(), KeyPair.generate()


def beats(hosts, *, pair=OWN, state="Ready"):
    said = Beat(
        machine_id="m",
        hostname="web",
        instance="i",
        version="1",
        state=state,
        registered_at=NOON,
        started_at=NOON,
        fingerprint=pair and pair.public.fingerprint,
    )
    hosts.apply(Entry("agents.m", wire.encode(said), 1, 0.0))


def remembers(hosts, proof):
    known = KnownHost(machine_id="m", hostname="web", secrets_key="box", proof=proof)
    hosts.apply(Entry("hosts.m", wire.encode(known), 1, 0.0))


async def test_a_host_that_waits_to_be_accepted_is_no_target_and_then_it_is():
    hosts, back = Hosts(silence=35), []
    beats(hosts, state="Pending")
    hosts.returned = back.append

    waiting = hosts.ready("m")
    hosts.accept("m", OWN.public)
    beats(hosts)

    assert not waiting
    assert hosts.ready("m")
    assert back == ["m"]
    assert hosts.find("web").fingerprint == OWN.public.fingerprint


async def test_who_beats_with_another_key_than_was_accepted_or_with_none_is_no_target():
    hosts = Hosts(silence=35)
    hosts.accept("m", OWN.public)

    for pair in (OTHER, None):
        beats(hosts, pair=pair)
        assert hosts.find("web").state is AgentState.PENDING
        assert not hosts.ready("m")


async def test_secrets_are_sealed_to_no_key_but_the_one_that_the_agent_has_signed():
    hosts = Hosts(silence=35)
    beats(hosts)
    remembers(hosts, b"")
    unsigned = hosts.find("web").secrets_key
    hosts.accept("m", OWN.public)

    for proof in (b"", vouch(OTHER, "m", "box"), vouch(OWN, "m2", "box"), vouch(OWN, "m", "other")):
        remembers(hosts, proof)
        assert hosts.find("web").secrets_key == ""
    remembers(hosts, vouch(OWN, "m", "box"))

    assert unsigned == "box"
    assert hosts.find("web").secrets_key == "box"
