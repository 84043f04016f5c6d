"""Reboots and shutdowns: what is scheduled, and what of that stays."""

import time

import pytest

from agent.dispatch import perform
from agent.providers.power import SCHEDULED, in_minutes, parse
from osapi.jobs import State
from osapi.operations import power

REBOOT = ("shutdown", "--reboot", "--")
POWEROFF = ("shutdown", "--poweroff", "--")
CANCEL = ("shutdown", "-c")

FILES = {
    "Debian 12": r"""USEC=1795359020513362
WARN_WALL=1
MODE=reboot
UID=0
WALL_MESSAGE=Kernel update: \"now\" $HOME \\ \303\274n\303\257 -x  two
""",
    "Debian 13": r"""USEC=1795359020513362
WARN_WALL=1
MODE=reboot
UID=0
WALL_MESSAGE=Kernel\x20update:\x20"now"\x20$HOME\x20\x5c\x20\xc3\xbcn\xc3\xaf\x20-x\x20\x20two
""",
}


@pytest.fixture
def host(host):
    host.boots_with_systemd()
    host.answers[CANCEL] = ""
    return host


@pytest.fixture
def plan(host):
    """Have something scheduled, so many seconds from now."""

    def schedule(mode, seconds, message=""):
        at = int((time.time() + seconds) * 1_000_000)
        said = f"WALL_MESSAGE={message}\n" if message else ""
        host.has({SCHEDULED: f"USEC={at}\nWARN_WALL=1\nMODE={mode}\nUID=0\n{said}"})

    return schedule


@pytest.mark.parametrize(
    ("delay", "minutes"),
    [(None, 1), (0, 1), (1, 1), (60, 1), (61, 2), (119, 2), (600, 10), (31536000, 525600)],
)
async def test_a_delay_is_rounded_up_to_minutes_and_is_one_at_least(host, delay, minutes):
    host.answers[*REBOOT, f"+{minutes}"] = ""

    performed = await perform(host, power.Reboot(delay=delay))

    assert performed.result == power.PowerPlan(action="reboot", delay=minutes * 60)
    assert host.ran == [(*REBOOT, f"+{minutes}")]


async def test_a_message_is_one_word_and_no_option(host):
    host.answers[*POWEROFF, "+1", "-c 'now' $(reboot)"] = ""

    performed = await perform(host, power.Shutdown(message="-c 'now' $(reboot)"))

    assert performed.result == power.PowerPlan(action="shutdown", delay=60)


async def test_the_same_again_changes_nothing_and_says_when_it_will_be(host, plan):
    plan("reboot", 570)

    performed = await perform(host, power.Reboot(delay=600))

    assert performed.result == power.PowerPlan(action="reboot", delay=600, changed=False)
    assert host.ran == []


@pytest.mark.parametrize(
    ("mode", "seconds", "message"),
    [("poweroff", 600, ""), ("reboot", 300, ""), ("reboot", 6000, ""), ("reboot", 600, "other")],
)
async def test_another_plan_is_reported_and_left_alone(host, plan, mode, seconds, message):
    plan(mode, seconds, message)

    performed = await perform(host, power.Reboot(delay=600, message="update"))

    assert (performed.state, performed.code, host.ran) == (State.FAILED, "conflict", [])
    assert performed.error.startswith("a shutdown" if mode == "poweroff" else "a reboot")
    assert message in performed.error


async def test_what_should_have_happened_is_no_plan(host, plan):
    plan("poweroff", -1)
    host.answers[*REBOOT, "+1"] = ""

    assert (await perform(host, power.Reboot())).changed


async def test_cancel_takes_back_what_is_scheduled_once(host, plan):
    plan("poweroff", 600)

    first = await perform(host, power.Cancel())
    (host.root / SCHEDULED.lstrip("/")).unlink()
    again = await perform(host, power.Cancel())

    assert first.result == power.PowerPlan(action="cancel")
    assert again.result == power.PowerPlan(action="cancel", changed=False)
    assert host.ran == [CANCEL]


async def test_more_than_a_year_ahead_is_refused(host):
    performed = await perform(host, power.Reboot(delay=31536001))

    assert (performed.code, "31536000" in performed.error, host.ran) == ("bad_input", True, [])


async def test_a_dry_run_shows_the_command(host, rehearsing):
    performed = await perform(rehearsing, power.Reboot(delay=90, message="Kernel update"))

    assert performed.result == power.PowerPlan(action="reboot", delay=120)
    assert performed.plan.commands == [[*REBOOT, "+2", "Kernel update"]]
    assert host.ran == []


@pytest.mark.parametrize("asked", [power.Reboot(), power.Shutdown(), power.Cancel()])
async def test_without_systemd_it_is_skipped(host, asked):
    (host.root / "run/systemd/system").rmdir()

    assert (await perform(host, asked)).state == State.SKIPPED


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_the_file_of_logind_is_understood(text):
    found = parse(text)

    assert (found.action, found.at) == ("reboot", 1795359020.513362)
    assert found.message == 'Kernel update: "now" $HOME \\ ünï -x  two'
    assert str(found).startswith("a reboot is scheduled for 2026-11-22T14:50:20+00:00")


def test_minutes_are_whole():
    assert [in_minutes(seconds) for seconds in (0, 0.5, 60, 60.5, 121)] == [1, 1, 1, 2, 3]
