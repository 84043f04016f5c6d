"""Files on a host: written, copied, and deleted."""

import os
from datetime import UTC, datetime

import pytest
from deploying import done, failed, on_disk, sha

from agent.dispatch import perform
from osapi.errors import CommandFailed
from osapi.jobs import State
from osapi.operations import file

MIB = 1024 * 1024
CONF = "/etc/app/app.conf"
OTHER_USER = 12345 if os.geteuid() == 0 else os.geteuid()
"""Whom only root can give a file."""


def mode(host, path):
    return on_disk(host, path).stat().st_mode & 0o7777


def listed(host, folder="/etc/app"):
    return sorted(entry.name for entry in on_disk(host, folder).iterdir())


@pytest.fixture
def app(host):
    """The host, with a configuration."""
    host.has({CONF: "port = 80\nname = é\n"})
    on_disk(host, CONF).chmod(0o640)
    return host


async def test_write_makes_a_file_with_the_folders_on_the_way(app):
    result = await done(app, file.Write(path="/srv/a/b", content="é\n"))

    assert result == file.FileChanged(path="/srv/a/b", sha256=sha("é\n".encode()), changed=True)
    assert on_disk(app, "/srv/a/b").read_text() == "é\n"
    assert mode(app, "/srv/a/b") == 0o644


async def test_without_parents_no_folder_is_made(app):
    await failed(app, file.Write(path="/srv/a/b", content="", parents=False), "not_found")

    assert not on_disk(app, "/srv").exists()


async def test_write_keeps_mode_and_owner_unless_told_otherwise(app):
    os.chown(on_disk(app, CONF), OTHER_USER, -1)

    kept = await done(app, file.Write(path=CONF, content="", mode="", owner="", group=""))
    before = mode(app, CONF), on_disk(app, CONF).stat().st_uid
    given = await done(app, file.Write(path=CONF, content="", mode="600", owner=str(os.geteuid())))

    assert (kept.changed, kept.sha256, before) == (True, sha(b""), (0o640, OTHER_USER))
    assert (given.changed, mode(app, CONF), on_disk(app, CONF).stat().st_uid) == (True, 0o600, os.geteuid())


async def test_a_blob_is_written_and_read_from_the_store_only_once(app):
    digest = app.store.put_blob(b"\0" * 3000)

    first = await done(app, file.Write(path=CONF, source_sha256=digest))
    second = await done(app, file.Write(path=CONF, source_sha256=digest, mode="0640"))

    assert (first.changed, first.sha256, second.changed) == (True, digest, False)
    assert on_disk(app, CONF).read_bytes() == b"\0" * 3000
    assert app.store.read == 1


async def test_a_blob_that_is_not_what_its_name_says_is_not_written(app):
    digest = app.store.put_blob(b"good")
    app.store.blobs[digest] = app.store.blobs[digest][0], b"evil"

    performed = await perform(app, file.Write(path=CONF, source_sha256=digest))

    assert performed.state is State.FAILED
    assert on_disk(app, CONF).read_text().startswith("port")
    assert listed(app) == ["app.conf"]


async def test_a_write_says_what_it_is_of(app):
    assert "either" in await failed(app, file.Write(path=CONF), "bad_input")
    assert "either" in await failed(
        app, file.Write(path=CONF, content="", source_sha256="0" * 64), "bad_input"
    )
    await failed(app, file.Write(path=CONF, source_sha256="0" * 64), "not_found")


async def test_a_backup_has_the_content_and_the_rights_of_before(app):
    os.chown(on_disk(app, CONF), OTHER_USER, -1)
    on_disk(app, CONF).chmod(0o4750)

    result = await done(app, file.Write(path=CONF, content="new\n", backup=True))

    kept = on_disk(app, result.backup)
    assert kept.read_text() == "port = 80\nname = é\n"
    assert (mode(app, result.backup), kept.stat().st_uid) == (0o750, OTHER_USER)
    assert listed(app) == sorted(["app.conf", kept.name])
    moment = kept.name.removeprefix("app.conf.").removesuffix(".bak")
    assert datetime.strptime(moment, "%Y%m%dT%H%M%S.%f%z") <= datetime.now(UTC)


async def test_there_is_no_backup_of_nothing_and_of_what_stays(app):
    new = await done(app, file.Write(path="/etc/app/new", content="a", backup=True))
    same = await done(app, file.Write(path="/etc/app/new", content="a", backup=True))
    other_mode = await done(app, file.Write(path="/etc/app/new", content="a", mode="0600", backup=True))

    assert [new.changed, same.changed, other_mode.changed] == [True, False, True]
    assert [new.backup, same.backup, other_mode.backup] == [None, None, None]
    assert listed(app) == ["app.conf", "new"]


async def test_a_write_can_be_undone(app):
    await done(app, file.Write(path=CONF, content="new\n", mode="0600"))
    await done(app, file.Write(path=CONF, content="new\n", mode="0600"))

    await done(app, file.Undo(path=CONF))

    assert on_disk(app, CONF).read_text() == "port = 80\nname = é\n"
    assert mode(app, CONF) == 0o640


async def test_only_a_file_is_written_over(app):
    on_disk(app, "/etc/dangling").symlink_to("app/new")

    assert "is no regular file" in await failed(app, file.Write(path="/etc/app", content=""), "refused")
    assert "full name" in await failed(app, file.Write(path="/etc/app/new/", content=""), "refused")
    assert "Not a directory" in await failed(app, file.Write(path=f"{CONF}/x", content=""), "failed")
    assert listed(app) == ["app.conf"]


async def test_a_link_of_the_agents_user_stays_and_what_it_leads_to_is_written(app):
    on_disk(app, "/etc/current").symlink_to("app/app.conf")

    await done(app, file.Write(path="/etc/current", content="new\n"))

    assert on_disk(app, "/etc/current").is_symlink()
    assert on_disk(app, CONF).read_text() == "new\n"


@pytest.mark.parametrize("source", ["content", "blob", "copy", "line"])
async def test_what_a_check_refuses_leaves_the_old_file(app, source):
    bad = "root ALL = oops\n"
    visudo = ("/usr/sbin/visudo", "-c", "-f", "-")
    app.has({visudo[0]: "", "/etc/sudoers": "good\n", "/tmp/bad": bad})
    app.answers[visudo] = CommandFailed(visudo, 1, "syntax error")
    operation = {
        "content": file.Write(path="/etc/sudoers", content=bad, backup=True),
        "blob": file.Write(path="/etc/sudoers", source_sha256=app.store.put_blob(bad.encode())),
        "copy": file.Copy(source="/tmp/bad", destination="/etc/sudoers"),
        "line": file.EditLine(path="/etc/sudoers", line=bad.strip()),
    }[source]

    message = await failed(app, operation, "refused")

    assert "syntax error" in message
    assert app.ran == [visudo]
    assert on_disk(app, "/etc/sudoers").read_text() == "good\n"
    assert not [name for name in listed(app, "/etc") if name.endswith(".bak")]


async def test_what_is_too_large_to_be_checked_is_not_written(app):
    digest = app.store.put_blob(b"#" * (MIB + 1))

    await failed(app, file.Write(path="/etc/sudoers.d/large", source_sha256=digest), "too_large")

    assert not on_disk(app, "/etc/sudoers.d").exists()


async def test_a_copy_has_the_rights_of_its_source_where_it_is_new_and_keeps_its_own_where_not(app):
    on_disk(app, CONF).chmod(0o4750)
    app.has({"/srv/there": "x"})

    new = await done(app, file.Copy(source=CONF, destination="/srv/new/copy"))
    there = await done(app, file.Copy(source=CONF, destination="/srv/there"))
    told = await done(app, file.Copy(source=CONF, destination="/srv/told", mode="0600"))

    assert {new.path, there.path, told.path} == {"/srv/new/copy", "/srv/there", "/srv/told"}
    assert [mode(app, result.path) for result in (new, there, told)] == [0o750, 0o644, 0o600]
    assert {on_disk(app, result.path).read_text() for result in (new, there, told)} == {
        "port = 80\nname = é\n"
    }
    assert new.sha256 == sha(on_disk(app, CONF).read_bytes())


async def test_a_copy_can_be_backed_up_and_undone(app):
    app.has({"/srv/there": "x"})

    result = await done(app, file.Copy(source=CONF, destination="/srv/there", backup=True))
    copied = on_disk(app, "/srv/there").read_text()
    await done(app, file.Undo(path="/srv/there"))

    assert on_disk(app, result.backup).read_text() == "x"
    assert copied.startswith("port")
    assert on_disk(app, "/srv/there").read_text() == "x"


async def test_a_copy_is_of_a_file_to_the_full_name_of_one(app):
    assert "/etc/none" in await failed(app, file.Copy(source="/etc/none", destination="/srv/x"), "not_found")
    assert "/etc/app" in await failed(app, file.Copy(source="/etc/app", destination="/srv/x"), "refused")
    assert "full name" in await failed(app, file.Copy(source=CONF, destination="/etc"), "refused")
    await failed(app, file.Copy(source=CONF, destination="/srv/x", parents=False), "not_found")
    assert not (await done(app, file.Copy(source=CONF, destination=CONF))).changed


async def test_delete_removes_a_file_a_link_and_an_empty_folder(app):
    on_disk(app, "/etc/link").symlink_to("app")
    on_disk(app, "/etc/empty").mkdir()

    results = [await done(app, file.Delete(path=path)) for path in ("/etc/link", "/etc/empty", CONF, CONF)]

    assert [result.changed for result in results] == [True, True, True, False]
    assert listed(app, "/etc") == ["app", "os-release"]
    assert listed(app) == []


async def test_a_folder_with_something_in_it_goes_with_recursive_only(app):
    app.has({"/srv/a/b/c": "", "/srv/kept": ""})
    on_disk(app, "/srv/a/link").symlink_to("../kept")

    message = await failed(app, file.Delete(path="/srv/a"), "conflict")
    result = await done(app, file.Delete(path="/srv/a", recursive=True))

    assert "recursive" in message
    assert result.changed
    assert listed(app, "/srv") == ["kept"]


async def test_the_delete_of_a_file_can_be_undone(app):
    await done(app, file.Delete(path=CONF))

    await done(app, file.Undo(path=CONF))

    assert on_disk(app, CONF).read_text().startswith("port")


@pytest.mark.parametrize("path", ["/", "/etc", "/var", "/var/lib"])
async def test_what_the_system_or_the_agent_needs_is_not_deleted(app, path):
    app.has({"/var/lib/osapi/agent/key": "k"})

    await failed(app, file.Delete(path=path, recursive=True), "refused")

    assert on_disk(app, CONF).exists()
    assert on_disk(app, "/var/lib/osapi/agent/key").exists()
