"""Files from the object store on the disk of a host: deployed, compared, put right."""

import os
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from deploying import OTHER, PATH, PORT, deploy, failed, on_disk, sha, status
from shelf import Shelf

from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations import file
from osapi.registry import Facts


async def test_deploy_puts_an_object_on_the_disk_and_on_record(app):
    result = await deploy(app, mode="0640")

    assert result == file.Deployed(path=PATH, sha256=sha(PORT), changed=True)
    assert on_disk(app).read_bytes() == PORT
    assert on_disk(app).stat().st_mode & 0o7777 == 0o640
    record = app.store.deployments[PATH]
    assert (record.object_name, record.sha256, record.source_sha256) == ("app.conf", sha(PORT), sha(PORT))
    assert (record.mode, record.content_type, record.present) == ("0640", "raw", True)


async def test_a_second_deploy_changes_nothing_and_writes_nothing_to_the_broker(app):
    await deploy(app, mode="0640", owner=str(os.getuid()))
    before, written, read = on_disk(app).stat(), app.store.written, app.store.read

    result = await deploy(app, mode="640", owner=str(os.getuid()))

    assert not result.changed
    assert (app.store.written, app.store.read) == (written, read)
    assert (on_disk(app).stat().st_ino, on_disk(app).stat().st_mtime) == (before.st_ino, before.st_mtime)


async def test_what_was_there_already_is_left_alone_and_put_on_record(app):
    app.has({PATH: PORT.decode()})

    result = await deploy(app)

    assert not result.changed
    assert app.store.deployments[PATH].sha256 == sha(PORT)


async def test_deploy_repairs_what_drifted(app):
    await deploy(app, mode="0640")
    on_disk(app).write_bytes(OTHER)
    on_disk(app).chmod(0o666)

    assert await status(app) == ("drifted", ["content", "mode"])
    assert (await deploy(app, mode="0640")).changed
    assert (on_disk(app).read_bytes(), on_disk(app).stat().st_mode & 0o777) == (PORT, 0o640)
    assert await status(app) == ("in-sync", None)


async def test_only_the_mode_is_put_right_where_only_that_drifted(app):
    await deploy(app, mode="0640")
    on_disk(app).chmod(0o600)
    read = app.store.read

    assert await status(app) == ("drifted", ["mode"])
    assert (await deploy(app, mode="0640")).changed
    assert on_disk(app).stat().st_mode & 0o777 == 0o640
    assert app.store.read == read


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
async def test_owner_and_group_are_applied_compared_and_put_right(app):
    await deploy(app, owner="nobody", group="12345")
    found = on_disk(app).stat()
    os.chown(on_disk(app), 0, 0)

    assert (found.st_uid, found.st_gid) == (65534, 12345)
    assert await status(app) == ("drifted", ["owner", "group"])
    assert (await deploy(app, owner="nobody", group="12345")).changed
    assert await status(app) == ("in-sync", None)


async def test_mode_and_owner_that_are_not_given_are_kept(app):
    app.has({PATH: "old\n"})
    on_disk(app).chmod(0o600)

    await deploy(app, mode="", owner="", group="")

    assert on_disk(app).stat().st_mode & 0o777 == 0o600
    assert app.store.deployments[PATH].mode is None
    on_disk(app).chmod(0o644)
    assert await status(app) == ("in-sync", None)


async def test_a_user_that_the_host_does_not_have_is_named_and_nothing_is_changed(app):
    message = await failed(
        app, file.Deploy(object_name="app.conf", path=PATH, owner="no-such-user"), "not_found"
    )

    assert "no-such-user" in message
    assert not on_disk(app).exists()


async def test_an_object_that_is_not_there_is_named(host):
    message = await failed(host, file.Deploy(object_name="nothing.conf", path=PATH), "not_found")

    assert "nothing.conf" in message


async def test_a_template_is_rendered_for_the_host(host):
    host = attrs.evolve(host, facts=Facts(cpu_count=8, architecture="x86_64"))
    host.store.put(
        "app.conf",
        b"# {{ .Hostname }}\nlisten = {{ .Vars.address }}\nworkers = {{ .Facts.cpu_count }}\n",
        "template",
    )

    result = await deploy(host, vars={"address": "0.0.0.0:8080"})

    assert on_disk(host).read_bytes() == b"# web-01\nlisten = 0.0.0.0:8080\nworkers = 8\n"
    record = host.store.deployments[PATH]
    assert record.sha256 == result.sha256 == sha(on_disk(host).read_bytes())
    assert record.source_sha256 == host.store.objects["app.conf"][0].sha256
    assert not (await deploy(host, vars={"address": "0.0.0.0:8080"})).changed
    assert (await deploy(host, vars={"address": "127.0.0.1:8080"})).changed


async def test_the_content_type_that_is_given_is_stronger_than_that_of_the_object(host):
    host.store.put("app.conf", b"{{ hostname }}\n", "template")

    await deploy(host, content_type="raw")

    assert on_disk(host).read_bytes() == b"{{ hostname }}\n"
    assert host.store.deployments[PATH].content_type == "raw"
    await deploy(host, content_type="template")
    assert on_disk(host).read_bytes() == b"web-01\n"


async def test_a_template_with_an_unknown_name_fails_and_names_it(host):
    host.store.put("app.conf", b"ok\n{{ .Vars.adress }}\n", "template")

    performed = await perform(host, file.Deploy(object_name="app.conf", path=PATH, vars={"address": "x"}))

    assert performed.state is State.FAILED
    assert "adress" in performed.error
    assert (on_disk(host).exists(), host.store.written) == (False, 0)


async def test_a_template_of_more_than_4_mib_is_refused(host):
    host.store.put("app.conf", b"x" * (4 * 1024 * 1024 + 1), "template")

    message = await failed(host, file.Deploy(object_name="app.conf", path=PATH), "too_large")

    assert "4194305 bytes" in message


async def test_a_folder_in_the_place_of_the_file_is_a_conflict(app):
    on_disk(app).mkdir(parents=True)

    message = await failed(app, file.Deploy(object_name="app.conf", path=PATH), "conflict")

    assert "is a folder" in message


async def test_a_link_is_followed_and_one_to_nowhere_is_a_conflict(app):
    app.has({"/srv/app.conf": "old\n"})
    on_disk(app).parent.mkdir(parents=True)
    on_disk(app).symlink_to("/srv/app.conf")

    assert (await deploy(app)).changed
    assert on_disk(app).is_symlink()
    assert on_disk(app, "/srv/app.conf").read_bytes() == PORT

    on_disk(app, "/srv/app.conf").unlink()
    assert "a link to where nothing is" in await failed(
        app, file.Deploy(object_name="app.conf", path=PATH), "conflict"
    )


async def test_a_path_goes_by_one_name(app):
    await deploy(app, path="//etc/./app//app.conf")

    assert list(app.store.deployments) == [PATH]
    assert await status(app, "/etc/app/app.conf/") == ("in-sync", None)


@pytest.mark.parametrize("path", ["/proc/sys/kernel/hostname", "/etc/shadow", "/etc/../etc/passwd"])
async def test_a_path_that_is_not_allowed_is_refused(app, path):
    for operation in (
        file.Deploy(object_name="app.conf", path=path),
        file.Undeploy(path=path),
        file.Status(path=path),
        file.Undo(path=path),
    ):
        await failed(app, operation, "refused")


async def test_an_object_that_is_replaced_while_it_is_read_is_begun_again(app):
    class Replaced(Shelf):
        @asynccontextmanager
        async def read_object(self, found):
            if found.sha256 == sha(PORT):
                self.put("app.conf", OTHER)
            async with super().read_object(found) as pieces:
                yield pieces

    store = Replaced(objects=app.store.objects)

    result = await deploy(attrs.evolve(app, store=store))

    assert result.sha256 == sha(OTHER) == store.deployments[PATH].source_sha256
    assert on_disk(app).read_bytes() == OTHER


async def test_two_deploys_to_one_path_come_one_after_the_other(app):
    app.store.put("other.conf", OTHER * 100_000)

    async with trio.open_nursery() as nursery:
        for name in ("app.conf", "other.conf", "app.conf", "other.conf"):
            nursery.start_soon(lambda name=name: deploy(app, object_name=name))

    assert app.store.deployments[PATH].sha256 == sha(on_disk(app).read_bytes())
    assert await status(app) == ("in-sync", None)


async def test_content_that_is_not_that_of_its_sha256_is_refused_and_nothing_is_changed(app):
    info, _ = app.store.objects["app.conf"]
    app.store.objects["app.conf"] = info, b"something else"
    app.has({PATH: "old\n"})

    performed = await perform(app, file.Deploy(object_name="app.conf", path=PATH))

    assert performed.state is State.FAILED
    assert on_disk(app).read_bytes() == b"old\n"
    assert app.store.deployments == {}


async def test_a_dry_run_tells_the_diff_and_does_nothing(app, rehearsing):
    await deploy(app, mode="0640")
    app.store.put("app.conf", OTHER)
    before, written = app.holds(), app.store.written

    performed = await perform(rehearsing, file.Deploy(object_name="app.conf", path=PATH, mode="0600"))

    assert performed.changed
    assert (app.holds(), app.store.written) == (before, written)
    [plan] = performed.plan.files
    assert plan.path == PATH
    assert "-port = 80\n+port = 81\n" in plan.diff
    assert "new mode 100600" in plan.diff


async def test_more_than_memory_should_hold_is_deployed_as_it_comes(app):
    data = os.urandom(1024 * 1024) * 20
    app.store.put("big.img", data)

    result = await deploy(app, object_name="big.img", path="/srv/big.img")

    assert result.sha256 == sha(data)
    assert on_disk(app, "/srv/big.img").read_bytes() == data
