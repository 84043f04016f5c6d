"""Mode and owner of files and folders on a host, and the making of folders."""

import os
import stat

import pytest
from deploying import done, failed, on_disk

from osapi.operations import file

OTHER_USER = 12345 if os.geteuid() == 0 else os.geteuid()
"""Whom only root can give a file."""


def mode(host, path):
    return stat.S_IMODE(on_disk(host, path).lstat().st_mode)


@pytest.fixture
def tree(host):
    """A folder with files, a folder, a pipe, and links that lead out of it."""
    host.has({"/srv/app/a": "a", "/srv/app/in/b": "b", "/srv/out": "o", "/srv/elsewhere/c": "c"})
    on_disk(host, "/srv/app/link").symlink_to("../out")
    on_disk(host, "/srv/app/in/folder").symlink_to("../../elsewhere")
    os.mkfifo(on_disk(host, "/srv/app/pipe"))
    for path in ("/srv/app/a", "/srv/app/in/b", "/srv/out", "/srv/elsewhere/c", "/srv/app/pipe"):
        on_disk(host, path).chmod(0o644)
    return host


async def test_permissions_are_set_of_a_file_and_a_second_time_nothing_changes(tree):
    asked = file.Permissions(path="/srv/app/a", mode="0600", owner=str(OTHER_USER), group=str(os.getegid()))

    first, second = await done(tree, asked), await done(tree, asked)

    assert first == file.FileChanged(path="/srv/app/a", changed=True)
    assert second == file.FileChanged(path="/srv/app/a", changed=False)
    assert (mode(tree, "/srv/app/a"), on_disk(tree, "/srv/app/a").stat().st_uid) == (0o600, OTHER_USER)


async def test_a_folder_alone_has_the_mode_of_folders(tree):
    await done(tree, file.Permissions(path="/srv/app", mode="0600", directory_mode="2750"))

    assert mode(tree, "/srv/app") == 0o2750
    assert mode(tree, "/srv/app/a") == 0o644


async def test_the_mode_of_folders_is_none_of_a_file(tree):
    result = await done(tree, file.Permissions(path="/srv/app/a", directory_mode="0700"))

    assert (result.changed, mode(tree, "/srv/app/a")) == (False, 0o644)


async def test_recursive_is_for_all_below_and_nothing_that_links_lead_to(tree):
    asked = file.Permissions(
        path="/srv/app", mode="0640", directory_mode="0750", owner=str(OTHER_USER), recursive=True
    )

    first, second = await done(tree, asked), await done(tree, asked)

    assert (first.changed, second.changed) == (True, False)
    modes = {name: mode(tree, f"/srv/app{name}") for name in ("", "/a", "/in", "/in/b", "/pipe")}
    assert modes == {"": 0o750, "/a": 0o640, "/in": 0o750, "/in/b": 0o640, "/pipe": 0o640}
    assert on_disk(tree, "/srv/app/in/b").stat().st_uid == OTHER_USER
    for outside in ("/srv/out", "/srv/elsewhere", "/srv/elsewhere/c"):
        assert mode(tree, outside) in {0o644, 0o755}
        assert on_disk(tree, outside).stat().st_uid == os.geteuid()


async def test_without_a_mode_of_folders_they_have_that_of_files(tree):
    await done(tree, file.Permissions(path="/srv/app", mode="0700", recursive=True))

    assert (mode(tree, "/srv/app/in"), mode(tree, "/srv/app/in/b")) == (0o700, 0o700)


async def test_what_one_file_lost_is_put_right_by_the_next_run(tree):
    asked = file.Permissions(path="/srv/app", mode="0640", directory_mode="0750", recursive=True)
    await done(tree, asked)
    on_disk(tree, "/srv/app/in/b").chmod(0o777)

    assert (await done(tree, asked)).changed
    assert mode(tree, "/srv/app/in/b") == 0o640


async def test_permissions_say_of_what_and_which(tree):
    assert "at least one" in await failed(tree, file.Permissions(path="/srv/app"), "bad_input")
    assert "at least one" in await failed(
        tree, file.Permissions(path="/srv/app", mode="", directory_mode="", owner="", group=""), "bad_input"
    )
    assert "/srv/none" in await failed(tree, file.Permissions(path="/srv/none", mode="0600"), "not_found")
    assert "nobody-of-that-name" in await failed(
        tree, file.Permissions(path="/srv/app", owner="nobody-of-that-name"), "not_found"
    )


@pytest.mark.parametrize("recursive", [False, True])
async def test_a_link_is_refused_by_the_name_of_what_it_leads_to(tree, recursive):
    message = await failed(
        tree, file.Permissions(path="/srv/app/in/folder", mode="0600", recursive=recursive), "refused"
    )

    assert "../../elsewhere" in message
    assert mode(tree, "/srv/elsewhere") == 0o755


async def test_a_recursive_change_does_not_reach_what_is_refused(tree):
    tree.has({"/etc/shadow": "x"})

    await failed(tree, file.Permissions(path="/etc", mode="0777", recursive=True), "refused")

    assert mode(tree, "/etc/shadow") != 0o777


async def test_a_folder_is_made_with_those_on_the_way_and_once(tree):
    asked = file.Directory(path="/srv/x/y/z", mode="0700", owner=str(OTHER_USER))

    first, second = await done(tree, asked), await done(tree, asked)

    assert (first.changed, second.changed) == (True, False)
    assert [mode(tree, path) for path in ("/srv/x", "/srv/x/y", "/srv/x/y/z")] == [0o755, 0o755, 0o700]
    assert on_disk(tree, "/srv/x/y/z").stat().st_uid == OTHER_USER
    assert on_disk(tree, "/srv/x/y").stat().st_uid == os.geteuid()


async def test_a_folder_that_is_there_keeps_what_it_is_not_told(tree):
    on_disk(tree, "/srv/app").chmod(0o2770)

    assert not (await done(tree, file.Directory(path="/srv/app"))).changed
    assert (await done(tree, file.Directory(path="/srv/app/", mode="0755"))).changed
    assert mode(tree, "/srv/app") == 0o755


@pytest.mark.parametrize("path", ["/srv/app/a", "/srv/app/a/b/c", "/srv/app/pipe", "/srv/app/link"])
async def test_a_file_in_the_way_of_a_folder_is_a_conflict(tree, path):
    message = await failed(tree, file.Directory(path=path), "conflict")

    assert "no folder" in message
