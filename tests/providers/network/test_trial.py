"""A change of the network that cuts a host off from its broker is taken back, whatever happens meanwhile."""

import shutil

import attrs
import pytest
import trio
from cabled import APPLY, PENDING

from agent import trial
from agent.dispatch import perform
from osapi.errors import CommandFailed
from osapi.jobs import State
from osapi.operations.network import interface

FILE = "/etc/netplan/osapi-eth0.yaml"
GOOD = interface.Create(name="eth0", mtu=1400)
BAD = interface.Update(name="eth0", addresses=["10.99.0.1/24"])


@pytest.fixture
def host(host):
    """A host that 10.99.0.1 cuts off."""
    host.uplink.breaks = "10.99.0.1"
    return host


async def test_what_cuts_the_host_off_is_taken_back_after_half_a_minute(host, autojump_clock):
    await perform(host, GOOD)
    good, began = await host.read(FILE), trio.current_time()
    host.ran.clear()

    performed = await perform(host, BAD)

    assert (performed.state, performed.code) == (State.FAILED, "failed")
    assert "taken back: the broker could not be reached within 30 s" in performed.error
    assert trio.current_time() - began == pytest.approx(30, abs=2)
    assert (await host.read(FILE), host.ran.count(APPLY)) == (good, 2)
    assert await host.read(PENDING) is None


async def test_a_file_that_was_not_there_is_gone_again(host, autojump_clock):
    performed = await perform(host, interface.Create(name="eth0", addresses=["10.99.0.1/24"]))

    assert (performed.state, await host.stat(FILE)) == (State.FAILED, None)


async def test_what_is_removed_is_there_again_where_that_cuts_the_host_off(host, autojump_clock):
    await perform(host, GOOD)
    good = await host.read(FILE)
    host.uplink.breaks = "10.77.2.1/16"

    performed = await perform(host, interface.Delete(name="eth0"))

    assert (performed.state, await host.read(FILE)) == (State.FAILED, good)


async def test_it_must_be_reached_three_times_in_a_row(host, autojump_clock):
    @attrs.define
    class Flapping:
        answers: list[bool]
        pause = 0.0

        async def addresses(self):
            return []

        async def reachable(self):
            return self.answers.pop(0)

    steady = attrs.evolve(host, uplink=Flapping([True, True, False, True, True, True]))
    flapping = attrs.evolve(host, uplink=Flapping([True, True, False] * 20))

    stands = await perform(steady, GOOD)
    falls = await perform(flapping, interface.Delete(name="eth0"))

    assert (stands.changed, steady.uplink.answers) == (True, [])
    assert (falls.state, await host.read(FILE) is None) == (State.FAILED, False)


async def test_a_broker_that_does_not_answer_at_all_holds_nothing_up(host, autojump_clock):
    class Silent:
        pause = 1.0

        async def addresses(self):
            return []

        async def reachable(self):
            await trio.sleep_forever()

    performed = await perform(attrs.evolve(host, uplink=Silent()), GOOD)

    assert (performed.state, await host.stat(FILE)) == (State.FAILED, None)


async def test_what_cannot_be_applied_is_taken_back(host, autojump_clock):
    await perform(host, GOOD)
    good = await host.read(FILE)
    host.answers[APPLY] = CommandFailed(APPLY, 1, "networkd is away")

    performed = await perform(host, BAD)

    assert (performed.code, await host.read(FILE)) == ("command_failed", good)


async def test_what_is_cancelled_meanwhile_is_taken_back(host):
    scope = trio.CancelScope()

    class Cancelling:
        pause = 0.0

        async def addresses(self):
            return []

        async def reachable(self):
            scope.cancel()
            return False

    with scope:
        await perform(
            attrs.evolve(host, uplink=Cancelling()),
            interface.Create(name="eth0", addresses=["10.99.0.1/24"]),
        )

    assert scope.cancelled_caught
    assert (await host.stat(FILE), await host.read(PENDING), host.ran.count(APPLY)) == (None, None, 2)


async def test_an_agent_that_was_killed_meanwhile_takes_it_back_when_it_starts(
    host, tmp_path, autojump_clock
):
    @attrs.define
    class UntilKilled:
        pause = 0.0

        async def addresses(self):
            return []

        async def reachable(self):
            shutil.copytree(host.root, tmp_path / "after", dirs_exist_ok=True)
            return True

    await perform(host, GOOD)
    good = await host.read(FILE)
    await perform(attrs.evolve(host, uplink=UntilKilled()), BAD)
    again = attrs.evolve(host, root=tmp_path / "after")
    on_trial = await again.read(FILE)
    host.ran.clear()

    await trial.finish(again)

    assert "10.99.0.1" in on_trial
    assert (await again.read(FILE), await again.read(PENDING), again.ran) == (good, None, [APPLY])
    assert "10.99.0.1" in await host.read(FILE)


async def test_an_agent_that_finds_nothing_on_trial_leaves_all_as_it_is(host, autojump_clock):
    await perform(host, GOOD)
    before = host.holds()
    host.ran.clear()

    await trial.finish(host)

    assert (host.holds(), host.ran) == (before, [])


async def test_an_agent_that_cannot_take_it_back_starts_and_tries_again_the_next_time(host, autojump_clock):
    host.has({PENDING: f'{{"path": "{FILE}"}}', FILE: "network: {}"})
    host.answers[APPLY] = CommandFailed(APPLY, 1, "networkd is away")
    await trial.finish(host)
    noted = await host.read(PENDING)
    host.answers[APPLY] = ""

    await trial.finish(host)

    assert noted
    assert (await host.stat(FILE), await host.read(PENDING)) == (None, None)


async def test_an_agent_that_cannot_read_what_was_on_trial_starts_all_the_same(host, autojump_clock):
    host.has({PENDING: "{"})

    await trial.finish(host)

    assert (await host.read(PENDING), host.ran) == ("{", [])


async def test_one_change_is_on_trial_at_a_time(host, autojump_clock):
    async def ask(operation):
        ended.append((await perform(host, operation)).changed)

    ended = []
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask, GOOD)

    assert (sorted(ended), host.ran.count(APPLY)) == ([False, False, True], 1)
