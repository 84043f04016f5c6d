"""Mode and owner of files and folders; who they belong to by name."""

import os
import stat
import struct
from contextlib import nullcontext

import pytest

from agent.files import Attributes
from agent.host import Host
from osapi.errors import NotFound, Refused

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
NOBODY = 65534
NOBODY_IN_PARTICULAR = 2**32 - 1
LISTED = struct.pack(
    "<I" + 5 * "HHI",
    2,
    *(0x01, 6, NOBODY_IN_PARTICULAR),
    *(0x02, 6, 1),
    *(0x04, 4, NOBODY_IN_PARTICULAR),
    *(0x10, 6, NOBODY_IN_PARTICULAR),
    *(0x20, 4, NOBODY_IN_PARTICULAR),
)
"""An access list (acl(5)) that lets user 1 write, and the owning group only read; it shows as 0664."""


@pytest.fixture
def root(tmp_path):
    found = tmp_path / "root"
    (found / "etc").mkdir(parents=True)
    return found


@pytest.fixture
def host(root):
    return Host(root=root)


async def attributes(host, name):
    found = await host.stat(name)
    return found.mode, found.uid, found.gid


@AS_ROOT
async def test_mode_and_owner_are_part_of_what_is_compared(host):
    wanted = Attributes(mode=0o640, uid=NOBODY, gid=1)

    changes = [await host.replace("/etc/app", b"x", given) for given in (wanted, wanted, Attributes(gid=2))]

    assert changes == [True, False, True]
    assert await attributes(host, "/etc/app") == (0o640, NOBODY, 2)


@AS_ROOT
async def test_the_mode_is_set_after_the_owner_which_takes_the_set_user_id_bit_away(host):
    await host.write("/etc/app", "x", mode=0o4755)

    await host.set_attributes("/etc/app", Attributes(uid=NOBODY, mode=0o4711))
    wanted = await attributes(host, "/etc/app")
    await host.set_attributes("/etc/app", Attributes(uid=1))

    assert wanted == (0o4711, NOBODY, 0)
    assert await attributes(host, "/etc/app") == (0o711, 1, 0)


@AS_ROOT
async def test_the_set_user_id_bit_is_kept_for_the_owner_and_for_nobody_else(host):
    await host.write("/etc/app", "x", mode=0o4755)

    await host.replace("/etc/app", b"y")
    kept = await attributes(host, "/etc/app")
    await host.replace("/etc/app", b"y", Attributes(uid=NOBODY))

    assert kept == (0o4755, 0, 0)
    assert await attributes(host, "/etc/app") == (0o755, NOBODY, 0)


async def test_set_attributes_says_whether_it_changed_anything(host):
    await host.write("/etc/app", "x")

    changes = [await host.set_attributes("/etc/app", Attributes(mode=mode)) for mode in (0o644, 0o600, None)]

    assert changes == [False, True, False]


async def test_set_attributes_of_a_file_that_may_not_be_read_or_is_no_file(host, root):
    await host.write("/etc/secret", "x", mode=0)
    os.mkfifo(root / "etc/pipe", 0o644)

    for name in ("/etc/secret", "/etc/pipe", "/etc"):
        assert await host.set_attributes(name, Attributes(mode=0o700))

    assert [(await host.stat(name)).mode for name in ("/etc/secret", "/etc/pipe", "/etc")] == [0o700] * 3


@pytest.mark.parametrize("target", ["app", "nowhere"])
async def test_set_attributes_goes_through_no_link(host, root, target):
    await host.write("/etc/app", "x")
    (root / "etc/link").symlink_to(target)

    with pytest.raises(Refused, match="/etc/link is a link"):
        await host.set_attributes("/etc/link", Attributes(mode=0o600))

    assert (await host.stat("/etc/app")).mode == 0o644


@pytest.mark.parametrize("name", ["/etc/app", "/none/app"])
async def test_set_attributes_of_nothing_is_not_found(host, name):
    with pytest.raises(NotFound, match="there is no"):
        await host.set_attributes(name, Attributes(mode=0o600))


@pytest.mark.parametrize(("protected", "refused"), [("1\n", False), ("0\n", True), (None, True)])
async def test_a_file_with_two_names_is_left_alone_where_anybody_can_give_it_one(
    host, root, protected, refused
):
    await host.write("/etc/app", "x")
    os.link(root / "etc/app", root / "etc/planted")
    if protected:
        await host.write("/proc/sys/fs/protected_hardlinks", protected)

    with pytest.raises(Refused, match="/etc/planted has 2 names") if refused else nullcontext():
        await host.set_attributes("/etc/planted", Attributes(mode=0o666))

    assert (await host.stat("/etc/app")).mode == (0o644 if refused else 0o666)


async def test_missing_folders_are_made_whatever_the_umask_is(host, root):
    before = os.umask(0o077)
    try:
        await host.write("/srv/app/x", "x")
    finally:
        os.umask(before)

    assert [(await host.stat(name)).mode for name in ("/srv", "/srv/app", "/srv/app/x")] == [
        0o755,
        0o755,
        0o644,
    ]


async def test_without_parents_a_missing_folder_is_named(host):
    with pytest.raises(NotFound, match=r"there is no folder /etc/app$"):
        await host.replace("/etc/app/conf.d/x", b"x", parents=False)

    assert await host.stat("/etc/app") is None


@AS_ROOT
async def test_a_folder_that_hands_its_group_on_does_so(host, root):
    os.chown(root / "etc", 0, 1)
    (root / "etc").chmod(0o2755)

    await host.make_folder("/etc/app/conf.d")
    await host.write("/etc/app/x", "x")

    assert await attributes(host, "/etc/app") == (0o2755, 0, 1)
    assert await attributes(host, "/etc/app/x") == (0o644, 0, 1)


@AS_ROOT
async def test_make_folder_makes_those_on_the_way_and_sets_mode_and_owner_of_the_last(host):
    wanted = Attributes(mode=0o2750, uid=NOBODY, gid=1)

    changes = [
        await host.make_folder("/srv/app/data", given) for given in (wanted, wanted, Attributes(gid=2))
    ]

    assert changes == [True, False, True]
    assert await attributes(host, "/srv/app/data") == (0o2750, NOBODY, 2)
    assert await attributes(host, "/srv/app") == (0o755, 0, 0)


async def test_a_file_in_place_of_a_folder_is_refused(host):
    await host.write("/etc/app", "x")

    with pytest.raises(Refused, match="/etc/app is not a folder"):
        await host.make_folder("/etc/app")


async def test_stat_shows_a_link_or_what_it_leads_to(host, root):
    await host.write("/etc/app", "four")
    (root / "etc/link").symlink_to("app")
    os.utime(root / "etc/app", (1, 1_700_000_000.5))

    link, file = await host.stat("/etc/link", follow=False), await host.stat("/etc/link")

    assert (link.kind, link.size) == ("link", 3)
    assert (file.kind, file.size, file.modified) == ("file", 4, 1_700_000_000.5)
    assert (await host.stat("/")).kind == "folder"


async def test_what_users_gave_a_file_stays_with_its_name(host, root):
    await host.write("/etc/app", "x")
    try:
        os.setxattr(root / "etc/app", "user.note", b"mine")
        os.setxattr(root / "etc/app", "system.posix_acl_access", LISTED)
    except OSError:
        pytest.skip("this file system has no extended attributes")

    await host.write("/etc/app", "y")

    assert os.getxattr(root / "etc/app", "user.note") == b"mine"
    assert os.getxattr(root / "etc/app", "system.posix_acl_access") == LISTED
    assert stat.S_IMODE((root / "etc/app").stat().st_mode) == 0o664


async def test_users_and_groups_go_by_name_or_number(host):
    ids = [await host.user_id(name) for name in ("root", "0", "4000000000")]
    groups = [await host.group_id(name) for name in ("root", "0", "4000000000")]

    assert ids == groups == [0, 0, 4_000_000_000]
    assert (await host.user_name(0), await host.group_name(0)) == ("root", "root")
    assert (await host.user_name(4_000_000_000), await host.group_name(4_000_000_000)) == ("4000000000",) * 2


@pytest.mark.parametrize("name", ["no-such", "4294967295", "99999999999", "-1", "٣", ""])
async def test_an_unknown_user_or_group_is_named(host, name):
    with pytest.raises(NotFound, match=f"there is no user {name}"):
        await host.user_id(name)
    with pytest.raises(NotFound, match=f"there is no group {name}"):
        await host.group_id(name)
