"""Timers: what systemd says of them, and those that OSAPI makes."""

import json
import os
from datetime import UTC, datetime

import attrs
import pytest
from deploying import done, failed, on_disk
from systemd_prints import Systemd

from agent import privileges
from agent.dispatch import perform
from agent.units import Unit
from osapi.errors import CommandFailed
from osapi.jobs import State
from osapi.operations.schedule import timer
from osapi.operations.schedule.timer import TimerInfo

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="unit files are root's")

SCRIPT = b"#!/bin/sh\nexec /usr/bin/backup --to {{ .Vars.where }}\n"
OBJECT = "/usr/local/lib/osapi/timer/backup"
TIMER = "/etc/systemd/system/osapi-backup.timer"
SERVICE = "/etc/systemd/system/osapi-backup.service"
WEEKDAYS = "Mon..Fri 03:00"

APT = Unit(
    id="apt-daily.timer",
    load="loaded",
    active="active",
    file_state="enabled",
    file="/lib/systemd/system/apt-daily.timer",
    starts="apt-daily.service",
    calendar="*-*-* 06,18:00:00",
)
OWN = attrs.evolve(APT, id="osapi-backup.timer", file=TIMER, starts="osapi-backup.service")
TIMES = {
    "Debian 12": [
        {"next": 1795371480329067, "left": 1795371480329067, "last": 1795360201007400, "passed": 1795360201007400,
         "unit": "apt-daily.timer", "activates": "apt-daily.service"},
        {"next": None, "left": None, "last": 0, "passed": 0, "unit": "fstrim.timer", "activates": "fstrim.service"},
    ],
    "Debian 13": [
        {"next": 1795371480329067, "left": 1795371480329067, "last": 1795360201007400, "passed": 18466359746,
         "unit": "apt-daily.timer", "activates": "apt-daily.service"},
        {"next": None, "left": None, "last": 0, "passed": 0, "unit": "fstrim.timer", "activates": "fstrim.service"},
    ],
}  # fmt: skip
CALENDARS = {
    WEEKDAYS: """\
  Original form: Mon..Fri 03:00
Normalized form: Mon..Fri *-*-* 03:00:00
    Next elapse: Mon 2026-11-23 03:00:00 UTC
       From now: 11h left
""",
    "2020-01-01": """\
  Original form: 2020-01-01
Normalized form: 2020-01-01 00:00:00
    Next elapse: never
""",
    "25:00": CommandFailed(
        ["systemd-analyze"], 1, "Failed to parse calendar specification '25:00': Invalid argument\n"
    ),
}


@pytest.fixture
def systemd():
    fstrim = attrs.evolve(APT, id="fstrim.timer", active="inactive", starts="fstrim.service", calendar="")
    gone = Unit(id="gone.timer", load="not-found", active="inactive")
    answers = {("systemd-analyze", "calendar", "--", text): said for text, said in CALENDARS.items()}
    return Systemd(known={unit.id: unit for unit in (APT, fstrim, gone)}, says=answers)


@pytest.fixture
def host(host, systemd):
    """A host that was booted with systemd, and objects to run."""
    host = attrs.evolve(host, answers=systemd)
    host.boots_with_systemd()
    host.store.put("script", SCRIPT, "template")
    host.store.put("commands", b"/usr/bin/backup\n")
    return host


async def create(host, **more):
    wanted = {"name": "backup", "object": "script", "calendar": WEEKDAYS, "vars": {"where": "tape"}, **more}
    return await done(host, timer.Create(**wanted))


@pytest.fixture
async def owning(host, systemd):
    """The same host, with a timer that OSAPI has made, which runs."""
    await create(host)
    systemd.known[OWN.id] = OWN
    host.ran.clear()
    return host


def changes(host):
    """What was run that changes something."""
    patterns = privileges.by_domain()["schedule.timer"]
    return [
        " ".join(ran) for ran in host.ran if any(privileges.matches(pattern, ran) for pattern in patterns)
    ]


@pytest.mark.parametrize("debian", TIMES)
async def test_list_shows_when_timers_run(host, systemd, debian):
    systemd.says["systemctl", "list-timers", "--all", "--output=json", "--"] = json.dumps(TIMES[debian])

    found = (await done(host, timer.List())).timers

    assert found == [
        TimerInfo(
            name="apt-daily.timer",
            unit="apt-daily.service",
            next=datetime(2026, 11, 22, 18, 18, 0, 329067, UTC),
            last=datetime(2026, 11, 22, 15, 10, 1, 7400, UTC),
            calendar="*-*-* 06,18:00:00",
        ),
        TimerInfo(name="fstrim.timer", unit="fstrim.service"),
    ]


@pytest.mark.parametrize("name", ["backup", "backup.timer", "osapi-backup"])
async def test_a_timer_that_osapi_has_made_goes_before_another_of_that_name(owning, systemd, name):
    systemd.known["backup.timer"] = attrs.evolve(APT, id="backup.timer")
    systemd.says["systemctl", "list-timers", "--all", "--output=json", "--", "osapi-backup.timer"] = "[]"

    found = (await done(owning, timer.Get(name=name))).timer

    assert (found.name, found.unit, found.managed) == ("osapi-backup.timer", "osapi-backup.service", True)


async def test_a_timer_that_is_not_there_is_not_found(host):
    assert "no timer nosuch" in await failed(host, timer.Get(name="nosuch"), "not_found")


async def test_create_makes_and_starts_a_timer_once(host, systemd):
    first = await create(host, user="daemon")
    made, host.ran[:] = changes(host), []
    systemd.known[OWN.id] = OWN
    again = await create(host, user="daemon")

    assert (first.changed, again.changed) == (True, False)
    assert made == ["systemctl daemon-reload", "systemctl enable --now -- osapi-backup.timer"]
    assert changes(host) == []
    assert f"\nOnCalendar={WEEKDAYS}\n" in on_disk(host, TIMER).read_text()
    assert f"\nUser=daemon\nExecStart={OBJECT}\n" in on_disk(host, SERVICE).read_text()
    assert on_disk(host, OBJECT).read_text() == "#!/bin/sh\nexec /usr/bin/backup --to tape\n"
    assert on_disk(host, OBJECT).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"active": "inactive"}, ["systemctl enable --now -- osapi-backup.timer"]),
        ({"file_state": "disabled"}, ["systemctl enable --now -- osapi-backup.timer"]),
        ({"is_outdated": True}, ["systemctl daemon-reload"]),
    ],
)
async def test_a_timer_that_somebody_has_stopped_is_put_right(owning, systemd, state, expected):
    systemd.known[OWN.id] = attrs.evolve(OWN, **state)

    assert (await create(owning)).changed == ("is_outdated" not in state)
    assert changes(owning) == expected


async def test_another_calendar_counts_from_now_on(owning, systemd):
    systemd.says["systemd-analyze", "calendar", "--", "daily"] = CALENDARS[WEEKDAYS]

    assert (await create(owning, calendar="daily")).changed
    assert changes(owning) == ["systemctl daemon-reload", "systemctl restart -- osapi-backup.timer"]


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({"calendar": "25:00"}, "bad_input", "Failed to parse"),
        ({"calendar": "2020-01-01"}, "bad_input", "never comes again"),
        ({"user": "nosuch-user"}, "not_found", "nosuch-user"),
        ({"object": "commands"}, "refused", "#!/bin/sh"),
        ({"object": "nosuch"}, "not_found", "nosuch"),
    ],
)
async def test_what_would_never_run_leaves_nothing_behind(host, asked, code, said):
    before = host.holds()

    wanted = timer.Create(**{"name": "backup", "object": "script", "calendar": WEEKDAYS, **asked})

    assert said in await failed(host, wanted, code)
    assert (host.holds(), changes(host)) == (before, [])


@pytest.mark.parametrize("place", [TIMER, SERVICE])
async def test_units_that_osapi_has_not_made_are_left_alone(host, place):
    host.has({place: "mine\n"})

    wanted = timer.Create(name="backup", object="script", calendar=WEEKDAYS)

    assert place in await failed(host, wanted, "conflict")
    assert place in await failed(host, timer.Delete(name="backup"), "conflict")
    assert (on_disk(host, place).read_text(), changes(host)) == ("mine\n", [])


async def test_delete_leaves_nothing_of_a_timer(owning):
    first, again = (
        await done(owning, timer.Delete(name="backup")),
        await done(owning, timer.Delete(name="backup")),
    )

    assert (first.changed, again.changed) == (True, False)
    assert changes(owning) == [
        "systemctl disable --now -- osapi-backup.timer",
        "systemctl clean --what=state -- osapi-backup.timer",
        "systemctl daemon-reload",
    ]
    assert not [path for path in (TIMER, SERVICE, OBJECT) if on_disk(owning, path).exists()]


async def test_what_is_left_of_a_timer_is_removed_too(owning):
    on_disk(owning, TIMER).unlink()

    assert (await done(owning, timer.Delete(name="backup"))).changed
    assert changes(owning) == ["systemctl disable --now -- osapi-backup.timer", "systemctl daemon-reload"]
    assert not on_disk(owning, OBJECT).exists()


async def test_a_dry_run_shows_all_that_is_then_made(host):
    before = host.holds()

    performed = await perform(
        attrs.evolve(host, dry=True),
        timer.Create(name="backup", object="script", calendar=WEEKDAYS, vars={"where": "x"}),
    )

    assert host.holds() == before
    assert {TIMER, SERVICE, OBJECT} <= {plan.path for plan in performed.plan.files}
    assert performed.plan.commands == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "--now", "--", "osapi-backup.timer"],
    ]


async def test_without_systemd_it_is_skipped(host):
    on_disk(host, "/run/systemd/system").rmdir()

    assert (await perform(host, timer.List())).state == State.SKIPPED
