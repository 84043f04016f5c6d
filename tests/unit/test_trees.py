"""Folders: what is in them is listed, and removed with them, and nothing else is."""

import os

import attrs
import pytest

from agent.disk import SYSTEM, Disk
from agent.dryrun import Rehearsal
from agent.host import Host
from osapi.errors import Conflict, NotFound, OperationError, Refused


@pytest.fixture
def root(tmp_path):
    found = tmp_path / "root"
    (found / "etc").mkdir(parents=True)
    return found


@pytest.fixture(params=["real", "dry"])
def host(root, request):
    """Both refuse the same."""
    return Host(root=root, dry=request.param == "dry")


LEVELS, NAME = 250, "a-name-of-20-letters"
"""Of folders in each other: together more than a path can name (PATH_MAX)."""


def deep(folder):
    at = os.open(folder, os.O_PATH)
    for _ in range(LEVELS):
        os.mkdir(NAME, dir_fd=at)
        inner = os.open(NAME, os.O_PATH, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)


async def test_walk_lists_a_folder_before_what_is_in_it_and_follows_no_link(host, root):
    for name in ("b/x", "a/y/z", "a-b"):
        await host.write(f"/etc/app/{name}", "")
    await host.symlink("/etc/app/link", "/etc")

    found = await host.walk("//etc/./app/")

    below = ["a", "a/y", "a/y/z", "a-b", "b", "b/x", "link"]
    assert found == [f"/etc/app/{name}" for name in below]


async def test_walk_goes_by_the_name_it_was_given(host, root):
    await host.write("/srv/app/x", "")
    (root / "etc/app").symlink_to("/srv/app")

    assert await host.walk("/etc/app") == ["/etc/app/x"]


async def test_there_is_an_end_to_what_is_listed(host, root):
    (root / "etc/app").mkdir()
    deep(root / "etc/app")
    with pytest.raises(Refused, match="too many folders"):
        await host.walk("/etc/app")
    with pytest.raises(NotFound, match="there is no folder /etc/none"):
        await host.walk("/etc/none")


@pytest.mark.parametrize("over", [Disk, lambda *given: Rehearsal(Disk(*given))])
def test_no_more_names_are_listed_than_a_disk_lists(root, over):
    for name in ("a", "b", "c"):
        (root / "etc" / name).touch()

    assert over(root, 3).walk("/etc") == ["/etc/a", "/etc/b", "/etc/c"]
    with pytest.raises(Refused, match="there are more than 3 names below /"):
        over(root, 3).walk("/")


async def test_remove_folder_removes_an_empty_one_only(host):
    await host.make_folder("/etc/app")
    await host.write("/etc/full/x", "")
    await host.write("/etc/file", "")

    with pytest.raises(Conflict, match="/etc/full is not empty"):
        await host.remove_folder("/etc/full")
    with pytest.raises(Refused, match="/etc/file is not a folder"):
        await host.remove_folder("/etc/file")
    removed = [await host.remove_folder("/etc/app") for _ in range(2)]

    assert (removed, await host.stat("/etc/app")) == ([True, False], None)


async def test_remove_leaves_folders_alone(host):
    with pytest.raises(Refused, match="/etc is a folder"):
        await host.remove("/etc")


async def test_remove_tree_removes_all_in_a_folder_and_nothing_that_links_lead_to(host, root):
    await host.write("/etc/kept", "x")
    await host.write("/srv/app/a/b", "x")
    await host.symlink("/srv/app/a/link", "/etc")

    removed = [await host.remove_tree("/srv/app") for _ in range(2)]

    assert (removed, await host.walk("/srv")) == ([True, False], [])
    assert await host.read("/etc/kept") == "x"


async def test_remove_tree_of_a_link_removes_the_link(host):
    await host.write("/srv/app/x", "x")
    await host.symlink("/etc/link", "/srv/app")

    await host.remove_tree("/etc/link")

    assert (await host.link("/etc/link"), await host.read("/srv/app/x")) == (None, "x")


async def test_remove_tree_gets_to_the_end_of_folders_that_no_path_can_name(root):
    host = Host(root=root)
    (root / "srv/app").mkdir(parents=True)
    deep(root / "srv/app")

    assert await host.remove_tree("/srv/app")

    assert list((root / "srv").iterdir()) == []


@pytest.mark.parametrize("name", ["/", "//", *(f"/{one}/" for one in SYSTEM)])
async def test_folders_of_the_system_are_not_removed(host, root, name):
    (root / "usr/bin").mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")

    for folder in (name, "/usr/bin"):
        with pytest.raises(Refused, match="a folder of the system"):
            await host.remove_tree(folder)


@pytest.mark.parametrize("mounted", ["/srv/my app", "/srv/my app/data"])
async def test_what_is_mounted_is_not_emptied(host, root, mounted):
    line = "36 35 98:0 / {} rw,noatime master:1 - ext3 /dev/root rw\n"
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(line.format(mounted.replace(" ", r"\040")))
    await host.write("/srv/my app/data/x", "x")
    await host.write("/srv/my application/x", "x")

    with pytest.raises(Refused, match=f"{mounted} is mounted there"):
        await host.remove_tree("/srv/my app")
    await host.remove_tree("/srv/my application")

    assert await host.read("/srv/my app/data/x") == "x"


async def test_who_may_not_is_told(root):
    host = Host(root=root)
    await host.write("/etc/app", "")

    with pytest.raises(OperationError, match="/etc/app: Not a directory"):
        await host.walk("/etc/app")


async def test_a_dry_run_lists_all_that_goes_with_a_folder(root):
    host = Host(root=root)
    for name in ("a/x", "b"):
        await host.write(f"/srv/app/{name}", "text\n")
    dry = attrs.evolve(host, dry=True)

    await dry.remove_tree("/srv/app")

    assert {file.path: (file.action, file.diff.split("\n")[0]) for file in dry.plan.files} == {
        "/srv/app": ("removed", "deleted file mode 040755"),
        "/srv/app/a": ("removed", "deleted file mode 040755"),
        "/srv/app/a/x": ("removed", "deleted file mode 100644"),
        "/srv/app/b": ("removed", "deleted file mode 100644"),
    }
    assert dry.plan.files[-1].diff.endswith("-5 bytes\n")
