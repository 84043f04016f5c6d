"""User accounts: what the files of Debian 12 and 13 say of them, and what becomes of them."""

import os
from collections import defaultdict

import attrs
import pytest
from people import ALICE, ALICE_GROUP, DEBIAN_12, RELEASES, at, in_sudo, populated, shadow

from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations import user

CHPASSWD = ("chpasswd",)


@pytest.fixture
def host(host):
    return populated(host)


@pytest.fixture
def willing(host):
    """The same; every program that is asked for goes well."""
    return attrs.evolve(host, answers=defaultdict(str))


def add(*options, name="dora", own=("--user-group",)):
    return ("useradd", "--create-home", *own, *options, "--", name)


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
async def test_all_accounts_are_listed_as_passwd_and_id_see_them(host, release):
    host.has(release.files)

    performed = await perform(host, user.List())

    found = {each.name: each for each in performed.result.users}
    status = dict(line.split()[:2] for line in release.status.splitlines())
    assert {name: each.locked for name, each in found.items()} == {
        name: letter == "L" for name, letter in status.items()
    }
    assert {name: " ".join(each.groups) for name, each in found.items()} == release.groups
    assert found["alice"] == user.UserInfo(
        name="alice", uid=ALICE, gid=ALICE_GROUP, home="/home/alice", shell="/bin/bash",
        groups=["alice", "sudo", "developers"], locked=False,
    )  # fmt: skip
    assert host.ran == []


async def test_one_account_is_shown_and_one_that_is_not_there_is_not_found(host):
    bob = await perform(host, user.Get(name="bob"))
    nobody = await perform(host, user.Get(name="dora"))

    assert [(each.name, each.locked) for each in bob.result.users] == [("bob", True)]
    assert (nobody.state, nobody.code) == (State.FAILED, "not_found")
    assert nobody.error == "there is no user dora in /etc/passwd"


async def test_lines_of_nis_and_damaged_ones_are_passed_over_and_the_first_of_a_name_counts(host):
    host.has(
        {
            "/etc/passwd": "+@admins::::::\n\nbroken:x:1\nbob:x:y:1::/:/bin/sh\n# bob\nbob:x:1:1:\x85:/a:/bin/sh\n"
            "bob:x:2:2::/b:/bin/sh\n+::::::\n",
            "/etc/group": "+:::\nbroken\n",
        }
    )

    performed = await perform(host, user.List())

    assert [(each.name, each.uid, each.groups) for each in performed.result.users] == [("bob", 1, [])]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_whether_it_is_locked_is_left_out_where_the_agent_may_not_read_that(host):
    at(host, "/etc/shadow").chmod(0)

    performed = await perform(host, user.Get(name="bob"))

    assert performed.result.users[0].locked is None


@pytest.mark.parametrize(
    ("asked", "argv"),
    [
        (user.Create(name="dora"), add()),
        (user.Create(name="dora", uid=0, gid=0), add()),
        (
            user.Create(
                name="dora",
                uid=1500,
                gid=2000,
                home="/srv/dora",
                shell="/usr/bin/zsh",
                groups=["sudo", "users"],
            ),
            (
                "useradd",
                "--create-home",
                "--uid",
                "1500",
                "--gid",
                "2000",
                "--home-dir",
                "/srv/dora",
                "--shell",
                "/usr/bin/zsh",
                "--groups",
                "sudo,users",
                "--",
                "dora",
            ),
        ),
        (user.Create(name="svc", system=True), add(name="svc", own=("--system", "--user-group"))),
    ],
)
async def test_an_account_is_made_by_useradd(willing, asked, argv):
    performed = await perform(willing, asked)

    assert performed.result == user.UserChanged(changed=True, name=asked.name)
    assert willing.ran == [argv]


async def test_a_password_goes_to_chpasswd_by_standard_input_alone(willing):
    performed = await perform(willing, user.Create(name="dora", password="pa:ss '$(x)"))

    assert performed.changed
    assert willing.ran == [add(), CHPASSWD]
    assert willing.heard == {CHPASSWD: "dora:pa:ss '$(x)\n"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"uid": 1001}, "uid 1001 is that of user bob"),
        ({"gid": 4711}, "there is no group with the number 4711"),
        ({"groups": ["sudo", "ops"]}, "there is no group ops"),
        ({"shell": "/bin/nope"}, "there is no program /bin/nope"),
        ({"shell": "/etc/passwd"}, "there is no program /etc/passwd"),
        ({"home": "/home/../etc/cron.d"}, "must not have `..`"),
        ({"name": "developers"}, "there is a group developers already; with gid 2000"),
        ({"password": "\u20ac" * 171}, "longer than 511 bytes"),
    ],
)
async def test_what_useradd_could_not_do_right_is_refused_before(host, more, reason):
    performed = await perform(host, user.Create(**({"name": "dora"} | more)))

    assert (performed.state, host.ran) == (State.FAILED, [])
    assert reason in performed.error


@pytest.mark.parametrize(
    "asked",
    [
        user.Create(name="alice"),
        user.Create(name="alice", password="correct horse", home="/home/alice", shell="/bin/bash"),
        user.Create(name="alice", uid=ALICE, gid=ALICE_GROUP, groups=["developers", "sudo", "alice"]),
        user.Create(name="carol", groups=[]),
        user.Create(name="backup-agent", system=True),
    ],
)
async def test_an_account_that_is_as_asked_for_is_left_alone(host, asked):
    performed = await perform(host, asked)

    assert (performed.state, performed.changed, host.ran) == (State.COMPLETED, False, [])


@pytest.mark.parametrize(
    ("asked", "difference"),
    [
        (user.Create(name="bob", uid=1500), "uid is 1001, not 1500"),
        (user.Create(name="bob", shell="/usr/bin/zsh"), "shell is /bin/sh, not /usr/bin/zsh"),
        (user.Create(name="bob", groups=["sudo"]), "groups are developers, not sudo"),
        (user.Create(name="carol", groups=["sudo"]), "groups are none, not sudo"),
        (user.Create(name="alice", password="wrong"), "it has another password"),
        (user.Create(name="bob", password="battery staple"), "it has another password"),
        (user.Create(name="backup-agent", password="x"), "it has another password"),
        (user.Create(name="bob", system=True), "uid 1001 is that of a person"),
        (user.Create(name="bob", home="/b", gid=9), "gid is 1001, not 9; home is /home/bob, not /b"),
    ],
)
async def test_an_account_that_differs_is_a_conflict_that_says_in_what(host, asked, difference):
    performed = await perform(host, asked)

    assert (performed.state, performed.code, host.ran) == (State.FAILED, "conflict", [])
    assert performed.error == f"user {asked.name} is there already, and differs: {difference}"


async def test_a_job_that_was_cut_short_before_the_password_is_completed(willing):
    performed = await perform(willing, user.Create(name="carol", password="new"))

    assert performed.changed
    assert (willing.ran, willing.heard) == ([CHPASSWD], {CHPASSWD: "carol:new\n"})


@pytest.mark.parametrize("name", ["root", "daemon", "_apt", "backup-agent", "nobody"])
@pytest.mark.parametrize(
    "ask",
    [
        lambda name: user.Update(name=name, lock=False),
        lambda name: user.Delete(name=name),
        lambda name: user.SetPassword(name=name, password="x"),
    ],
    ids=["update", "delete", "password"],
)
async def test_accounts_of_the_system_are_refused_unless_forced(host, ask, name):
    performed = await perform(host, ask(name))

    assert (performed.state, performed.code, host.ran) == (State.FAILED, "refused", [])


async def test_accounts_of_the_system_can_be_forced(willing):
    password = await perform(willing, user.SetPassword(name="root", password="new", force=True))
    deleted = await perform(willing, user.Delete(name="backup-agent", force=True))

    assert (password.changed, deleted.changed) == (True, True)
    assert willing.ran == [CHPASSWD, ("userdel", "--", "backup-agent")]


async def test_neither_root_nor_the_agents_own_account_is_ever_deleted(host):
    root = await perform(host, user.Delete(name="root", force=True))
    agent = await perform(attrs.evolve(host, uid=1001), user.Delete(name="bob", force=True))

    assert (root.code, agent.code, host.ran) == ("refused", "refused", [])
    assert "root; it stays" in root.error
    assert "what the agent runs as" in agent.error


async def test_an_account_is_deleted_with_the_home_that_is_its_own(willing):
    shadow(willing, "bob", "$y$j9T$x$y")
    in_sudo(willing, "alice", "bob")

    performed = await perform(willing, user.Delete(name="alice"))

    assert (performed.changed, willing.ran) == (True, [("userdel", "--remove", "--", "alice")])


@pytest.mark.parametrize("home", ["/etc", "/", "/home/bob", "", "relative", "/home/link"])
async def test_a_home_that_is_another_folder_stays(willing, home):
    passwd = DEBIAN_12.passwd.replace("bob:x:1001:1001::/home/bob", f"bob:x:1001:1001::{home}")
    willing.has({"/etc/passwd": passwd})
    at(willing, "/home/link").symlink_to("/home/alice")

    performed = await perform(willing, user.Delete(name="bob"))

    assert (performed.changed, willing.ran) == (True, [("userdel", "--", "bob")])


async def test_a_home_with_that_of_another_in_it_stays(willing):
    passwd = DEBIAN_12.passwd.replace("/home/carol", "/home/alice/carol")
    willing.has({"/etc/passwd": passwd})
    in_sudo(willing, "alice", "backup-agent")
    shadow(willing, "backup-agent", "$y$j9T$x$y")

    performed = await perform(willing, user.Delete(name="alice"))

    assert (performed.changed, willing.ran) == (True, [("userdel", "--", "alice")])


async def test_an_account_that_is_not_there_need_not_be_deleted(host):
    performed = await perform(host, user.Delete(name="dora"))

    assert (performed.state, performed.changed, host.ran) == (State.COMPLETED, False, [])


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
async def test_a_password_that_is_the_same_is_not_set_again(willing, release):
    willing.has(release.files)

    same = await perform(willing, user.SetPassword(name="alice", password="correct horse"))
    ran = list(willing.ran)
    other = await perform(willing, user.SetPassword(name="alice", password="correct hors"))

    assert (same.state, same.changed, ran) == (State.COMPLETED, False, [])
    assert (other.changed, willing.heard) == (True, {CHPASSWD: "alice:correct hors\n"})


@pytest.mark.parametrize("name", ["bob", "carol"])
async def test_a_password_is_set_where_none_opens_the_account(willing, name):
    performed = await perform(willing, user.SetPassword(name=name, password="battery staple"))

    assert (performed.changed, willing.ran) == (True, [CHPASSWD])


async def test_a_dry_run_shows_the_commands_and_never_the_password(host, rehearsing):
    before = host.holds()

    made = await perform(rehearsing, user.Create(name="dora", password="hush"))
    changed = await perform(attrs.evolve(host, dry=True), user.Update(name="bob", lock=False, groups=[]))

    assert made.plan.commands == [[*add()], ["chpasswd"]]
    assert changed.plan.commands == [
        ["gpasswd", "--delete", "bob", "--", "developers"],
        ["usermod", "--unlock", "--", "bob"],
    ]
    assert "hush" not in repr(made)
    assert (host.holds(), host.ran) == (before, [])


async def test_other_families_are_skipped(host):
    performed = await perform(attrs.evolve(host, family="redhat"), user.Create(name="dora"))

    assert (performed.state, performed.code) == (State.SKIPPED, "unsupported")
