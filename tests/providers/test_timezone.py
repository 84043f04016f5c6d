"""Showing and setting the time zone."""

import struct

import pytest

from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations import timezone

DATABASE = "/usr/share/zoneinfo/"
SET = ("timedatectl", "set-timezone", "Asia/Kolkata")
TO_KOLKATA = timezone.Update(timezone="Asia/Kolkata")


def tzif(rule: str) -> bytes:
    """A file of RFC 8536 for a zone that has always had one rule, such as `IST-5:30`."""
    block = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"LMT\0"
    return block * 2 + f"\n{rule}\n".encode()


@pytest.fixture
def host(host):
    """A host in UTC, with three zones to choose from."""
    for name, rule in {"Etc/UTC": "UTC0", "Asia/Kolkata": "IST-5:30", "America/Lima": "<-05>5"}.items():
        host.has({DATABASE + name: ""})
        (host.root / DATABASE.lstrip("/") / name).write_bytes(tzif(rule))
    host.has({f"{DATABASE}leapseconds": "Leap 1972\n"})
    (host.root / "usr/share/zoneinfo/localtime").symlink_to("/etc/localtime")
    (host.root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    return host


def put(host, target: str) -> None:
    link = host.root / "etc/localtime"
    link.unlink()
    link.symlink_to(target)


@pytest.mark.parametrize(
    ("target", "zone", "offset"),
    [
        ("/usr/share/zoneinfo/Etc/UTC", "Etc/UTC", "+00:00"),
        ("../usr/share/zoneinfo/Asia/Kolkata", "Asia/Kolkata", "+05:30"),
        ("../usr/share/zoneinfo/America/Lima", "America/Lima", "-05:00"),
        ("/usr/share/zoneinfo/Not/Installed", "Not/Installed", "+00:00"),
    ],
)
async def test_the_zone_is_where_etc_localtime_points(host, target, zone, offset):
    put(host, target)

    performed = await perform(host, timezone.Get())

    assert performed.result == timezone.Timezone(timezone=zone, utc_offset=offset)


async def test_without_etc_localtime_a_host_is_in_utc(host):
    (host.root / "etc/localtime").unlink()

    performed = await perform(host, timezone.Get())

    assert performed.result == timezone.Timezone(timezone="UTC", utc_offset="+00:00")


async def test_a_copy_in_place_of_the_link_has_its_name_in_etc_timezone(host):
    (host.root / "etc/localtime").unlink()
    (host.root / "etc/localtime").write_bytes(tzif("IST-5:30"))
    nameless = await perform(host, timezone.Get())
    host.has({"/etc/timezone": "Asia/Kolkata\n"})

    performed = await perform(host, timezone.Get())

    assert performed.result == timezone.Timezone(timezone="Asia/Kolkata", utc_offset="+05:30")
    assert (nameless.state, nameless.code) == (State.FAILED, "failed")


async def test_update_asks_timedatectl_where_systemd_runs(host):
    host.boots_with_systemd()
    host.answers[SET] = ""

    performed = await perform(host, TO_KOLKATA)

    assert performed.result == timezone.TimezoneChanged(changed=True, timezone="Asia/Kolkata")
    assert host.ran == [SET]


async def test_update_sets_the_link_itself_where_systemd_does_not_run(host):
    host.has({"/etc/timezone": "Etc/UTC\n"})

    performed = await perform(host, TO_KOLKATA)

    assert performed.changed
    assert (await perform(host, timezone.Get())).result.utc_offset == "+05:30"
    assert await host.read("/etc/timezone") == "Asia/Kolkata\n"
    assert host.ran == []


async def test_update_changes_nothing_the_second_time(host):
    await perform(host, TO_KOLKATA)

    performed = await perform(host, TO_KOLKATA)

    assert (performed.state, performed.changed) == (State.COMPLETED, False)


async def test_update_puts_right_the_name_that_drifted(host):
    host.has({"/etc/timezone": "America/Lima\n"})

    performed = await perform(host, timezone.Update(timezone="Etc/UTC"))

    assert performed.changed
    assert await host.read("/etc/timezone") == "Etc/UTC\n"


@pytest.mark.parametrize(
    ("zone", "advice"), [("Asia/Kolkatta", "close to it: Asia/Kolkata"), ("Xx", "no time zone Xx")]
)
async def test_update_to_a_zone_that_is_not_there_fails_with_what_is_close(host, zone, advice):
    performed = await perform(host, timezone.Update(timezone=zone))

    assert (performed.state, performed.code, host.ran) == (State.FAILED, "not_found", [])
    assert advice in performed.error


@pytest.mark.parametrize("name", ["leapseconds", "localtime", "Asia", "-h"])
async def test_what_lies_beside_the_zones_is_no_zone(host, name):
    before = host.holds()

    performed = await perform(host, timezone.Update(timezone=name))

    assert (performed.state, host.ran, host.holds()) == (State.FAILED, [], before)


async def test_a_dry_run_shows_the_link_and_the_name_and_leaves_both(host, rehearsing):
    host.has({"/etc/timezone": "Etc/UTC\n"})
    before = host.holds()

    performed = await perform(rehearsing, TO_KOLKATA)

    assert host.holds() == before
    link, name = performed.plan.files
    assert (link.path, link.action) == ("/etc/localtime", "changed")
    assert "+-> /usr/share/zoneinfo/Asia/Kolkata\n" in link.diff
    assert (name.path, name.diff.splitlines()[-2:]) == ("/etc/timezone", ["-Etc/UTC", "+Asia/Kolkata"])


async def test_a_dry_run_where_systemd_runs_shows_the_command(host, rehearsing):
    host.boots_with_systemd()

    performed = await perform(rehearsing, TO_KOLKATA)

    assert (performed.plan.commands, host.ran) == ([[*SET]], [])
