"""Files of a host, real ones below a temporary folder, and its programs."""

import os
import stat
from contextlib import suppress

import attrs
import pytest
import trio

from agent.files import Attributes
from agent.host import Host
from osapi.deployments import Deployment
from osapi.errors import CommandFailed, NotFound, OperationError, Refused, TimedOut, Unsupported
from osapi.jobs import now

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
NOBODY = 65534


@pytest.fixture
def host(tmp_path):
    return Host(root=tmp_path / "root")


@pytest.fixture(autouse=True)
def root(tmp_path):
    found = tmp_path / "root"
    (found / "etc").mkdir(parents=True)
    return found


async def test_a_file_that_is_not_there_reads_as_none(host):
    assert await host.read("/etc/motd") is None
    assert await host.read("/etc/motd/below") is None
    assert await host.stat("/etc/motd") is None


async def test_write_makes_a_file_and_its_folders_and_says_whether_it_changed(host, root):
    first = await host.write("/etc/new/motd", "hello\n")
    second = await host.write("/etc/new/motd", "hello\n")

    assert (first, second) == (True, False)
    assert await host.read("/etc/new/motd") == "hello\n"
    assert stat.S_IMODE((root / "etc/new/motd").stat().st_mode) == 0o644


@AS_ROOT
async def test_write_keeps_owner_and_mode(host, root):
    file = root / "etc/motd"
    file.write_text("old")
    os.chown(file, NOBODY, NOBODY)
    file.chmod(0o640)

    await host.write("/etc/motd", "new")

    found = file.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (NOBODY, NOBODY, 0o640)


async def test_a_mode_that_differs_is_a_change(host):
    await host.write("/etc/secret", "s")

    changed = await host.write("/etc/secret", "s", mode=0o600)

    found = await host.stat("/etc/secret")
    assert (changed, found.mode, found.kind, found.size) == (True, 0o600, "file", 1)


async def test_who_reads_while_it_is_replaced_reads_the_old_file_whole(host, root):
    await host.write("/etc/motd", "old")

    with (root / "etc/motd").open() as reader:
        await host.write("/etc/motd", "new")
        assert reader.read() == "old"

    assert [path.name for path in (root / "etc").iterdir()] == ["motd"]


async def test_a_write_that_fails_leaves_nothing_behind(host, root):
    (root / "etc/motd").mkdir()

    with pytest.raises(Refused, match="/etc/motd is not a regular file"):
        await host.write("/etc/motd", "new")

    assert [path.name for path in (root / "etc").iterdir()] == ["motd"]


async def test_what_the_system_refuses_names_the_file(host):
    name = "/srv/app/" + "x" * 300

    with pytest.raises(OperationError, match=f"{name}: File name too long"):
        await host.write(name, "")

    assert await host.stat("/srv") is None


async def test_bytes_that_are_not_utf8_survive(host, root):
    (root / "etc/motd").write_bytes(b"caf\xe9\n")

    await host.write("/etc/motd", await host.read("/etc/motd") + "more\n")

    assert (root / "etc/motd").read_bytes() == b"caf\xe9\nmore\n"


async def test_a_link_is_followed_to_the_file_that_is_replaced(host, root):
    (root / "run").mkdir()
    (root / "run/motd").write_text("old")
    (root / "etc/motd").symlink_to("/run/motd")

    await host.write("/etc/motd", "new")

    assert (root / "run/motd").read_text() == "new"
    assert await host.link("/etc/motd") == "/run/motd"


@pytest.mark.parametrize("act", ["read", "write", "remove"])
async def test_no_link_leads_out_of_the_root(host, root, act):
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "motd").write_text("theirs")
    (root / "etc/there").symlink_to("../../outside")
    given = ("ours",) if act == "write" else ()

    with pytest.raises(Refused, match="leads out of"):
        await getattr(host, act)("/etc/there/motd", *given)

    assert (outside / "motd").read_text() == "theirs"


async def test_an_absolute_link_starts_at_the_root_of_the_host(host, root):
    (root / "etc/there").symlink_to(root.parent)

    await host.write("/etc/there/motd", "ours")

    assert not (root.parent / "motd").exists()


@AS_ROOT
@pytest.mark.parametrize("name", ["/home/me/.ssh/authorized_keys", "/home/me/keys"])
async def test_a_link_that_another_user_made_is_not_followed(host, root, name):
    home = root / "home/me"
    home.mkdir(parents=True)
    (root / "etc/authorized_keys").write_text("the administrator's")
    for link, target in ((home / ".ssh", "/etc"), (home / "keys", "/etc/authorized_keys")):
        link.symlink_to(target)
        os.lchown(link, NOBODY, NOBODY)

    with pytest.raises(Refused, match="made by another user"):
        await host.write(name, "theirs")
    with pytest.raises(Refused, match="made by another user"):
        await host.read(name)

    assert (root / "etc/authorized_keys").read_text() == "the administrator's"


@AS_ROOT
@pytest.mark.parametrize(
    "act",
    [
        lambda host: host.replace("/home/me/here/x/kept", b"other", parents=False),
        lambda host: host.set_attributes("/home/me/here/x/kept", Attributes(mode=0o777)),
        lambda host: host.remove("/home/me/here/x/kept"),
        lambda host: host.remove_tree("/home/me/here/x"),
    ],
    ids=["replace", "set_attributes", "remove", "remove_tree"],
)
async def test_a_folder_whose_owner_makes_a_link_of_it_meanwhile_leads_nowhere(host, root, act):
    theirs, home = root / "etc", root / "home/me"
    (home / "etc/x").mkdir(parents=True)
    (theirs / "x").mkdir()
    (theirs / "x/kept").write_text("kept")
    (home / "link").symlink_to("/etc")
    os.lchown(home / "link", NOBODY, NOBODY)
    (home / "roots").symlink_to("/home/me/etc")
    turning = True

    def turn() -> None:
        """`here` is now a folder, now the administrator's link, now their own."""
        while turning:
            for name in ("etc", "roots", "link"):
                (home / name).rename(home / "here").rename(home / name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, turn)
        for _ in range(300):
            with suppress(OperationError):
                await act(host)
        turning = False

    assert [path.read_text() for path in theirs.rglob("*") if path.is_file()] == ["kept"]
    assert stat.S_IMODE((theirs / "x/kept").stat().st_mode) == 0o644


async def test_links_in_a_circle_are_refused(host, root):
    (root / "etc/a").symlink_to("b")
    (root / "etc/b").symlink_to("a")

    with pytest.raises(Refused, match="circular"):
        await host.read("/etc/a")


@pytest.mark.parametrize("name", ["/etc/../motd", "..", "/"])
async def test_names_that_lead_elsewhere_are_refused(host, name):
    with pytest.raises(Refused):
        await host.write(name, "")


async def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(host, root):
    os.mkfifo(root / "etc/motd")

    with pytest.raises(Refused, match="/etc/motd is not a regular file"):
        await host.read("/etc/motd")


async def test_remove_removes_a_link_and_not_what_it_points_to(host, root):
    await host.write("/etc/motd", "kept")
    (root / "etc/link").symlink_to("motd")

    removed = await host.remove("/etc/link")
    again = await host.remove("/etc/link")

    assert (removed, again, await host.read("/etc/motd")) == (True, False, "kept")


async def test_symlink_takes_the_place_of_what_was_there(host):
    await host.write("/etc/localtime", "a copy")

    first = await host.symlink("/etc/localtime", "/usr/share/zoneinfo/UTC")
    second = await host.symlink("/etc/localtime", "/usr/share/zoneinfo/UTC")

    assert (first, second, await host.link("/etc/localtime")) == (True, False, "/usr/share/zoneinfo/UTC")


async def test_glob_gives_names_as_the_host_knows_them(host):
    for name in ("b.conf", "a.conf", "c.txt"):
        await host.write(f"/etc/{name}", "")

    assert await host.glob("/etc/*.conf") == ["/etc/a.conf", "/etc/b.conf"]


async def test_run_gives_what_a_program_prints(host):
    assert await host.run("sh", "-c", "echo $LC_ALL; cat", input="given") == "C.UTF-8\ngiven"


async def test_run_raises_what_a_program_failed_with_unless_told_not_to(host):
    failing = ("sh", "-c", "echo out; echo why >&2; exit 3")

    with pytest.raises(CommandFailed, match="sh exited with 3: why") as failed:
        await host.run(*failing)

    assert (failed.value.argv, failed.value.exit_code, failed.value.stdout) == (failing, 3, "out\n")
    assert await host.run(*failing, check=False) == "out\n"


async def test_run_raises_where_there_is_no_such_program_or_no_time(host):
    with pytest.raises(NotFound, match="there is no program no-such-program"):
        await host.run("no-such-program")
    with pytest.raises(TimedOut, match=r"sleep took longer than 0\.1 s"):
        await host.run("sleep", "600", timeout=0.1)


async def test_listen_tells_what_a_program_prints_until_the_time_is_over(host):
    told = []

    await host.listen(
        "sh", "-c", "echo out; exec sleep 600", seconds=0.5, emit=lambda *words: told.append(words)
    )

    assert told == [("stdout", "out\n")]


async def test_listen_raises_what_a_program_failed_with(host):
    with pytest.raises(CommandFailed, match="sh exited with 3: why"):
        await host.listen("sh", "-c", "echo why >&2; exit 3", seconds=60, emit=lambda *_: None)


async def test_only_what_is_privileged_goes_through_sudo(host):
    host = attrs.evolve(host, sudo=("env", "WHO=root"), permit=lambda _: None)
    who = ("sh", "-c", "echo $WHO")

    assert (await host.run(*who), await host.run(*who, privileged=True)) == ("\n", "root\n")


async def test_what_is_deployed_is_put_on_record_for_real_only(host):
    deployment = Deployment(
        object_name="app", path="/etc/app", sha256="", source_sha256="", content_type="raw", deployed_at=now()
    )

    await attrs.evolve(host, dry=True).remember(deployment)
    with pytest.raises(Unsupported, match="this agent has no store, and so no record of /etc/app"):
        await host.remember(deployment)
