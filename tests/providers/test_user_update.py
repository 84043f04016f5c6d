"""Changes of user accounts: the commands they need, and what nobody is taken."""

import os
from collections import defaultdict

import attrs
import pytest
from people import at, give, in_sudo, populated, shadow

from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations import user

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def host(host):
    return populated(host)


@pytest.fixture
def willing(host):
    """The same; every program that is asked for goes well."""
    return attrs.evolve(host, answers=defaultdict(str))


@pytest.mark.parametrize(
    ("asked", "commands"),
    [
        (
            user.Update(name="alice", shell="/usr/bin/zsh"),
            [("usermod", "--shell", "/usr/bin/zsh", "--", "alice")],
        ),
        (
            user.Update(name="bob", shell="/usr/sbin/nologin"),
            [("usermod", "--shell", "/usr/sbin/nologin", "--", "bob")],
        ),
        (user.Update(name="bob", lock=False), [("usermod", "--unlock", "--", "bob")]),
        (
            user.Update(name="alice", groups=["sudo", "users"]),
            [
                ("gpasswd", "--add", "alice", "--", "users"),
                ("gpasswd", "--delete", "alice", "--", "developers"),
            ],
        ),
        (user.Update(name="bob", groups=[]), [("gpasswd", "--delete", "bob", "--", "developers")]),
        (
            user.Update(name="bob", groups=["sudo"], lock=False, shell="/usr/sbin/nologin"),
            [
                ("usermod", "--shell", "/usr/sbin/nologin", "--", "bob"),
                ("gpasswd", "--add", "bob", "--", "sudo"),
                ("gpasswd", "--delete", "bob", "--", "developers"),
                ("usermod", "--unlock", "--", "bob"),
            ],
        ),
    ],
)
async def test_each_attribute_that_differs_is_changed_by_a_command(willing, asked, commands):
    performed = await perform(willing, asked)

    assert (performed.changed, willing.ran) == (True, commands)


@pytest.mark.parametrize(
    "asked",
    [
        user.Update(name="alice", shell="/bin/bash", home="/home/alice", lock=False),
        user.Update(name="alice", groups=["developers", "sudo", "alice", "sudo"]),
        user.Update(name="bob", lock=True),
        user.Update(name="carol", groups=["users"]),
    ],
)
async def test_what_is_so_already_is_not_changed(host, asked):
    performed = await perform(host, asked)

    assert (performed.state, performed.changed, host.ran) == (State.COMPLETED, False, [])


async def test_an_update_needs_something_to_change_and_somebody_who_is_there(host):
    nothing = await perform(host, user.Update(name="alice"))
    nobody = await perform(host, user.Update(name="dora", lock=True))

    assert (nothing.code, nobody.code) == ("bad_input", "not_found")


@pytest.mark.parametrize("password", ["!", "!*", "*", ""])
async def test_a_password_that_never_was_cannot_be_opened(host, password):
    shadow(host, "bob", f"!{password}")

    performed = await perform(host, user.Update(name="bob", lock=False))

    assert (performed.code, host.ran) == ("conflict", [])
    assert "no password that could be opened" in performed.error


@AS_ROOT
async def test_a_home_folder_moves_with_what_is_in_it(willing):
    at(willing, "/srv").mkdir()

    performed = await perform(willing, user.Update(name="alice", home="/srv/alice"))

    assert (performed.changed, willing.ran) == (
        True,
        [("usermod", "--home", "/srv/alice", "--move-home", "--", "alice")],
    )


@AS_ROOT
async def test_a_home_that_is_not_its_own_stays_and_a_new_one_is_made(willing):
    at(willing, "/srv").mkdir()
    at(willing, "/home/bob").mkdir()

    performed = await perform(willing, user.Update(name="bob", home="/srv/bob"))

    made = at(willing, "/srv/bob").stat()
    assert (performed.changed, willing.ran) == (True, [("usermod", "--home", "/srv/bob", "--", "bob")])
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (1001, 1001, 0o700)


async def test_a_folder_of_its_own_that_is_there_becomes_its_home(willing):
    at(willing, "/srv/there").mkdir(parents=True)
    give(at(willing, "/srv/there"))

    performed = await perform(willing, user.Update(name="alice", home="/srv/there"))

    assert (performed.changed, willing.ran) == (True, [("usermod", "--home", "/srv/there", "--", "alice")])


@pytest.mark.parametrize(
    ("home", "reason"),
    [
        ("/etc", "/etc is there already, and is no folder of user bob"),
        ("/etc/passwd", "/etc/passwd is there already"),
        ("/no/such/folder", "there is no folder /no/such"),
        ("/home/../x", "must not have `..`"),
    ],
)
async def test_a_home_that_usermod_would_only_half_take_is_refused(host, home, reason):
    performed = await perform(host, user.Update(name="bob", home=home))

    assert (performed.state, host.ran) == (State.FAILED, [])
    assert reason in performed.error


async def test_a_home_does_not_move_into_itself(host):
    performed = await perform(host, user.Update(name="alice", home="/home/alice/new"))

    assert (performed.code, host.ran) == ("refused", [])


@pytest.mark.parametrize(
    "asked",
    [
        user.Update(name="alice", lock=True),
        user.Update(name="alice", groups=["developers"], force=True),
        user.Update(name="alice", shell="/usr/sbin/nologin"),
        user.Delete(name="alice", force=True),
    ],
)
@pytest.mark.parametrize("others", [(), ("bob",), ("carol", "gone")])
async def test_the_last_who_can_use_sudo_is_not_taken_that(host, asked, others):
    in_sudo(host, "alice", *others)

    performed = await perform(host, asked)

    assert (performed.state, performed.code, host.ran) == (State.FAILED, "refused", [])
    assert "nobody could use sudo any more: only alice can" in performed.error


async def test_where_nobody_has_a_password_the_last_in_the_group_stays(host):
    shadow(host, "alice", "!")
    in_sudo(host, "alice", "carol")
    one_of_two = await perform(attrs.evolve(host, dry=True), user.Delete(name="carol"))
    in_sudo(host, "alice")

    last = await perform(host, user.Delete(name="alice"))

    assert (one_of_two.state, last.code) == (State.COMPLETED, "refused")


async def test_who_may_use_sudo_beside_others_can_be_locked(willing):
    shadow(willing, "bob", "$y$j9T$x$y")
    in_sudo(willing, "alice", "bob")

    performed = await perform(willing, user.Update(name="alice", lock=True))

    assert (performed.changed, willing.ran) == (True, [("usermod", "--lock", "--", "alice")])
