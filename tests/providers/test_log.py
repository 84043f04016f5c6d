"""The journal: what journalctl of Debian 12 and 13 prints, as entries."""

import attrs
import pytest

from agent.dispatch import perform
from agent.providers.log import ENTRIES, JOURNAL, Lines, moment
from osapi.errors import CommandFailed
from osapi.jobs import State
from osapi.operations import log

ERROR = {
    "Debian 12": (
        '{"MESSAGE":"an error","_SYSTEMD_UNIT":"speaker.service","_PID":"530",'
        '"_BOOT_ID":"70549016333349f5b1249c890b2a02da","__REALTIME_TIMESTAMP":"1795358451963133",'
        '"SYSLOG_IDENTIFIER":"sh","_COMM":"sh","__MONOTONIC_TIMESTAMP":"15851662557",'
        '"__CURSOR":"s=db2cf11a;i=85","_HOSTNAME":"p1","PRIORITY":"3"}\n'
    ),
    "Debian 13": (
        '{"_PID":"530","_COMM":"sh","PRIORITY":"3","__SEQNUM":"130","MESSAGE":"an error","_HOSTNAME":"p1",'
        '"__SEQNUM_ID":"43e07fc44681460382da192e671184dc","__REALTIME_TIMESTAMP":"1795358451963133",'
        '"_BOOT_ID":"b375bd2eab7149a7a36a65c0e6e1b3e6","SYSLOG_IDENTIFIER":"sh","__CURSOR":"s=43e07fc4;i=82"}\n'
    ),
}
COLOURED = (
    '{"__REALTIME_TIMESTAMP":"1795358451963134","MESSAGE":[27,91,51,49,109,114,101,100,255],"_COMM":"sh",'
    '"SYSLOG_PID":"12","PRIORITY":"9"}\n'
)
SEVERAL = '{"__REALTIME_TIMESTAMP":"1795358451000000","MESSAGE":["one",[116,119,111]]}\n'
EMPTY = '{"__REALTIME_TIMESTAMP":"1795358451000000","MESSAGE":null}\n'

STATE = ("systemctl", "show", "--value", "--property=LoadState", "--", "nosuch")


@pytest.fixture
def host(host):
    host.boots_with_systemd()
    return host


def asking(*words, lines=100):
    return (*ENTRIES, "--reverse", f"--lines={lines}", *words)


@pytest.mark.parametrize("printed", ERROR.values(), ids=ERROR)
async def test_an_entry_tells_when_who_how_important_and_what(host, printed):
    host.answers[asking()] = printed

    [entry] = (await perform(host, log.Query())).result.entries

    assert entry == log.LogEntry(
        timestamp="2026-11-22T14:40:51.963133+00:00",
        unit="sh",
        priority="err",
        message="an error",
        pid=530,
        hostname="p1",
    )


async def test_the_newest_are_asked_for_and_the_oldest_of_them_comes_first(host):
    printed = COLOURED + ERROR["Debian 12"]
    words = ("--since=1 hour ago", "--priority=warning")
    host.answers[asking(*words, lines=2)] = printed

    performed = await perform(host, log.Query(lines=2, since="1 hour ago", priority="warning"))

    assert [entry.message for entry in performed.result.entries] == ["an error", "\x1b[31mred�"]


async def test_what_is_odd_in_an_entry_does_no_harm(host):
    host.answers[asking()] = EMPTY + SEVERAL + COLOURED

    coloured, several, empty = (await perform(host, log.Query())).result.entries

    assert (coloured.unit, coloured.pid, coloured.priority) == ("sh", 12, None)
    assert (several.message, several.unit, several.pid) == ("one\ntwo", None, None)
    assert empty.message == ""


@pytest.mark.parametrize(
    ("since", "asked"),
    [
        ("2026-11-22T14:40:00Z", "@1795358400.000000"),
        ("2026-11-22T15:40:00.25+01:00", "@1795358400.250000"),
        ("2026-11-22T14:40:00", "2026-11-22 14:40:00"),
        ("2026-11-22", "2026-11-22 00:00:00"),
        ("-1h", "-1h"),
        ("yesterday", "yesterday"),
        ("@1795358400", "@1795358400"),
    ],
)
def test_a_moment_of_rfc_3339_is_put_so_that_every_journalctl_knows_it(since, asked):
    assert moment(since) == asked


async def test_a_moment_that_is_none_is_named(host):
    host.answers[asking("--since=rubbish")] = CommandFailed(
        ENTRIES, 1, "Failed to parse timestamp: rubbish\n"
    )

    performed = await perform(host, log.Query(since="rubbish"))

    assert (performed.code, "rubbish" in performed.error) == ("bad_input", True)


async def test_a_journal_that_may_not_be_read_is_refused_with_what_to_do(host):
    complaint = "No journal files were opened due to insufficient permissions.\n"
    host.answers[asking()] = CommandFailed(ENTRIES, 1, complaint)

    performed = await perform(host, log.Query())

    assert (performed.code, "systemd-journal" in performed.error) == ("refused", True)


async def test_sources_are_sorted(host):
    host.answers[*JOURNAL, "--field=SYSLOG_IDENTIFIER"] = "sshd\n(systemd)\ncron\n"

    performed = await perform(host, log.Source())

    assert performed.result.sources == ["(systemd)", "cron", "sshd"]


async def test_a_unit_is_asked_for_by_name(host):
    host.answers[asking("--unit=ssh", "--since=today", lines=5)] = ERROR["Debian 13"]

    performed = await perform(host, log.OfUnit(name="ssh", lines=5, since="today"))

    assert len(performed.result.entries) == 1


@pytest.mark.parametrize(("state", "ended"), [("loaded\n", State.COMPLETED), ("not-found\n", State.FAILED)])
async def test_a_unit_that_is_silent_is_not_one_that_does_not_exist(host, state, ended):
    host.answers.update({asking("--unit=nosuch"): "", STATE: state})

    performed = await perform(host, log.OfUnit(name="nosuch"))

    assert performed.state == ended
    assert performed.code == (None if ended is State.COMPLETED else "not_found")


async def test_what_comes_is_told_as_it_comes_and_is_the_answer(host):
    told = []
    host = attrs.evolve(host, emit=lambda *words: told.append(words))
    host.answers[*ENTRIES, "--follow", "--lines=0"] = SEVERAL + ERROR["Debian 12"]

    performed = await perform(host, log.Follow())

    assert [entry.message for entry in performed.result.entries] == ["one\ntwo", "an error"]
    assert told == [
        ("stdout", "2026-11-22T14:40:51+00:00 -: one\ntwo\n"),
        ("stdout", "2026-11-22T14:40:51.963133+00:00 sh[530]: an error\n"),
    ]


async def test_a_unit_that_does_not_exist_is_not_followed(host):
    silent = asking("--unit=nosuch", lines=1)
    host.answers.update({silent: "", STATE: "not-found\n"})

    performed = await perform(host, log.Follow(name="nosuch"))

    assert (performed.code, host.ran) == ("not_found", [silent, STATE])


@pytest.mark.parametrize("asked", [log.Query(), log.Source(), log.OfUnit(name="ssh"), log.Follow()])
async def test_without_systemd_it_is_skipped(host, asked):
    (host.root / "run/systemd/system").rmdir()

    performed = await perform(host, asked)

    assert (performed.state, host.ran) == (State.SKIPPED, [])


def test_lines_are_whole_however_they_come():
    found = []
    lines = Lines(found.append)

    for piece in ("on", "e\ntw", "o\n\nthr"):
        lines.add("stdout", piece)
    lines.add("stderr", "lost\n")

    assert found == ["one", "two", ""]
