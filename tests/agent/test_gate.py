"""What an agent acts on where jobs are signed: what the controllers have signed for it, and that once."""

from datetime import timedelta

import attrs
import pytest
import trio

from agent.enrollment import Trust
from agent.gate import Dropped, Gate, admitted
from agent.host import Host
from agent.identity import Identity
from agent.lifecycle import Standing
from osapi import wire
from osapi.bus import Message
from osapi.errors import BadInput, Refused
from osapi.jobs import Job, Reply, Taking, now
from osapi.keys import KeyPair
from osapi.sealed import Opener
from osapi.signing import KEY, SIGNATURE, STAMP, sign

CONTROLLER = KeyPair.generate()
SUBJECT = "jobs.modify.host.m"
JOB = wire.encode(
    Job(
        id="00000000-0000-0000-0000-000000000001",
        operation="command.shell",
        params={"command": "true"},
        target="web",
        hosts=[],
        user="anna",
        created=now(),
        expires=now() + timedelta(hours=1),
        modifies=True,
    )
)


class Nothing:
    """A bucket that is empty."""

    async def get(self, key):
        await trio.lowlevel.checkpoint()


@attrs.define
class Heard:
    """A bus that keeps what is published."""

    replies: list = attrs.field(factory=list)

    async def publish(self, subject, data):
        await trio.lowlevel.checkpoint()
        self.replies.append((subject, wire.decode(Reply, data)))


@pytest.fixture
async def gate():
    identity = Identity("m", Host(), Opener.of("00" * 32), "web")
    trust = Trust(keys=None, machine_id="m", pair=KeyPair.generate(), pinned=CONTROLLER.public)
    return Gate(trust, Nothing(), identity, Standing(), opened=trio.current_time() - 1)


def message(*, pair=CONTROLLER, subject=SUBJECT, data=JOB, at=None, **other):
    """A dispatch as a controller sends it, with what differs."""
    sent = Message(subject, data, "replies.c.1", sign(pair, subject, data, at or now()))
    return attrs.evolve(sent, **other)


async def test_what_the_controller_has_signed_is_let_in(gate):
    await gate.check(message())
    await gate.check(message())


SIGNED = message()
HEADERS = SIGNED.headers


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (message(headers={}), "not signed.*controller.pki.enabled: true"),
        (message(headers={**HEADERS, SIGNATURE: "no base64!"}), "cannot be read"),
        (message(headers={**HEADERS, STAMP: "soon"}), "cannot be read"),
        (message(headers={**HEADERS, STAMP: f"{'9' * 400}-0"}), "cannot be read"),
        (message(headers={**HEADERS, STAMP: f"{HEADERS[STAMP]}0"}), "not what the controller has signed"),
        (message(headers={**HEADERS, KEY: "SHA256:00"}), "key SHA256:00, which this agent does not trust"),
        (message(pair=KeyPair.generate()), "does not trust"),
        (attrs.evolve(SIGNED, data=JOB.replace(b'"anna"', b'"root"')), "not what the controller has signed"),
        (attrs.evolve(SIGNED, subject="jobs.modify.host.other"), "not what the controller has signed"),
        (attrs.evolve(SIGNED, subject="jobs.cancel.host.m"), "not what the controller has signed"),
        (message(at=now() - timedelta(minutes=5)), "it was signed at"),
        (message(at=now() + timedelta(minutes=5)), "it was signed at"),
    ],
)
async def test_what_is_not_signed_for_this_host_and_now_is_refused(gate, sent, reason):
    with pytest.raises(Refused, match=reason):
        await gate.check(sent)


async def test_a_message_is_let_in_once(gate):
    sent = message()
    await gate.check(sent)

    with pytest.raises(Dropped, match="has come before"):
        await gate.check(sent)


async def test_what_was_signed_before_the_agent_started_is_not_acted_on(gate):
    with pytest.raises(Dropped, match="before this agent started"):
        await gate.check(message(at=now() - timedelta(seconds=5)))


async def test_time_is_that_of_the_broker(gate):
    gate.identity.skew = timedelta(hours=3)

    await gate.check(message(at=now() + timedelta(hours=3)))


async def test_nonces_are_forgotten_once_they_are_too_old_to_come_again(gate):
    for minutes in (0, 10, 20):
        gate.identity.skew = timedelta(minutes=minutes)
        await gate.check(message(at=gate.identity.time()))

    assert len(gate.nonces) == 1


async def test_until_it_is_accepted_an_agent_acts_on_nothing(gate):
    gate.standing.accepted = False

    with pytest.raises(Refused, match="web waits to be accepted"):
        await gate.check(message())


async def test_who_has_sent_a_job_to_this_host_is_told_why_it_is_not_taken(gate):
    bus = Heard()

    assert not await admitted(gate, bus, message(headers={}))

    [(subject, reply)] = bus.replies
    assert subject == "replies.c.1"
    assert (reply.taking, reply.machine_id) == (Taking.REFUSED, "m")
    assert "not signed" in reply.reason


async def test_nobody_is_told_where_another_agent_may_take_it(gate):
    bus = Heard()

    assert not await admitted(gate, bus, message(subject="jobs.modify.any", headers={}))

    assert bus.replies == []


async def test_what_is_neither_signed_nor_a_job_is_garbage(gate):
    with pytest.raises(BadInput):
        await admitted(gate, Heard(), message(data=b"{", headers={}))


async def test_without_enrollment_everything_is_let_in():
    assert await admitted(None, Heard(), message(headers={}))
