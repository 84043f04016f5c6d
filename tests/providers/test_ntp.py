"""The clock: what chronyc of Debian 12 and 13 prints, and the servers it is told."""

import pytest

from agent.dispatch import perform
from agent.providers.ntp import FILE, RELOAD, parse, servers
from osapi.errors import CommandFailed
from osapi.jobs import State
from osapi.operations import ntp

TRACKING = ("chronyc", "-c", "-N", "tracking")
SOURCES = ("chronyc", "-c", "-N", "sources", "-a")

FOLLOWING = {
    "Debian 12": """\
0A4D0203,10.77.2.3,9,1795360187.446576984,-0.000001235,0.000004169,0.000004169,0.035,0.133,48.298,0.000078386,0.000382815,2.0,Normal

^,*,10.77.2.3,8,6,17,7,0.000026325,0.000030494,0.000039259
^,?,fd00::3,0,6,0,4294967295,0.000000000,0.000000000,0.000000000
^,?,nosuch.example.org,0,6,0,4294967295,0.000000000,0.000000000,0.000000000
""",
    "Debian 13": """\
7F000009,127.0.0.9,9,1795360255.917006610,-0.000001596,-0.000000053,0.000000053,-0.105,-0.000,5.831,0.000007345,0.000041547,2.0,Normal

^,?,2.debian.pool.ntp.org,0,6,0,4294967295,0.000000000,0.000000000,0.000000000
^,?,2.debian.pool.ntp.org,0,6,0,4294967295,0.000000000,0.000000000,0.000000000
^,*,127.0.0.9,8,6,17,5,0.000000052,-0.000000001,0.000003755
^,?,nosuch.example.org,0,6,0,4294967295,0.000000000,0.000000000,0.000000000
""",
}
"""What is tracked, and the sources; both clocks are ahead, as chronyc says in words ("fast of NTP time")."""
STATUS = {
    "Debian 12": ntp.TimeStatus(
        synchronized=True,
        stratum=9,
        offset="+0.000001235s",
        current_source="10.77.2.3",
        servers=["10.77.2.3", "fd00::3", "nosuch.example.org"],
    ),
    "Debian 13": ntp.TimeStatus(
        synchronized=True,
        stratum=9,
        offset="+0.000001596s",
        current_source="127.0.0.9",
        servers=["2.debian.pool.ntp.org", "127.0.0.9", "nosuch.example.org"],
    ),
}
ALONE = "00000000,,0,0.000000000,0.000000000,0.0,0.0,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n"
ITSELF = "7F7F0101,,8,1795360180.153227606,0.0,0.0,0.0,0.000,0.000,0.000,0.0,0.0,0.0,Normal\n"
UNANSWERED = "^,?,10.77.2.3,0,6,0,4294967295,0.000000000,0.000000000,0.000000000\n"
DEVICE = "#,*,PPS0,0,4,377,11,0.000000100,0.000000100,0.000000200\n"

NOT_RUNNING = CommandFailed(("chronyc",), 1, "", "506 Cannot talk to daemon\n")
NOT_AUTHORISED = CommandFailed(("chronyc",), 1, "", "501 Not authorised\n")


@pytest.fixture
def host(host):
    """A host on which chrony runs."""
    host.has({"/usr/bin/chronyc": ""})
    host.answers.update({TRACKING: ALONE, SOURCES: "", RELOAD: "200 OK\n"})
    return host


def text(*names):
    return "".join(f"server {name} iburst\n" for name in names)


@pytest.mark.parametrize("system", FOLLOWING)
async def test_get_tells_what_is_followed_and_how_far_off_the_clock_is(host, system):
    host.answers[TRACKING], _, host.answers[SOURCES] = FOLLOWING[system].partition("\n\n")

    performed = await perform(host, ntp.Get())

    assert performed.result == STATUS[system]


def test_a_clock_that_is_behind_has_a_negative_offset():
    behind = FOLLOWING["Debian 12"].replace(",-0.000001235,", ",0.000001235,")

    assert parse(*behind.split("\n\n")).offset == "-0.000001235s"


def test_without_a_source_a_clock_is_not_synchronized():
    assert parse(ALONE, "") == ntp.TimeStatus(synchronized=False)
    assert parse(ALONE, UNANSWERED) == ntp.TimeStatus(synchronized=False, servers=["10.77.2.3"])
    assert parse(ITSELF, UNANSWERED) == ntp.TimeStatus(synchronized=False, stratum=8, servers=["10.77.2.3"])


def test_a_device_can_be_followed_and_is_no_server():
    status = parse(ITSELF, DEVICE + UNANSWERED)

    assert (status.synchronized, status.current_source, status.servers) == (True, "PPS0", ["10.77.2.3"])
    assert status.offset == "+0.000000000s"


async def test_get_says_what_to_do_where_chrony_does_not_run(host):
    host.answers[TRACKING] = NOT_RUNNING

    performed = await perform(host, ntp.Get())

    assert (performed.state, performed.code) == (State.FAILED, "failed")
    assert "chrony does not run; start it" in performed.error


async def test_what_chrony_refuses_is_told_in_its_words(host):
    host.answers[SOURCES] = NOT_AUTHORISED

    performed = await perform(host, ntp.Get())

    assert performed.error == "chronyc exited with 1: 501 Not authorised"


async def test_servers_are_set_once(host):
    asked = ntp.Create(servers=["a.example.org", "10.0.0.1", "2001:db8::1", "a.example.org"])

    first = await perform(host, asked)
    ran = host.ran.copy()
    again = await perform(host, asked)

    assert (first.changed, again.changed) == (True, False)
    assert (await host.read(FILE)).endswith(text("a.example.org", "10.0.0.1", "2001:db8::1"))
    assert (ran, host.ran) == ([TRACKING, RELOAD], ran)


async def test_the_order_of_servers_means_nothing(host):
    await perform(host, ntp.Create(servers=["a", "b"]))

    assert (await perform(host, ntp.Create(servers=["b", "a"]))).state == State.COMPLETED


async def test_create_leaves_other_servers_alone_and_names_them(host):
    await perform(host, ntp.Create(servers=["a"]))
    before = host.holds()

    performed = await perform(host, ntp.Create(servers=["b"]))

    assert (performed.code, host.holds()) == ("conflict", before)
    assert "the servers are a already" in performed.error


@pytest.mark.parametrize("drifted", ["", "server a\n", "# nothing\n"])
async def test_what_was_done_to_the_file_is_put_right(host, drifted):
    host.has({FILE: drifted})

    performed = await perform(host, ntp.Create(servers=["a"]))

    assert performed.changed
    assert servers(await host.read(FILE)) == ["a"]
    assert host.ran[-1] == RELOAD


async def test_update_takes_other_servers_where_there_are_some(host):
    missing = await perform(host, ntp.Update(servers=["b"]))
    await perform(host, ntp.Create(servers=["a"]))

    first = await perform(host, ntp.Update(servers=["b"]))
    again = await perform(host, ntp.Update(servers=["b"]))

    assert (missing.code, first.changed, again.changed) == ("not_found", True, False)
    assert servers(await host.read(FILE)) == ["b"]


async def test_delete_takes_back_what_was_set_and_nothing_else(host):
    host.has({"/etc/chrony/sources.d/own.sources": "server c\n"})
    await perform(host, ntp.Create(servers=["a"]))

    first = await perform(host, ntp.Delete())
    again = await perform(host, ntp.Delete())

    assert (first.changed, again.changed) == (True, False)
    assert host.ran == [TRACKING, RELOAD] * 2
    assert await host.glob("/etc/chrony/sources.d/*") == ["/etc/chrony/sources.d/own.sources"]


async def test_where_chrony_does_not_run_it_reads_the_servers_when_it_starts(host):
    host.answers[TRACKING] = NOT_RUNNING

    created = await perform(host, ntp.Create(servers=["a"]))
    deleted = await perform(host, ntp.Delete())

    assert (created.changed, deleted.changed) == (True, True)
    assert host.ran == [TRACKING, TRACKING]


async def test_a_chrony_that_does_not_take_them_is_an_error(host):
    host.answers[TRACKING] = NOT_AUTHORISED

    assert (await perform(host, ntp.Create(servers=["a"]))).code == "command_failed"


@pytest.mark.parametrize(
    "asked", [ntp.Get(), ntp.Create(servers=["a"]), ntp.Update(servers=["a"]), ntp.Delete()]
)
async def test_without_chrony_it_is_skipped(host, asked):
    (host.root / "usr/bin/chronyc").unlink()

    performed = await perform(host, asked)

    assert (performed.state, "chrony is not installed" in performed.error) == (State.SKIPPED, True)


async def test_what_looks_like_an_address_must_be_one(host):
    performed = await perform(host, ntp.Create(servers=["::1::"]))

    assert (performed.code, host.ran) == ("bad_input", [])


async def test_a_dry_run_shows_the_file_and_the_command(host, rehearsing):
    before = host.holds()

    performed = await perform(rehearsing, ntp.Create(servers=["a.example.org"]))

    assert (performed.changed, host.holds()) == (True, before)
    assert performed.plan.commands == [[*RELOAD]]
    assert "+server a.example.org iburst" in performed.plan.files[-1].diff
