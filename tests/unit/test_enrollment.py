"""Agents are taken in by who has the controllers' key, by nobody else, and under no other key than they had."""

import re
from contextlib import asynccontextmanager
from datetime import timedelta

import attrs
import pytest
import trio
import trio.testing

from agent.enrollment import Enrollment as Asking
from agent.enrollment import Trust
from agent.lifecycle import Standing
from controller.enrollment import Enrollment as Deciding
from controller.hosts import Hosts
from osapi import enrollment, wire
from osapi.bus import AlreadyExists, CaughtUp, Entry, layout
from osapi.bus.layout import Subjects
from osapi.enrollment import Acceptance, Rejection, Request
from osapi.errors import Conflict, NotFound
from osapi.jobs import now
from osapi.keys import AGENT, KeyDirectory, KeyPair


@attrs.define
class Shelf:
    """`osapi.bus.Bucket` without a broker: the keys of enrollment, which anybody can write to."""

    entries: dict = attrs.field(factory=dict)
    revision: int = 0
    watchers: list = attrs.field(factory=list)

    async def get(self, key):
        await trio.lowlevel.checkpoint()
        entry = self.entries.get(key)
        return entry if entry and entry.value is not None else None

    async def put(self, key, value):
        await trio.lowlevel.checkpoint()
        self.revision += 1
        self.entries[key] = Entry(key, value, self.revision, 0.0)
        for watcher in self.watchers:
            watcher.send_nowait(self.entries[key])
        return self.revision

    async def create(self, key, value):
        if await self.get(key):
            raise AlreadyExists(key)
        return await self.put(key, value)

    async def delete(self, key):
        await self.put(key, None)

    @asynccontextmanager
    async def watch(self, keys=">"):
        send, receive = trio.open_memory_channel(float("inf"))
        for entry in (*self.entries.values(), CaughtUp()):
            send.send_nowait(entry)
        self.watchers.append(send)
        yield receive


@attrs.define
class Wire:
    """As much of a bus as wakes agents, which are asked to look by the tests themselves."""

    async def publish(self, subject, data):
        await trio.lowlevel.checkpoint()


@attrs.define
class Meeting:
    """Who meets: agents with folders of their own below `folder`, and controllers of one key."""

    folder: object
    shelf: Shelf = attrs.field(factory=Shelf)
    pair: KeyPair = attrs.field(factory=KeyPair.generate)

    def agent(self, name="m1", *, keys="agent", hostname="web", pinned=None):
        directory = KeyDirectory(self.folder / keys)
        if pinned:
            directory.keep("controller", pinned)
        trust = Trust.of(directory, name, directory.pair(AGENT))
        return Asking(trust, self.shelf, Standing(accepted=False), hostname, 10.0)

    def controller(self, *, pair=None, former=None, auto=False):
        return Deciding(
            bus=Wire(),
            subjects=Subjects(),
            bucket=self.shelf,
            hosts=Hosts(35.0),
            pair=pair or self.pair,
            former=former,
            auto=auto,
            grace=3600.0,
        )


@pytest.fixture
def meeting(tmp_path):
    return Meeting(tmp_path)


@pytest.fixture
async def deciding(nursery):
    """Start a controller."""

    async def start(controller):
        await nursery.start(adapted, controller)
        return controller

    async def adapted(controller, task_status):
        await controller.run(task_status)

    return start


async def asks(agent):
    """One turn: it asks, controllers do what they do by themselves, and it looks."""
    await agent.ask()
    await trio.testing.wait_all_tasks_blocked()
    await agent.look()
    return agent.standing.accepted


def acceptance(asked, by, **other):
    """What a controller of that key would say."""
    said = Acceptance(
        machine_id=asked.trust.machine_id,
        hostname="web",
        public_key=asked.trust.pair.public.text,
        nonce=asked.trust.nonce,
        controller_key=by.public.text,
        accepted_at=now(),
        accepted_by="mallory",
    )
    return attrs.evolve(said, **other)


async def test_an_agent_is_accepted_and_knows_the_controllers_key_from_then_on(meeting, deciding):
    agent, controller = meeting.agent(), await deciding(meeting.controller())

    assert not await asks(agent)
    [request] = controller.pending()
    await controller.accept(controller.find("web"), "anna")
    await agent.look()

    assert request.key == agent.trust.pair.public
    assert agent.standing.accepted
    assert controller.pending() == []
    again = meeting.agent()
    assert again.trust.pinned == meeting.pair.public
    await again.look()
    assert again.standing.accepted


async def test_a_rejected_agent_does_not_ask_again_until_it_is_restarted(meeting, deciding):
    agent, controller = meeting.agent(), await deciding(meeting.controller())
    await asks(agent)

    await controller.reject(controller.find("m1"), "anna")
    await agent.look()
    await asks(agent)

    assert agent.rejected
    assert controller.pending() == []
    await asks(meeting.agent())
    assert len(controller.pending()) == 1


async def test_where_a_key_was_put_beforehand_no_other_controller_is_believed(meeting, deciding):
    agent = meeting.agent(pinned=meeting.pair.public)
    other = await deciding(meeting.controller(pair=KeyPair.generate(), auto=True))

    accepted = await asks(agent)

    assert other.accepted
    assert not accepted
    assert agent.trust.pinned == meeting.pair.public


@pytest.mark.parametrize(
    "wrong", [{"nonce": "00"}, {"machine_id": "m2"}, {"public_key": KeyPair.generate().public.text}]
)
async def test_an_acceptance_that_is_not_the_answer_to_this_request_is_passed_over(meeting, wrong):
    agent = meeting.agent()
    said = enrollment.sealed(acceptance(agent, meeting.pair, **wrong), meeting.pair)

    await meeting.shelf.put(layout.accepted("m1"), wire.encode(said))

    assert not await asks(agent)
    assert agent.trust.pinned is None


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"garbage"])
async def test_what_is_no_acceptance_is_passed_over(meeting, data):
    agent = meeting.agent()

    await meeting.shelf.put(layout.accepted("m1"), data)

    assert not await asks(agent)


async def test_an_acceptance_in_the_name_of_another_key_is_passed_over(meeting):
    agent = meeting.agent(pinned=meeting.pair.public)
    forged = enrollment.sealed(acceptance(agent, meeting.pair), KeyPair.generate())

    await meeting.shelf.put(layout.accepted("m1"), wire.encode(forged))

    assert not await asks(agent)


async def test_a_rejection_by_somebody_else_is_passed_over(meeting):
    agent, other = meeting.agent(pinned=meeting.pair.public), KeyPair.generate()
    said = Rejection(
        machine_id="m1",
        public_key=agent.trust.pair.public.text,
        nonce=agent.trust.nonce,
        controller_key=other.public.text,
        reason="",
    )

    await meeting.shelf.put(layout.rejected("m1"), wire.encode(enrollment.sealed(said, other)))
    await asks(agent)

    assert not agent.rejected


async def test_a_request_without_the_private_key_is_passed_over(meeting, deciding):
    controller, key = await deciding(meeting.controller(auto=True)), KeyPair.generate().public.text
    forged = Request(machine_id="m1", hostname="web", public_key=key, requested_at=now(), nonce="n")
    sealed = wire.encode(enrollment.sealed(forged, KeyPair.generate()))

    await meeting.shelf.put(layout.enrollment("m1"), sealed)
    await trio.testing.wait_all_tasks_blocked()

    assert controller.requests == {}
    assert controller.accepted == {}


async def test_an_acceptance_that_the_controllers_have_not_signed_counts_for_nothing(meeting, deciding):
    agent, other = meeting.agent(), KeyPair.generate()
    controller = await deciding(meeting.controller())

    for said in (acceptance(agent, other), acceptance(agent, meeting.pair)):
        await meeting.shelf.put(layout.accepted("m1"), wire.encode(enrollment.sealed(said, other)))
    await trio.testing.wait_all_tasks_blocked()

    assert controller.accepted == {}


async def test_a_known_machine_with_another_key_waits_also_where_all_are_accepted(meeting, deciding):
    agent, controller = meeting.agent(), await deciding(meeting.controller(auto=True))
    accepted = await asks(agent)

    reinstalled = await asks(meeting.agent(keys="reinstalled"))

    assert (accepted, reinstalled) == (True, False)
    [request] = controller.pending()
    assert controller.former_fingerprint(request) == agent.trust.pair.public.fingerprint


async def test_an_agent_that_has_lost_the_controllers_key_is_taken_in_again_by_its_own(meeting, deciding):
    agent, controller = meeting.agent(), await deciding(meeting.controller())
    await asks(agent)
    await controller.accept(controller.find("web"), "anna")
    (meeting.folder / "agent" / "controller.pub").unlink(missing_ok=True)

    accepted = await asks(meeting.agent())

    assert accepted
    assert controller.accepted["m1"].accepted_by == "anna"


async def test_a_name_that_several_have_is_no_name(meeting, deciding):
    controller = await deciding(meeting.controller())
    agents = [meeting.agent(name, keys=name) for name in ("m1", "m2")]
    for agent in agents:
        await asks(agent)
    prints = [agent.trust.pair.public.fingerprint for agent in agents]

    with pytest.raises(Conflict, match=re.escape(prints[1])):
        controller.find("web")
    with pytest.raises(NotFound, match="no pending agent 'db'"):
        controller.find("db")
    assert controller.find("m2").machine_id == "m2"
    assert controller.find("whatever", prints[0]).machine_id == "m1"


async def test_agents_follow_the_controllers_key_and_take_the_former_one_for_a_while(meeting, deciding):
    agent, old, new = meeting.agent(), meeting.pair, KeyPair.generate()
    await deciding(meeting.controller(auto=True))
    await asks(agent)

    await deciding(meeting.controller(pair=new, former=old))
    at = now()
    found = await agent.trust.key(meeting.shelf, new.public.fingerprint, at)
    restarted = meeting.agent()
    await restarted.look()

    assert found == new.public == restarted.trust.pinned
    assert restarted.standing.accepted
    for trust in (agent.trust, restarted.trust):
        assert await trust.key(meeting.shelf, old.public.fingerprint, at) == old.public
        assert await trust.key(meeting.shelf, old.public.fingerprint, at + timedelta(hours=2)) is None


async def test_a_rotation_that_not_both_keys_say_changes_nothing(meeting):
    agent, other = meeting.agent(pinned=meeting.pair.public), KeyPair.generate()
    said = enrollment.Rotation(former=meeting.pair.public.text, current=other.public.text, until=now())
    back = attrs.evolve(said, former=other.public.text, current=meeting.pair.public.text)
    shelf, fingerprint = meeting.shelf, other.public.fingerprint

    for key, record in ((meeting.pair.public.fingerprint, said), (fingerprint, back)):
        sealed = [enrollment.sealed(record, other)] * 2
        await shelf.put(layout.rotation(key), wire.encode(sealed))

    assert await agent.trust.key(shelf, fingerprint, now()) is None
    assert agent.trust.pinned == meeting.pair.public
