"""Lines of files on a host; `tests/unit/test_editing.py` has what becomes of them."""

import os

import attrs
import pytest
from deploying import done, failed, on_disk, sha

from agent.dispatch import perform
from agent.files import KEPT
from agent.replacement import put
from osapi.errors import Conflict
from osapi.jobs import State
from osapi.operations import file

CONF = "/etc/ssh/ssh_config"
TEXT = "Port 22\nUser root\n"


@pytest.fixture
def app(host):
    """The host, with a configuration."""
    host.has({CONF: TEXT})
    on_disk(host, CONF).chmod(0o640)
    return host


def edit(**given):
    return file.EditLine(**{"path": CONF, **given})


async def test_a_line_is_replaced_and_mode_and_owner_are_kept(app):
    result = await done(app, edit(line="Port 2222", regexp="^Port"))

    assert on_disk(app, CONF).read_text() == "Port 2222\nUser root\n"
    assert on_disk(app, CONF).stat().st_mode & 0o777 == 0o640
    assert result == file.FileChanged(path=CONF, sha256=sha(b"Port 2222\nUser root\n"), changed=True)


async def test_what_is_so_already_is_not_written(app):
    before = on_disk(app, CONF).stat()

    result = await done(app, edit(line="Port 22", regexp="^Port", mode="640", backup=True))

    after = on_disk(app, CONF).stat()
    assert (result.changed, result.sha256, result.backup) == (False, sha(TEXT.encode()), None)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_the_mode_is_set_though_the_line_is_there(app):
    result = await done(app, edit(line="Port 22", mode="0600"))

    assert result.changed
    assert on_disk(app, CONF).stat().st_mode & 0o777 == 0o600


async def test_a_file_that_is_not_there_is_made_only_when_asked_to(app):
    message = await failed(app, edit(path="/srv/new/x", line="a"), "not_found")
    result = await done(app, edit(path="/srv/new/x", line="a", create=True, mode="0600", backup=True))

    assert "create" in message
    assert (result.changed, result.backup) == (True, None)
    assert on_disk(app, "/srv/new/x").read_text() == "a\n"
    assert on_disk(app, "/srv/new/x").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "given",
    [{"line": "a", "state": "absent"}, {"line": "a", "regexp": "b", "backrefs": True, "create": True}],
)
async def test_nothing_is_made_to_have_no_line_in_it(app, given):
    result = await done(app, edit(path="/srv/new", mode="0600", **given))

    assert result == file.FileChanged(path="/srv/new", changed=False)
    assert not on_disk(app, "/srv").exists()


async def test_what_does_not_go_together_is_refused_though_there_is_no_file(app):
    message = await failed(app, edit(path="/srv/new", line="a", regexp="(", state="absent"), "bad_input")

    assert message.startswith("regexp: '(' is no regular expression")


async def test_a_backup_is_what_was_there_before_the_line(app):
    result = await done(app, edit(regexp="^User", state="absent", backup=True))

    assert on_disk(app, result.backup).read_text() == TEXT
    assert on_disk(app, CONF).read_text() == "Port 22\n"


async def test_an_edit_can_be_undone(app):
    await done(app, edit(line="Compression yes"))

    await done(app, file.Undo(path=CONF))

    assert on_disk(app, CONF).read_text() == TEXT


async def test_bytes_that_are_not_utf_8_stay(app):
    on_disk(app, CONF).write_bytes(b"gr\xfc\xdfe\n")

    await done(app, edit(line="ü"))

    assert on_disk(app, CONF).read_bytes() == b"gr\xfc\xdfe\n\xc3\xbc\n"


async def test_a_file_that_somebody_changed_while_it_was_edited_is_left_so(app):
    with pytest.raises(Conflict, match="meanwhile"):
        await put(app, CONF, b"edited", KEPT, over=b"what it was")

    assert on_disk(app, CONF).read_text() == TEXT


async def test_a_file_that_is_too_large_to_be_edited_is_refused_with_its_size(app):
    os.truncate(on_disk(app, CONF), 4 * 1024 * 1024 + 1)

    assert "4194305 bytes" in await failed(app, edit(line="a"), "refused")


async def test_only_files_have_lines(app):
    on_disk(app, "/etc/pipe").parent.mkdir(exist_ok=True)
    os.mkfifo(on_disk(app, "/etc/pipe"))

    await failed(app, edit(path="/etc/ssh", line="a"), "refused")
    await failed(app, edit(path="/etc/pipe", line="a"), "refused")


async def test_a_dry_run_shows_the_line_and_the_real_run_does_just_that(app):
    before = app.holds()

    rehearsed = await perform(
        attrs.evolve(app, dry=True), edit(line="Port 2222", regexp="^Port", mode="0600")
    )

    assert (rehearsed.state, rehearsed.changed, app.holds()) == (State.COMPLETED, True, before)
    [plan] = rehearsed.plan.files
    assert (plan.path, plan.action) == (CONF, "changed")
    assert "old mode 100640\nnew mode 100600\n" in plan.diff
    assert "-Port 22\n+Port 2222\n User root\n" in plan.diff
    assert (await done(app, edit(line="Port 2222", regexp="^Port"))).sha256 == rehearsed.result.sha256
