"""Files that were deployed: removed again, and had back as they were."""

import os

import attrs
import pytest
from deploying import OTHER, PATH, PORT, deploy, done, failed, on_disk, sha, status

from agent import versions
from agent.dispatch import perform
from osapi.operations import file


@pytest.mark.parametrize(
    "make", [lambda: file.Undeploy(path=PATH), lambda: file.Undo(path=PATH)], ids=["undeploy", "undo"]
)
async def test_a_dry_run_of_removing_it_says_so_and_does_nothing(app, rehearsing, make):
    await deploy(app)
    before, written = app.holds(), app.store.written

    performed = await perform(rehearsing, make())

    assert performed.changed
    assert [(plan.path, plan.action) for plan in performed.plan.files] == [(PATH, "removed")]
    assert (app.holds(), app.store.written) == (before, written)


async def test_undeploy_removes_the_file_and_keeps_the_record(app):
    await deploy(app)

    assert (await done(app, file.Undeploy(path=PATH))).changed
    assert not on_disk(app).exists()
    assert not app.store.deployments[PATH].present
    assert await status(app) == ("missing", None)
    assert not (await done(app, file.Undeploy(path=PATH))).changed

    assert (await deploy(app)).changed
    assert app.store.deployments[PATH].present


async def test_undeploy_leaves_a_file_alone_that_was_not_deployed(app):
    app.has({PATH: "mine\n"})

    message = await failed(app, file.Undeploy(path=PATH), "conflict")

    assert "was not deployed by OSAPI; delete it with `osapi client node file delete`" in message
    assert on_disk(app).exists()


async def test_undeploy_leaves_a_file_alone_that_somebody_made_after_it_was_undeployed(app):
    await deploy(app)
    await done(app, file.Undeploy(path=PATH))
    app.has({PATH: "mine\n"})

    await failed(app, file.Undeploy(path=PATH), "conflict")

    assert await status(app) == ("missing", None)
    assert on_disk(app).read_text() == "mine\n"


async def test_undeploy_where_nothing_ever_was_changes_nothing(app):
    assert not (await done(app, file.Undeploy(path=PATH))).changed


async def test_undeploy_notes_that_a_file_is_gone_which_somebody_deleted(app):
    await deploy(app)
    on_disk(app).unlink()

    assert await status(app) == ("missing", None)
    assert not (await done(app, file.Undeploy(path=PATH))).changed
    assert not app.store.deployments[PATH].present


async def test_what_somebody_edited_is_undeployed_and_can_be_had_back(app):
    await deploy(app)
    on_disk(app).write_bytes(OTHER)

    await done(app, file.Undeploy(path=PATH))
    await done(app, file.Undo(path=PATH))

    assert on_disk(app).read_bytes() == OTHER
    assert await status(app) == ("drifted", ["content"])


async def test_undo_brings_back_content_mode_and_record_and_done_twice_the_change(app):
    await deploy(app, mode="0640")
    app.store.put("app.conf", OTHER)
    await deploy(app, mode="0600")

    back = await done(app, file.Undo(path=PATH))

    assert back == file.FileChanged(path=PATH, sha256=sha(PORT), changed=True)
    assert (on_disk(app).read_bytes(), on_disk(app).stat().st_mode & 0o777) == (PORT, 0o640)
    assert app.store.deployments[PATH].source_sha256 == sha(PORT)
    assert await status(app) == ("in-sync", None)

    again = await done(app, file.Undo(path=PATH))

    assert again.sha256 == sha(OTHER)
    assert (on_disk(app).read_bytes(), on_disk(app).stat().st_mode & 0o777) == (OTHER, 0o600)
    assert app.store.deployments[PATH].source_sha256 == sha(OTHER)


async def test_undo_of_a_first_deploy_removes_the_file_and_done_twice_has_it_back(app):
    await deploy(app, mode="0640")

    gone = await done(app, file.Undo(path=PATH))

    assert (gone.sha256, gone.changed, on_disk(app).exists()) == (None, True, False)
    assert not app.store.deployments[PATH].present
    await done(app, file.Undo(path=PATH))
    assert (on_disk(app).read_bytes(), on_disk(app).stat().st_mode & 0o777) == (PORT, 0o640)
    assert await status(app) == ("in-sync", None)


async def test_undo_of_an_undeploy_has_the_file_back_and_on_record(app):
    await deploy(app, mode="0640")
    await done(app, file.Undeploy(path=PATH))

    await done(app, file.Undo(path=PATH))

    assert on_disk(app).stat().st_mode & 0o777 == 0o640
    assert await status(app) == ("in-sync", None)


async def test_undo_of_a_change_to_a_file_of_somebody_else_gives_it_back(app):
    app.has({PATH: "mine\n"})
    await deploy(app)

    await done(app, file.Undo(path=PATH))

    assert on_disk(app).read_text() == "mine\n"
    assert not app.store.deployments[PATH].present


async def test_undo_has_a_link_back_that_was_undeployed(app):
    app.has({"/srv/app.conf": "old\n"})
    on_disk(app).parent.mkdir(parents=True)
    on_disk(app).symlink_to("/srv/app.conf")
    await deploy(app)

    await done(app, file.Undeploy(path=PATH))
    assert not on_disk(app).is_symlink()
    assert on_disk(app, "/srv/app.conf").read_bytes() == PORT

    await done(app, file.Undo(path=PATH))
    assert str(on_disk(app).readlink()) == "/srv/app.conf"
    assert on_disk(app, "/srv/app.conf").read_bytes() == PORT


async def test_undo_does_not_write_through_a_link_that_somebody_made_meanwhile(app):
    app.has({PATH: "mine\n", "/srv/other": "untouched\n"})
    await deploy(app)
    on_disk(app).unlink()
    on_disk(app).symlink_to("/srv/other")

    await done(app, file.Undo(path=PATH))

    assert not on_disk(app).is_symlink()
    assert on_disk(app).read_text() == "mine\n"
    assert on_disk(app, "/srv/other").read_text() == "untouched\n"


async def test_undo_without_a_version_before_says_so(app):
    assert PATH in await failed(app, file.Undo(path=PATH), "not_found")


async def test_a_version_of_more_than_16_mib_is_not_kept_and_undo_says_so(app):
    on_disk(app).parent.mkdir(parents=True)
    on_disk(app).write_bytes(b"x" * (versions.LARGEST + 1))
    await deploy(app)

    message = await failed(app, file.Undo(path=PATH), "conflict")

    assert "16777217 bytes" in message
    assert on_disk(app).read_bytes() == PORT


async def test_one_version_of_a_path_is_kept_and_only_the_agents_user_can_read_it(app):
    for number in range(3):
        app.store.put("app.conf", f"port = {number}\n".encode())
        await deploy(app)

    [folder] = on_disk(app, app.versions).iterdir()
    kept = {entry.name: entry for entry in folder.iterdir()}
    assert set(kept) == {"version.json", sha(b"port = 1\n")}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {entry.stat().st_mode & 0o777 for entry in kept.values()} == {0o600}


async def test_a_deploy_that_fails_leaves_the_version_before_as_it_is(app):
    await deploy(app)
    app.store.put("app.conf", OTHER)
    await deploy(app)
    info, _ = app.store.objects["app.conf"]
    app.store.objects["app.conf"] = attrs.evolve(info, sha256=sha(b"x")), b"y"
    await failed(app, file.Deploy(object_name="app.conf", path=PATH), "internal")

    assert (await done(app, file.Undo(path=PATH))).sha256 == sha(PORT)


async def test_a_deploy_that_changes_nothing_leaves_the_version_before_as_it_is(app):
    await deploy(app)
    app.store.put("app.conf", OTHER)
    await deploy(app)
    await deploy(app)

    assert (await done(app, file.Undo(path=PATH))).sha256 == sha(PORT)


async def test_the_owner_of_a_version_is_kept_by_number(app):
    app.has({PATH: "mine\n"})
    if os.getuid() == 0:
        os.chown(on_disk(app), 54321, 54322)
    before = on_disk(app).stat()
    await deploy(app, owner=str(os.getuid()), group=str(os.getgid()))

    await done(app, file.Undo(path=PATH))

    assert (on_disk(app).stat().st_uid, on_disk(app).stat().st_gid) == (before.st_uid, before.st_gid)
