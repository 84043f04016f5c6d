"""Who is told of alerts, how often, and what becomes of it when a notifier or a controller fails."""

import trio

from osapi.config.notifications import Notifier
from osapi.durations import Duration

FULL = "/ is 95% full, more than 90%"


def kinds(channel):
    return [event for event, _, _ in channel.events]


async def test_what_goes_on_is_told_again_at_the_interval_by_one_of_two_controllers(
    autojump_clock, world, remembering
):
    pager = remembering()
    world.ways(pager=pager)
    for name in ("one", "two"):
        await world.controller(name, renotify_interval=Duration(3600))

    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(3 * 3600 + 60)
    world.beats("agents.a", DiskPressure=None)
    await trio.sleep(2 * 3600)

    assert kinds(pager) == ["fired", "repeated", "repeated", "repeated", "resolved"]
    assert len({each.id for each in pager.told}) == 5
    assert len({each.alert.id for each in pager.told}) == 1


async def test_without_an_interval_nothing_is_told_twice(autojump_clock, world, remembering):
    pager = remembering()
    world.ways(pager=pager)
    await world.controller("one")

    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(7200)

    assert kinds(pager) == ["fired"]


async def test_a_notifier_that_hangs_holds_up_no_other(autojump_clock, world, remembering):
    pager, dead = remembering(), remembering(seconds=1e9)
    world.ways(dead=dead, pager=pager)
    await world.controller("one")

    for i in range(20):
        world.beats(f"agents.a{i}", DiskPressure=FULL)
    await trio.sleep(5)

    assert len(pager.told) == 20
    await trio.sleep(3600)
    told = await world.deliveries()
    assert told.count(("dead", "fired", "failed")) == 20


async def test_what_fails_is_tried_again_and_what_is_final_is_not(autojump_clock, world, remembering):
    flaky, broken = remembering(failures=3), remembering(failures=99, final=True)
    world.ways(flaky=flaky, broken=broken)
    await world.controller("one")

    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(120)

    assert flaky.attempts == 4
    assert broken.attempts == 1
    assert sorted(await world.deliveries()) == [
        ("broken", "fired", "failed"),
        ("flaky", "fired", "delivered"),
    ]


async def test_attempts_end_after_the_time_for_them(autojump_clock, world, remembering):
    broken = remembering(failures=10**9)
    world.ways(broken=broken)
    await world.controller("one", notifiers={"broken": Notifier(retry_for=Duration(600))})

    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(601)
    attempts = broken.attempts
    await trio.sleep(3600)

    assert 5 < attempts == broken.attempts < 50
    assert await world.deliveries() == [("broken", "fired", "failed")]


async def test_each_is_told_what_it_wants_to_know(autojump_clock, world, remembering):
    disks, web, firing = remembering(), remembering(), remembering()
    world.ways(disks=disks, web=web, firing=firing)
    wants = {
        "disks": Notifier(conditions=["DiskPressure"]),
        "web": Notifier(labels={"group": "web"}),
        "firing": Notifier(resolved=False),
    }
    await world.controller("one", notifiers=wants)

    world.beats("agents.a", {"group": "web.dev"}, HighLoad="load 9")
    world.beats("agents.b", {"group": "webshop"}, DiskPressure=FULL)
    await trio.sleep(30)
    world.beats("agents.a", {"group": "web.dev"}, HighLoad=None)
    await trio.sleep(30)

    assert disks.events == [("fired", "DiskPressure", "b.example")]
    assert web.events == [("fired", "HighLoad", "a.example"), ("resolved", "HighLoad", "a.example")]
    assert sorted(kinds(firing)) == ["fired", "fired"]


async def test_what_is_silenced_is_noted_and_told_when_the_silence_ends(autojump_clock, world, remembering):
    pager = remembering()
    world.ways(pager=pager)
    for name in ("one", "two"):
        await world.controller(name)
    await world.hush(3600, host="a.*", condition="Disk*")

    world.beats("agents.a", DiskPressure=FULL, HighLoad="load 9")
    await trio.sleep(1800)
    meanwhile = list(pager.events)
    await trio.sleep(3600)

    assert meanwhile == [("fired", "HighLoad", "a.example")]
    assert pager.events == [*meanwhile, ("fired", "DiskPressure", "a.example")]
    assert ("pager", "fired", "silenced") in await world.deliveries()


async def test_what_begins_and_ends_within_a_silence_is_not_told(autojump_clock, world, remembering):
    pager = remembering()
    world.ways(pager=pager)
    one = await world.controller("one")
    await world.hush(3600, label="group:web")

    world.beats("agents.a", {"group": "web.dev"}, DiskPressure=FULL)
    await trio.sleep(600)
    world.beats("agents.a", {"group": "web.dev"}, DiskPressure=None)
    await trio.sleep(7200)

    assert pager.events == []
    [record] = one.alerts.records.values()
    assert not record.active
    assert record.resolved_at


async def test_what_a_killed_controller_had_to_tell_another_tells(autojump_clock, world, remembering):
    pager = remembering(seconds=5)
    world.ways(pager=pager)
    await world.controller("one")
    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(2)

    world.kill("one")
    await world.controller("two")
    await trio.sleep(600)

    assert [each for each in pager.events if each[1] == "DiskPressure"] == [
        ("fired", "DiskPressure", "a.example")
    ]
    assert pager.attempts == 3  # one was cut off in the middle; one of controller one, which is unreachable


async def test_a_controller_that_restarts_tells_what_it_had_to(autojump_clock, world, remembering):
    pager = remembering(seconds=5)
    world.ways(pager=pager)
    await world.controller("one")
    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(2)

    world.kill("one")
    await world.controller("one")
    await trio.sleep(10)

    assert pager.events == [("fired", "DiskPressure", "a.example")]


async def test_what_was_told_while_the_broker_went_away_is_not_told_again(autojump_clock, world, remembering):
    pager = remembering(seconds=5)
    world.ways(pager=pager)
    await world.controller("one")
    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(2)

    world.state.away = True
    await trio.sleep(300)
    world.state.away = False
    await trio.sleep(60)

    assert kinds(pager) == ["fired"]
    assert await world.deliveries() == [("pager", "fired", "delivered")]


async def test_what_is_to_be_told_by_a_notifier_that_is_gone_waits_for_nobody(
    autojump_clock, world, remembering
):
    world.ways(old=remembering(seconds=1e9), new=remembering())
    await world.controller("one")
    world.beats("agents.a", DiskPressure=FULL)
    await trio.sleep(2)

    world.kill("one")
    del world.channels["old"]
    one = await world.controller("one")
    await trio.sleep(10)

    assert not one.alerts.telling
    assert kinds(world.channels["new"]) == ["fired"]
