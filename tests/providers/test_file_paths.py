"""No text that comes in becomes another path, a link, a line, or a command; and a dry run changes nothing."""

import attrs
import pytest
from deploying import done, failed, on_disk
from hostile import VALUES

from agent.dispatch import perform
from osapi import wire
from osapi.errors import BadInput
from osapi.jobs import State
from osapi.operation import parameters
from osapi.operations import file

CONF = "/etc/app/app.conf"

OPERATIONS = {
    "stat": lambda path: file.Stat(path=path),
    "stat through links": lambda path: file.Stat(path=path, follow=True),
    "read": lambda path: file.Read(path=path),
    "read as base64": lambda path: file.Read(path=path, encoding="base64"),
    "write": lambda path: file.Write(path=path, content="evil"),
    "line": lambda path: file.EditLine(path=path, line="evil", create=True),
    "permissions": lambda path: file.Permissions(path=path, mode="0777"),
    "permissions of all": lambda path: file.Permissions(path=path, mode="0777", recursive=True),
    "directory": lambda path: file.Directory(path=path, mode="0777"),
    "delete": lambda path: file.Delete(path=path),
    "delete all": lambda path: file.Delete(path=path, recursive=True),
    "copy from": lambda path: file.Copy(source=path, destination="/srv/stolen"),
    "copy to": lambda path: file.Copy(source=CONF, destination=path),
}

EACH = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


@pytest.fixture
def app(host):
    """The host, with a configuration, and what nobody may touch."""
    host.has({
        CONF: "port = 80\n",
        "/etc/shadow": "root:secret\n",
        "/etc/ssh/ssh_host_rsa_key": "secret\n",
        "/var/lib/osapi/agent/key": "secret\n",
        "/proc/1/environ": "secret\n",
        "/sys/kernel/x": "secret\n",
        "/dev/sda": "secret\n",
    })  # fmt: skip
    return host


REFUSED = [
    "/etc/shadow",
    "/etc/shadow-",
    "//etc//shadow",
    "/etc/./shadow",
    "/etc/gshadow",
    "/etc/ssh/ssh_host_rsa_key",
    "/var/lib/osapi",
    "/var/lib/osapi/agent/key",
    "/var/lib/osapi/agent/versions/new",
    "/proc",
    "/proc/1/environ",
    "/proc/self/root/etc/app/app.conf",
    "/sys/kernel/x",
    "/dev/sda",
    "/dev/stdin",
    "/etc/app/../shadow",
    "/../etc/shadow",
    "/..",
    "/srv/../../../etc/passwd",
]


@EACH
@pytest.mark.parametrize("path", REFUSED)
async def test_a_path_that_is_refused_is_refused_to_each(app, operation, path):
    before = app.holds()

    await failed(app, operation(path), "refused")

    assert app.holds() == before


@EACH
@pytest.mark.parametrize(
    "target", ["/etc/shadow", "../shadow", "/var/lib/osapi", "/proc/1/environ", "/dev/sda"]
)
async def test_a_link_does_not_lead_to_what_is_refused(app, operation, target):
    on_disk(app, "/etc/app/link").symlink_to(target)
    before = app.holds()

    await failed(app, operation("/etc/app/link"), "refused")

    assert app.holds() == before


@EACH
async def test_a_folder_that_is_a_link_does_not_lead_there_either(app, operation):
    on_disk(app, "/srv").mkdir()
    on_disk(app, "/srv/a").symlink_to("/var/lib")
    before = app.holds()

    await failed(app, operation("/srv/a/osapi/agent/key"), "refused")

    assert app.holds() == before


@EACH
async def test_hostile_text_is_part_of_one_name_or_refused(app, operation):
    before = app.holds()
    for text in VALUES.values():
        asked = operation(f"/srv/{text}")
        if not accepts(type(asked), wire.given(asked)):
            continue
        performed = await perform(app, asked)

        assert performed.code != "internal", text
        outside = {
            name: held
            for name, held in app.holds().items()
            if not name.startswith(("/srv/", "/var/lib/osapi/agent/versions/"))
        }
        assert outside == before, text
    assert app.ran == []
    for name, held in app.holds().items():
        assert held == "evil\n" or not name.startswith("/srv/") or held in {"evil", "port = 80\n"}


async def test_hostile_text_in_a_line_or_a_content_is_that_and_nothing_else(app):
    for text in VALUES.values():
        for asked in (
            file.Write(path="/srv/content", content=text),
            file.EditLine(path="/srv/line", line=text, create=True),
            file.EditLine(path="/srv/regexp", line="x", regexp=text or None, create=True),
            file.EditLine(path="/srv/searched", line="x", search_string=text or None, create=True),
            file.EditLine(path="/srv/after", line="x", insertafter=text or None, create=True),
            file.EditLine(path="/srv/before", line="x", insertbefore=text or None, create=True),
        ):
            if not accepts(type(asked), wire.given(asked)):
                continue
            performed = await perform(app, asked)

            assert performed.code in {None, "bad_input"}, (text, performed)
            if performed.state is State.COMPLETED and asked.path == "/srv/content":
                assert on_disk(app, asked.path).read_bytes() == text.encode()
            if performed.state is State.COMPLETED and asked.path == "/srv/line":
                assert text.encode() in on_disk(app, asked.path).read_bytes().split(b"\n")
    assert app.ran == []
    assert set(on_disk(app, "/srv").iterdir()) == {
        on_disk(app, f"/srv/{name}") for name in ("content", "line", "regexp", "searched", "after", "before")
    }
    assert on_disk(app, "/srv/regexp").read_text() == "x\n"


TAKEN = {"mode": {""}, "directory_mode": {""}, "owner": {"", "0", "true", "null", "_all"}}
"""Of hostile values, those that are a mode, or may be the name of somebody; of a group as of an owner."""


@pytest.mark.parametrize(
    "operation", [file.Write, file.EditLine, file.Permissions, file.Directory, file.Copy]
)
@pytest.mark.parametrize("field", ["mode", "directory_mode", "owner", "group"])
def test_mode_and_owner_take_nothing_else(operation, field):
    fields = {parameter.name for parameter in parameters(operation)}
    needed = dict.fromkeys(fields & {"path", "source", "destination"}, "/x")

    taken = {
        text for text in VALUES.values() if field in fields and accepts(operation, needed | {field: text})
    }

    assert taken == (TAKEN[field.replace("group", "owner")] if field in fields else set())


def accepts(operation, given):
    try:
        wire.params(operation, given, resolved=True)
    except BadInput:
        return False
    return True


CHANGES = [
    file.Write(path=CONF, content="new\n", mode="0600"),
    file.Write(path="/srv/new/file", content="new\n"),
    file.EditLine(path=CONF, line="port = 81", regexp="^port"),
    file.EditLine(path=CONF, regexp="^port", state="absent"),
    file.EditLine(path="/srv/new/file", line="x", create=True, mode="0600"),
    file.Permissions(path=CONF, mode="0600"),
    file.Permissions(path="/etc/app", mode="0600", directory_mode="0700", recursive=True),
    file.Directory(path="/srv/a/b", mode="0700"),
    file.Delete(path=CONF),
    file.Delete(path="/etc/app", recursive=True),
    file.Copy(source=CONF, destination="/srv/copy"),
    file.Copy(source="/etc/os-release", destination=CONF),
]


@pytest.mark.parametrize("asked", CHANGES, ids=str)
async def test_a_dry_run_tells_what_the_real_run_does_and_a_second_run_nothing(app, asked):
    before = app.holds()

    rehearsed = await perform(attrs.evolve(app, dry=True), asked)
    untouched = app.holds()
    real = await perform(app, asked)
    again = await perform(app, asked)
    after = await perform(attrs.evolve(app, dry=True), asked)

    assert untouched == before
    assert (rehearsed.result, rehearsed.changed) == (real.result, True)
    assert rehearsed.plan.files
    assert (again.state, again.changed) == (State.COMPLETED, False)
    assert after.plan.files == []
    changed = {
        name for name in app.holds().items() ^ before.items() if not name[0].startswith("/var/lib/osapi")
    }
    assert {name for name, _ in changed} <= {plan.path for plan in rehearsed.plan.files}


async def test_a_backup_is_beside_the_file_and_in_the_plan(app):
    rehearsed = await perform(
        attrs.evolve(app, dry=True), file.Write(path=CONF, content="new\n", backup=True)
    )

    backup, changed = sorted(rehearsed.plan.files, key=lambda plan: plan.action == "changed")
    assert backup.path == rehearsed.result.backup
    assert "+port = 80\n" in backup.diff
    assert "-port = 80\n+new\n" in changed.diff
    assert (await done(app, file.Write(path=CONF, content="new\n", backup=True))).backup.startswith(
        f"{CONF}."
    )


async def test_a_backup_that_the_policy_refuses_refuses_the_change(app):
    strict = attrs.evolve(app, policy=attrs.evolve(app.policy, refuse=["/etc/app/*.bak"]))

    await failed(strict, file.Write(path=CONF, content="new\n", backup=True), "refused")

    assert on_disk(app, CONF).read_text() == "port = 80\n"
