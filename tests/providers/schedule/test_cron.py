"""Entries of cron: what cron finds on the disk, and what is no business of ours."""

import os

import attrs
import pytest
from deploying import done, failed, on_disk

from agent import crontab
from agent.dispatch import perform
from agent.providers.schedule.cron import HEADER
from osapi.errors import BadInput
from osapi.jobs import State
from osapi.operations.schedule import cron
from osapi.operations.schedule.cron import CronEntry

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="cron reads what is root's")

SCRIPT = b"#!/bin/sh\nexec /usr/bin/backup --to {{ .Vars.where }}\n"
COMMANDS = b"/usr/bin/backup && echo done 100% of it\n"
CRONTAB = b"""\
# Backups
MAILTO=ops@example.org
17 3 * * *\troot\ttest -x /usr/bin/backup && /usr/bin/backup
30 4 * * sun backup /usr/bin/prune # 50%
@reboot root /usr/bin/note
"""
NIGHTLY = "17 3 * * *"
OBJECT = "/usr/local/lib/osapi/cron/backup"
TABLE = "/etc/cron.d/backup"


@pytest.fixture
def host(host):
    """A host with cron, and objects to run."""
    host.has({"/usr/sbin/cron": "", "/etc/cron.d/e2scrub_all": "30 3 * * 0 root e2scrub\n"})
    for folder in ("cron.hourly", "cron.daily", "cron.weekly", "cron.monthly"):
        host.has({f"/etc/{folder}/.placeholder": ""})
    host.store.put("script", SCRIPT, "template")
    host.store.put("commands", COMMANDS)
    host.store.put("crontab", CRONTAB)
    return host


async def create(host, **more):
    wanted = {"name": "backup", "object": "script", "vars": {"where": "tape"}, **more}
    return await done(host, cron.Create(**wanted))


def held(host, path=TABLE):
    return on_disk(host, path).read_text()


def line(host):
    """The last line of the table."""
    return held(host).splitlines()[-1]


def mode(host, path):
    found = on_disk(host, path).stat()
    return found.st_mode & 0o777, found.st_uid


async def test_a_script_runs_when_and_as_whom_it_should(host):
    first = await create(host, schedule=NIGHTLY, user="daemon")
    again = await create(host, schedule=NIGHTLY, user="daemon")

    assert (first.changed, again.changed) == (True, False)
    assert held(host) == (
        f"{HEADER}SHELL=/bin/sh\n"
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"17 3 * * * daemon {OBJECT}\n"
    )
    assert held(host, OBJECT) == "#!/bin/sh\nexec /usr/bin/backup --to tape\n"
    assert (mode(host, TABLE), mode(host, OBJECT)) == ((0o644, 0), (0o755, 0))
    assert await done(host, cron.Get(name="backup")) == CronEntry(
        name="backup", object="script", schedule=NIGHTLY, source="cron.d", user="daemon"
    )


async def test_commands_run_whatever_is_in_them(host):
    await create(host, object="commands", schedule="* * * * *", vars=None)

    assert line(host) == f"* * * * * root {OBJECT}"
    assert on_disk(host, OBJECT).read_bytes() == COMMANDS


@pytest.mark.parametrize("interval", ["hourly", "daily", "weekly", "monthly"])
async def test_with_an_interval_it_is_among_what_runs_so_often(host, interval):
    place = f"/etc/cron.{interval}/backup"

    first, again = await create(host, interval=interval), await create(host, interval=interval)

    assert (first.changed, again.changed) == (True, False)
    assert str(on_disk(host, place).readlink()) == OBJECT
    assert mode(host, OBJECT) == (0o755, 0)
    assert await done(host, cron.Get(name="backup")) == CronEntry(
        name="backup", object="script", interval=interval, source=interval, user="root"
    )
    assert (await done(host, cron.Delete(name="backup"))).changed
    assert not on_disk(host, place).is_symlink()


async def test_a_crontab_is_put_in_place_as_it_is(host):
    await create(host, object="crontab", schedule=NIGHTLY, vars=None)

    assert held(host) == HEADER + CRONTAB.decode()
    found = await done(host, cron.Get(name="backup"))
    assert found.schedule == "17 3 * * *; 30 4 * * sun; @reboot"
    assert found.user == "root, backup"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"schedule": "18 3 * * *"}, "17 3 * * *, 30 4"),
        ({"schedule": NIGHTLY, "user": "daemon"}, "backup, root"),
    ],
)
async def test_a_crontab_that_does_not_have_what_is_asked_for_is_a_conflict(host, asked, said):
    wanted = cron.Create(name="backup", object="crontab", **asked)

    assert said in await failed(host, wanted, "conflict")
    assert not on_disk(host, TABLE).exists()
    assert not on_disk(host, OBJECT).exists()


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"17 3 * * * /usr/bin/backup\n", "bad_input", "line 1"),
        (b"MAILTO=x\n17 3 * * * root\n", "bad_input", "line 2"),
        (b"17 3 * * * root a\n61 3 * * * root b\n", "bad_input", "line 2"),
        (b"17 3 * * * root a\nexit\n", "bad_input", "line 2"),
        (b"17 3 * * * nosuch-user a\n", "not_found", "nosuch-user"),
        (b"\n \n", "refused", "empty"),
        (b"#!/bin/sh\r\necho\r\n", "refused", "Windows"),
    ],
)
async def test_what_cron_would_not_run_is_refused(host, content, code, said):
    host.store.put("bad", content)
    before = host.holds()

    wanted = cron.Create(name="backup", object="bad", schedule=NIGHTLY)

    assert said in await failed(host, wanted, code)
    assert host.holds() == before


async def test_what_runs_by_interval_says_with_what(host):
    asked = cron.Create(name="backup", object="commands", interval="daily")

    assert "#!/bin/sh" in await failed(host, asked, "refused")
    assert not on_disk(host, OBJECT).exists()


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({}, "bad_input", "either"),
        ({"schedule": NIGHTLY, "interval": "daily"}, "bad_input", "either"),
        ({"interval": "daily", "user": "daemon"}, "bad_input", "daemon"),
        ({"schedule": "61 3 * * *"}, "bad_input", "61 is no minute"),
        ({"schedule": NIGHTLY, "user": "nosuch-user"}, "not_found", "nosuch-user"),
        ({"schedule": NIGHTLY, "object": "nosuch"}, "not_found", "nosuch"),
    ],
)
async def test_what_cannot_be_asked_for_leaves_nothing_behind(host, asked, code, said):
    wanted = {"name": "backup", "object": "commands", **asked}

    assert said in await failed(host, cron.Create(**wanted), code)
    assert not on_disk(host, TABLE).exists()
    assert not on_disk(host, OBJECT).exists()


async def test_only_what_osapi_has_made_is_listed(host):
    await create(host, schedule=NIGHTLY)
    await create(host, name="hourly-one", interval="hourly")
    host.has({"/usr/local/lib/osapi/cron/foreign": "", "/etc/cron.d/foreign": HEADER})

    found = await done(host, cron.List())

    assert [(entry.name, entry.source) for entry in found] == [("backup", "cron.d"), ("hourly-one", "hourly")]


@pytest.mark.parametrize("place", ["/etc/cron.d/backup", "/etc/cron.daily/backup"])
async def test_what_osapi_has_not_made_is_left_alone(host, place):
    host.has({place: "mine\n"})
    when = {"schedule": NIGHTLY} if place == TABLE else {"interval": "daily"}

    assert place in await failed(host, cron.Create(name="backup", object="commands", **when), "conflict")
    assert place in await failed(host, cron.Delete(name="backup"), "conflict")
    await failed(host, cron.Update(name="backup", schedule=NIGHTLY), "not_found")
    await failed(host, cron.Get(name="backup"), "not_found")

    assert held(host, place) == "mine\n"
    assert not on_disk(host, OBJECT).exists()


async def test_an_entry_is_in_one_place_only(host):
    await create(host, schedule=NIGHTLY)

    error = await failed(host, cron.Create(name="backup", object="commands", interval="daily"), "conflict")

    assert TABLE in error


async def test_what_somebody_has_edited_is_shown_and_put_right(host):
    await create(host, schedule=NIGHTLY)
    on_disk(host, TABLE).write_text(held(host).replace("17 3", "18 4"))
    on_disk(host, OBJECT).chmod(0o644)

    assert (await done(host, cron.Get(name="backup"))).schedule == "18 4 * * *"
    assert (await create(host, schedule=NIGHTLY)).changed
    assert line(host).startswith(NIGHTLY)
    assert mode(host, OBJECT) == (0o755, 0)


async def test_only_root_may_put_anything_beside_what_it_runs(host):
    folder = on_disk(host, OBJECT).parent
    await create(host, schedule=NIGHTLY)
    os.chown(folder, 1, 1)

    assert (await create(host, schedule=NIGHTLY)).changed
    assert mode(host, folder.relative_to(host.root).as_posix()) == (0o755, 0)


async def test_a_table_that_was_broken_by_hand_is_listed_without_times(host):
    await create(host, schedule=NIGHTLY)
    on_disk(host, TABLE).write_text(f"{HEADER}nonsense\n")

    [found] = await done(host, cron.List())

    assert (found.schedule, found.user) == (None, None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schedule": "0 5 * * mon-fri"}, f"0 5 * * mon-fri daemon {OBJECT}"),
        ({"user": "root"}, f"17 3 * * * root {OBJECT}"),
        ({"object": "commands"}, f"17 3 * * * daemon {OBJECT}"),
        ({"vars": {"where": "disk"}}, f"17 3 * * * daemon {OBJECT}"),
    ],
)
async def test_update_keeps_what_is_not_given(host, change, expected):
    await create(host, schedule=NIGHTLY, user="daemon")

    first = await done(host, cron.Update(name="backup", **change))
    again = await done(host, cron.Update(name="backup", **change))

    assert (first.changed, again.changed, line(host)) == (True, False, expected)
    wanted = (
        COMMANDS
        if "object" in change
        else SCRIPT.replace(b"{{ .Vars.where }}", change.get("vars", {"where": "tape"})["where"].encode())
    )
    assert on_disk(host, OBJECT).read_bytes() == wanted


async def test_an_entry_can_become_a_crontab_and_back(host):
    await create(host, schedule=NIGHTLY, user="daemon")

    await done(host, cron.Update(name="backup", object="crontab"))
    assert held(host) == HEADER + CRONTAB.decode()
    await failed(host, cron.Update(name="backup", schedule="0 0 * * *"), "conflict")
    await done(host, cron.Update(name="backup", object="commands", schedule="0 0 * * *", user="root"))

    assert line(host) == f"0 0 * * * root {OBJECT}"


async def test_update_of_an_interval_takes_another_object_and_no_schedule(host):
    await create(host, interval="daily")
    host.store.put("other", b"#!/bin/sh\ntrue\n")

    assert (await done(host, cron.Update(name="backup", object="other"))).changed
    assert held(host, OBJECT) == "#!/bin/sh\ntrue\n"
    assert "daily" in await failed(host, cron.Update(name="backup", schedule=NIGHTLY), "bad_input")
    assert "needed" in await failed(host, cron.Update(name="backup"), "bad_input")


async def test_delete_removes_an_entry_and_what_it_runs_once(host):
    before = host.holds()
    await create(host, schedule=NIGHTLY)

    first, again = await done(host, cron.Delete(name="backup")), await done(host, cron.Delete(name="backup"))

    assert (first.changed, again.changed) == (True, False)
    kept = {name: text for name, text in host.holds().items() if not name.startswith("/var/lib/osapi")}
    assert kept == before


async def test_what_is_left_of_an_entry_is_removed_too(host):
    await create(host, schedule=NIGHTLY)
    on_disk(host, TABLE).unlink()

    assert (await done(host, cron.Delete(name="backup"))).changed
    assert not on_disk(host, OBJECT).exists()


async def test_a_dry_run_shows_what_is_then_done(host):
    asked = cron.Create(name="backup", object="commands", schedule=NIGHTLY)
    before = host.holds()

    performed = await perform(attrs.evolve(host, dry=True), asked)

    assert host.holds() == before
    shown = {plan.path: plan.diff for plan in performed.plan.files}
    assert f"+17 3 * * * root {OBJECT}" in shown[TABLE]
    assert "new file mode 100755" in shown[OBJECT]
    assert performed.plan.commands == []


async def test_without_cron_it_is_skipped(host):
    on_disk(host, "/usr/sbin/cron").unlink()

    performed = await perform(host, cron.Create(name="backup", object="commands", interval="daily"))

    assert (performed.state, "install" in performed.error) == (State.SKIPPED, True)


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "*/5 0-23/2 1,15,31 jan-DEC,1 0,7",
        "0 0 1 1 sun",
        "59 23 31 12 7",
        "0,30  9-17  *  *  Mon-Fri",
    ],
)
def test_schedules_that_cron_takes(text):
    assert crontab.schedule(text).split() == text.split()


def test_what_other_programs_know_as_any_day_is_an_asterisk():
    assert crontab.schedule("0 12 ? * MON") == "0 12 * * MON"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("* * * *", "4 fields"),
        ("* * * * * *", "6 fields"),
        ("60 * * * *", "60 is no minute"),
        ("* 24 * * *", "24 is no hour"),
        ("* * 0 * *", "0 is no day of the month"),
        ("* * 32 * *", "32 is no day of the month"),
        ("* * * 13 *", "13 is no month"),
        ("* * * foo *", "foo is no month"),
        ("* * * * 8", "8 is no day of the week"),
        ("* * * * jan", "jan is no day of the week"),
        ("5/15 * * * *", "5/15 is no minute"),
        ("*/0 * * * *", r"\*/0 is no minute"),
        ("30-10 * * * *", "30-10 is no minute"),
        ("1,,2 * * * *", "is no minute"),
        ("-1 * * * *", "-1 is no minute"),
        ("٣ * * * *", "is no minute"),
    ],
)
def test_schedules_that_cron_does_not_take(text, said):
    with pytest.raises(BadInput, match=said):
        crontab.schedule(text)


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\n* * * * * root x\n",
        "/usr/bin/backup\n",
        "PATH=/bin\n",
        "echo a b c d e f\n",
        "",
        "# 1 1 1 1 1 a b\n",
    ],
)
def test_what_is_no_crontab(text):
    assert not crontab.is_crontab(text)
