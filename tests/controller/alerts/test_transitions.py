"""Alerts fire and are resolved: by what beats tell, by their absence, and once, however many controllers watch."""

import pytest
import trio

FULL = "/ is 95% full, more than 90%"


@pytest.fixture
def pager(world, remembering):
    channel = remembering()
    world.ways(pager=channel)
    return channel


async def test_a_condition_fires_once_and_is_resolved_once_with_two_controllers(autojump_clock, world, pager):
    await world.controller("one")
    await world.controller("two")

    world.beats("agents.a", DiskPressure=None, HighLoad=None)
    await trio.sleep(30)
    world.beats("agents.a", DiskPressure=FULL, HighLoad=None)
    await trio.sleep(120)
    world.beats("agents.a", DiskPressure=None, HighLoad=None)
    await trio.sleep(120)

    assert pager.events == [
        ("fired", "DiskPressure", "a.example"),
        ("resolved", "DiskPressure", "a.example"),
    ]
    fired, resolved = (each.alert for each in pager.told)
    assert fired.reason == FULL
    assert fired.id == resolved.id
    assert (fired.status, resolved.status) == ("firing", "resolved")
    assert await world.deliveries() == [("pager", "fired", "delivered"), ("pager", "resolved", "delivered")]


@pytest.mark.parametrize("component", ["agents.a", "controller.web-8081", "nats.db-4222"])
async def test_what_stops_beating_is_unreachable_until_it_beats_again(
    autojump_clock, world, pager, component
):
    await world.controller("one")
    await world.controller("two")
    world.beats(component)
    await trio.sleep(30)

    world.silence(component)
    await trio.sleep(60)
    fired = list(pager.events)
    world.beats(component)
    await trio.sleep(60)

    name = f"{component.partition('.')[2]}.example"
    assert fired == [("fired", "ComponentUnreachable", name)]
    assert pager.events == [*fired, ("resolved", "ComponentUnreachable", name)]


async def test_a_goodbye_is_no_alarm_and_a_restart_resolves_nothing(autojump_clock, world, pager):
    await world.controller("one")
    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(30)

    await world.leave("agents.a")
    await trio.sleep(20)
    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(600)

    assert pager.events == [("fired", "DiskPressure", "a.example")]


async def test_what_was_stopped_for_long_has_no_conditions(autojump_clock, world, pager):
    await world.controller("one")
    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(30)

    await world.leave("agents.a")
    await trio.sleep(600)

    assert [event for event, _, _ in pager.events] == ["fired", "resolved"]
    assert pager.told[-1].alert.reason == "it was stopped"


async def test_a_host_that_is_removed_is_resolved(autojump_clock, world, pager):
    await world.controller("one")
    world.beats("agents.a")
    await trio.sleep(30)
    world.silence("agents.a")
    await trio.sleep(60)

    world.hosts.by_id["a"].known = None
    await trio.sleep(60)

    assert [event for event, _, _ in pager.events] == ["fired", "resolved"]
    assert pager.told[-1].alert.reason == "the host was removed"


async def test_the_broker_being_away_makes_nobody_unreachable(autojump_clock, world, pager):
    await world.controller("one")
    for name in "abc":
        world.beats(f"agents.{name}")
    await trio.sleep(30)

    world.registry.away = True
    await trio.sleep(600)
    for name in "abc":
        world.registry.lapse(f"agents.{name}")
    await trio.sleep(600)
    world.registry.away = False
    await trio.sleep(120)

    assert pager.events == []


async def test_what_was_lost_while_the_broker_was_away_is_unreachable_after_it(autojump_clock, world, pager):
    await world.controller("one")
    world.beats("agents.a")
    world.beats("agents.b")
    await trio.sleep(30)

    world.registry.away = True
    world.silence("agents.a")
    await trio.sleep(600)
    world.registry.away = False
    await trio.sleep(120)

    assert pager.events == [("fired", "ComponentUnreachable", "a.example")]


async def test_steps_that_the_broker_did_not_take_are_taken_later(autojump_clock, world, pager):
    await world.controller("one")
    world.beats("agents.a", HighLoad=None)
    await trio.sleep(30)

    world.state.away = True
    world.beats("agents.a", HighLoad="load 9")
    await trio.sleep(60)
    assert pager.events == []
    world.state.away = False
    await trio.sleep(10)

    assert pager.events == [("fired", "HighLoad", "a.example")]


async def test_a_controller_that_restarts_does_not_fire_again_what_is_known(autojump_clock, world, pager):
    await world.controller("one")
    world.beats("agents.a", DiskPressure=FULL)
    world.beats("agents.b")
    await trio.sleep(30)
    world.silence("agents.b")
    await trio.sleep(60)

    world.kill("one")
    world.registry.lapse("agents.b")
    await trio.sleep(60)
    await world.controller("one")
    await trio.sleep(300)

    assert sorted(pager.events) == [
        ("fired", "ComponentUnreachable", "b.example"),
        ("fired", "DiskPressure", "a.example"),
    ]


async def test_a_host_that_was_lost_while_no_controller_ran_is_unreachable_and_one_that_stopped_is_not(
    autojump_clock, world, pager
):
    for name in ("lost", "stopped", "back"):
        await world.beat(f"agents.{name}", DiskPressure=None)
        await world.happened(name, "started")
    await world.happened("stopped", "stopped")
    await world.happened("stopped", "drain")
    await trio.sleep(300)
    world.registry.entries.clear()

    await world.controller("one")
    world.beats("agents.back")
    await trio.sleep(120)

    assert pager.events == [("fired", "ComponentUnreachable", "lost.example")]


async def test_a_controller_that_lags_behind_takes_no_step_back(autojump_clock, world, pager):
    one = await world.controller("one")
    await world.beat("agents.a", DiskPressure=FULL)
    await trio.sleep(5)
    old = world.registry.entries["agents.a"]
    await world.beat("agents.a", DiskPressure=None)
    await trio.sleep(5)

    one.watcher.hear(old)
    await trio.sleep(5)

    assert [event for event, _, _ in pager.events] == ["fired", "resolved"]


async def test_a_condition_that_is_not_told_any_more_is_over(autojump_clock, world, pager):
    await world.controller("one")
    world.beats("agents.a", ProcessHighCPU="300%")
    await trio.sleep(30)

    world.beats("agents.a")
    await trio.sleep(30)

    assert [event for event, _, _ in pager.events] == ["fired", "resolved"]


async def test_two_hosts_of_one_name_are_told_of(autojump_clock, world, pager):
    await world.controller("one")
    world.beats("agents.a")
    await trio.sleep(30)

    twin = world.registry.entries["agents.a"].value
    await world.registry.put("agents.b", twin)
    await trio.sleep(15)

    assert {condition for _, condition, _ in pager.events} == {"DuplicateHostname"}
    assert "a" in {each.alert.machine_id for each in pager.told}


async def test_an_agent_with_its_controller_and_its_broker_on_one_host_is_no_duplicate(
    autojump_clock, world, pager
):
    await world.controller("one")
    world.beats("agents.a")
    await trio.sleep(15)

    beat = world.registry.entries["agents.a"].value
    await world.registry.put("controller.a-8080", beat)
    await world.registry.put("nats.a-4222", beat)
    await trio.sleep(15)

    assert not pager.events


async def test_garbage_in_the_registry_and_in_alerts_is_passed_over(autojump_clock, world, pager):
    await world.state.put("alerts.agents.a.DiskPressure", b"garbage")
    await world.registry.put("agents.x", b"garbage")
    await world.registry.put("other.x.y", b"{}")
    await world.controller("one")

    world.beats("agents.a", **{"DiskPressure": FULL, "no condition": "x", "a.b": "x"})
    await trio.sleep(30)

    assert pager.events == [("fired", "DiskPressure", "a.example")]


async def test_what_is_dismissed_stays_so_until_it_beats_again(autojump_clock, world, pager):
    one = await world.controller("one")
    await world.controller("two")
    world.beats("controller.old-8080")
    await trio.sleep(30)
    world.silence("controller.old-8080")
    await trio.sleep(60)

    [alert] = one.alerts.firing()
    await one.watcher.dismiss(alert.id, "alice")
    await trio.sleep(600)
    assert [event for event, _, _ in pager.events] == ["fired", "resolved"]
    assert pager.told[-1].alert.reason == "dismissed by alice"

    world.beats("controller.old-8080")
    await trio.sleep(30)
    world.silence("controller.old-8080")
    await trio.sleep(60)
    assert [event for event, _, _ in pager.events] == ["fired", "resolved", "fired"]
