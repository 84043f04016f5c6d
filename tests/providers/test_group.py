"""Groups: what /etc/group says of them, and what becomes of them."""

import pytest
from people import ALICE_GROUP, DEBIAN_12, RELEASES

from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations import group

MEMBERS = ("gpasswd", "--members", "alice,carol", "--", "developers")


@pytest.fixture
def host(host):
    host.has(DEBIAN_12.files)
    return host


def answering(host, *commands):
    host.answers.update(dict.fromkeys(commands, ""))
    return host


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
async def test_all_groups_are_listed_with_their_members(host, release):
    host.has(release.files)

    performed = await perform(host, group.List())

    found = {each.name: (each.gid, each.members) for each in performed.result.groups}
    assert found["sudo"] == (27, ["alice"])
    assert found["developers"] == (2000, ["alice", "bob"])
    assert found["alice"] == (ALICE_GROUP, [])
    assert list(found) == [line.partition(":")[0] for line in release.group.splitlines()]


async def test_one_group_is_shown_and_one_that_is_not_there_is_not_found(host):
    found = await perform(host, group.Get(name="sudo"))
    missing = await perform(host, group.Get(name="ops"))

    assert found.result == group.FoundGroup(groups=[group.GroupInfo(name="sudo", gid=27, members=["alice"])])
    assert (missing.code, missing.error) == ("not_found", "there is no group ops in /etc/group")


@pytest.mark.parametrize(
    ("asked", "argv"),
    [
        (group.Create(name="ops"), ("groupadd", "--", "ops")),
        (group.Create(name="ops", gid=0), ("groupadd", "--", "ops")),
        (group.Create(name="ops", gid=4711), ("groupadd", "--gid", "4711", "--", "ops")),
        (group.Create(name="ops", system=True), ("groupadd", "--system", "--", "ops")),
        (
            group.Create(name="ops", system=True, gid=500),
            ("groupadd", "--system", "--gid", "500", "--", "ops"),
        ),
    ],
)
async def test_a_group_is_made(host, asked, argv):
    performed = await perform(answering(host, argv), asked)

    assert performed.result == group.GroupChanged(changed=True, name="ops")
    assert host.ran == [argv]


@pytest.mark.parametrize(
    "asked",
    [
        group.Create(name="developers"),
        group.Create(name="developers", gid=2000),
        group.Create(name="sudo", system=True),
    ],
)
async def test_a_group_that_is_as_asked_for_is_left_alone(host, asked):
    performed = await perform(host, asked)

    assert (performed.state, performed.changed, host.ran) == (State.COMPLETED, False, [])


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (group.Create(name="developers", gid=2001), "differs: gid is 2000, not 2001"),
        (group.Create(name="developers", system=True), "differs: gid 2000 is none of the system"),
        (group.Create(name="ops", gid=27), "gid 27 is that of group sudo"),
    ],
)
async def test_a_group_that_differs_is_a_conflict(host, asked, reason):
    performed = await perform(host, asked)

    assert (performed.state, performed.code, host.ran) == (State.FAILED, "conflict", [])
    assert performed.error.endswith(reason)


async def test_members_are_set_at_once_in_the_place_of_those_there(host):
    performed = await perform(
        answering(host, MEMBERS), group.Update(name="developers", members=["carol", "alice"])
    )

    assert (performed.changed, host.ran) == (True, [MEMBERS])


async def test_members_that_are_so_already_are_not_set_again(host):
    performed = await perform(host, group.Update(name="developers", members=["bob", "alice", "bob"]))

    assert (performed.state, performed.changed, host.ran) == (State.COMPLETED, False, [])


async def test_a_group_is_emptied_member_by_member(host):
    commands = [("gpasswd", "--delete", name, "--", "developers") for name in ("alice", "bob")]

    performed = await perform(answering(host, *commands), group.Update(name="developers", members=[]))

    assert (performed.changed, host.ran) == (True, commands)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (group.Update(name="developers"), "bad_input"),
        (group.Update(name="ops", members=[]), "not_found"),
        (group.Update(name="developers", members=["gone"]), "not_found"),
        (group.Update(name="sudo", members=[]), "refused"),
        (group.Update(name="sudo", members=["bob", "carol"]), "refused"),
    ],
)
async def test_what_cannot_be_or_would_leave_nobody_with_sudo_is_refused(host, asked, code):
    performed = await perform(host, asked)

    assert (performed.state, performed.code, host.ran) == (State.FAILED, code, [])


async def test_sudo_can_be_handed_on_to_somebody_with_a_password(host):
    host.has({"/etc/shadow": DEBIAN_12.shadow.replace("bob:!$", "bob:$")})
    argv = ("gpasswd", "--members", "bob", "--", "sudo")

    performed = await perform(answering(host, argv), group.Update(name="sudo", members=["bob"]))

    assert (performed.changed, host.ran) == (True, [argv])


async def test_a_group_is_deleted_once(host):
    argv = ("groupdel", "--", "developers")

    there = await perform(answering(host, argv), group.Delete(name="developers"))
    gone = await perform(host, group.Delete(name="ops"))

    assert (there.changed, gone.state, gone.changed) == (True, State.COMPLETED, False)
    assert host.ran == [argv]


@pytest.mark.parametrize(
    ("asked", "code", "reason"),
    [
        (group.Delete(name="alice"), "conflict", "the own group of alice"),
        (group.Delete(name="users", force=True), "conflict", "the own group of carol"),
        (group.Delete(name="root", force=True), "conflict", "the own group of root"),
        (group.Delete(name="backup-agent", force=True), "conflict", "the own group of backup-agent"),
        (group.Delete(name="nogroup"), "conflict", "the own group of sync, _apt, nobody"),
        (group.Delete(name="sudo"), "refused", "is of the system; say force if you mean it"),
        (group.Delete(name="sudo", force=True), "refused", "nobody could use sudo any more"),
    ],
)
async def test_a_group_that_is_needed_stays(host, asked, code, reason):
    performed = await perform(host, asked)

    assert (performed.state, performed.code, host.ran) == (State.FAILED, code, [])
    assert reason in performed.error


async def test_a_group_of_the_system_can_be_forced(host):
    host.has({"/etc/group": f"{DEBIAN_12.group}kvm:x:104:\n"})
    argv = ("groupdel", "--", "kvm")

    refused = await perform(host, group.Delete(name="kvm"))
    forced = await perform(answering(host, argv), group.Delete(name="kvm", force=True))

    assert (refused.code, forced.changed, host.ran) == ("refused", True, [argv])


async def test_a_dry_run_shows_the_command(host, rehearsing):
    performed = await perform(rehearsing, group.Create(name="ops", gid=4711))

    assert performed.plan.commands == [["groupadd", "--gid", "4711", "--", "ops"]]
    assert host.ran == []
