"""Dry runs: they look for real, change nothing, and say what the real run then does."""

import os
import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.disk import Disk
from agent.dryrun import Rehearsal
from agent.files import Attributes, Stat
from agent.host import Host
from agent.plan import HELD, Entry, file_plan
from osapi.errors import OperationError, Refused
from osapi.results import FilePlan, Plan


@pytest.fixture
def root(tmp_path):
    found = tmp_path / "root"
    (found / "etc").mkdir(parents=True)
    return found


@pytest.fixture
def host(root):
    return Host(root=root)


async def test_a_dry_run_looks_and_changes_nothing(host, root):
    await host.write("/etc/old", "a\n")
    dry = attrs.evolve(host, dry=True, permit=lambda _: None)

    await dry.write("/etc/new", "b\n", mode=0o600)
    await dry.remove("/etc/old")
    await dry.change("touch", str(root / "made"))

    assert await dry.run("echo", "looked") == "looked\n"
    assert [path.name for path in root.rglob("*")] == ["etc", "old"]
    assert dry.plan == Plan(
        files=[
            FilePlan(
                path="/etc/new",
                action="created",
                diff="new file mode 100600\n--- /dev/null\n+++ /etc/new\n@@ -0,0 +1 @@\n+b\n",
            ),
            FilePlan(
                path="/etc/old",
                action="removed",
                diff="deleted file mode 100644\n--- /etc/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
            ),
        ],
        commands=[["touch", str(root / "made")]],
    )


async def test_for_real_there_is_no_plan_and_change_runs(host, root):
    host = attrs.evolve(host, permit=lambda _: None)

    await host.change("touch", str(root / "made"))

    assert host.plan is None
    assert await host.stat("/made")


async def test_each_dry_run_begins_with_an_empty_plan(host):
    first = attrs.evolve(host, dry=True)
    await first.write("/etc/motd", "x")

    second = attrs.evolve(first, hostname="web-01")

    assert second.plan == Plan()


async def test_a_dry_run_refuses_what_the_real_run_refuses(host, root):
    (root / "etc/there").symlink_to("../../outside")
    (root / "etc/folder").mkdir()
    dry = attrs.evolve(host, dry=True)

    for name in ("/etc/there/motd", "/etc/folder", "/etc/../motd"):
        with pytest.raises(Refused):
            await dry.write(name, "x")


async def test_a_dry_run_shows_binary_files_links_and_modes(host, root):
    (root / "etc/binary").write_bytes(b"\0")
    (root / "etc/link").symlink_to("/old")
    await host.write("/etc/mode", "same")
    dry = attrs.evolve(host, dry=True)

    await dry.write("/etc/binary", "text")
    await dry.symlink("/etc/link", "/new")
    await dry.write("/etc/mode", "same", mode=0o600)

    binary, link, mode = (file.diff for file in dry.plan.files)
    old, new = (sha256(data).hexdigest() for data in (b"\0", b"text"))
    assert binary == (
        f"Files /etc/binary and /etc/binary differ\n-sha256 {old}, 1 bytes\n+sha256 {new}, 4 bytes\n"
    )
    assert link.endswith("@@ -1 +1 @@\n--> /old\n+-> /new\n")
    assert mode == "old mode 100644\nnew mode 100600\n"


async def test_a_dry_run_reads_through_a_link_it_would_have_made(host):
    await host.write("/etc/zone", "berlin")
    dry = attrs.evolve(host, dry=True)

    await dry.symlink("/etc/localtime", "/etc/zone")

    assert await dry.read("/etc/localtime") == "berlin"
    assert await dry.link("/etc/localtime") == "/etc/zone"


def parents(wanted: bool) -> dict[str, bool]:
    """As an option of a step."""
    return {"parents": wanted}


NAMES = ("/etc/a", "/etc/b", "/etc/d/c", "/etc/d/e/f")
FOLDERS = ("/etc", "/etc/d", "/etc/d/e")
OWNERS = st.sampled_from([None, 0, 1, 65534]) if os.geteuid() == 0 else st.none()
ATTRIBUTES = st.builds(
    Attributes, mode=st.sampled_from([None, 0o600, 0o4755, 0o2775]), uid=OWNERS, gid=OWNERS
)
ANY = st.sampled_from(NAMES + FOLDERS)
STEPS = st.one_of(
    st.tuples(
        st.just("replace"), ANY, st.text("ab\n").map(str.encode), ATTRIBUTES, st.booleans().map(parents)
    ),
    st.tuples(st.just("symlink"), st.sampled_from(NAMES[:2]), st.sampled_from(["/etc/d/c", "/nowhere"])),
    st.tuples(st.sampled_from(["set_attributes", "make_folder"]), ANY, ATTRIBUTES),
    st.tuples(st.sampled_from(["remove", "remove_folder", "remove_tree"]), ANY),
)


def held(root: Path) -> dict[str, tuple[int, int, int, str]]:
    """What there is by the name that the host has for it: mode, owner, and what is in it."""
    return {
        f"/{path.relative_to(root)}": (found.st_mode, found.st_uid, found.st_gid, content(path))
        for path in sorted(root.rglob("*"))
        for found in [path.lstat()]
    }


def content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}\n"
    return path.read_text() if path.is_file() else ""


def patched(text: str, diff: str) -> str:
    """What patch(1) makes of a text; fails where the diff is not one of that text."""
    old, new, at = re.findall(r"[^\n]*\n|[^\n]+", text), [], 0
    lines = diff.split("\n")
    for line, following in pairwise(
        lines[next((i for i, x in enumerate(lines) if x[:2] == "@@"), len(lines)) :]
    ):
        body = line[1:] + ("" if following.startswith("\\") else "\n")
        if hunk := re.match(r"@@ -(\d+)(,0)?", line):
            start = int(hunk[1]) - (not hunk[2])
            new, at = new + old[at:start], start
        elif line[0] in "- ":
            assert old[at] == body
            at += 1
        if line[0] in "+ ":
            new.append(body)
    return "".join(new + old[at:])


def done(files: Disk | Rehearsal, steps: list[tuple]) -> list[object]:
    """What comes of each step: whether it changed something, or why it was not done."""
    found = []
    for act, *arguments in steps:
        *given, last = arguments
        options = last if isinstance(last, dict) else {}
        try:
            found.append(getattr(files, act)(*(given if options else arguments), **options))
        except (OperationError, OSError) as error:
            found.append((type(error), getattr(error, "errno", str(error))))
    return found


def seen(files: Disk | Rehearsal) -> list[object]:
    """What can be read."""
    looks = ["read", "digest", "link", "stat", "walk"]
    found = done(files, [(look, name) for name in NAMES + FOLDERS for look in looks])
    return [attrs.evolve(one, modified=0, size=0) if isinstance(one, Stat) else one for one in found] + [
        files.glob("/etc/*")
    ]


def edited(lines: list[str], edits: list[tuple[int, str]]) -> str:
    """A text of lines, some of them other ones."""
    for at, line in edits:
        lines = [*lines[: at % (len(lines) + 1)], line, *lines[at % (len(lines) + 1) + 1 :]]
    return "".join(lines)


@settings(max_examples=100, deadline=None)
@given(
    length=st.integers(0, 40),
    edits=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["", "a\n", "b"]))),
)
def test_a_diff_of_long_texts_is_what_patch_makes_the_new_one_of(length, edits):
    lines = [f"{number % 7}\n" for number in range(length)]

    diff = diffed("".join(lines), edited(lines, edits))

    assert patched("".join(lines), diff) == edited(lines, edits)


def diffed(old: str, new: str) -> str:
    stat = Stat(kind="file", mode=0o644, uid=0, gid=0, size=0, modified=0)
    return file_plan(
        "/etc/app", *(Entry(stat, sha256(text.encode()).hexdigest(), text.encode()) for text in (old, new))
    ).diff


def test_what_would_take_long_to_compare_is_told_by_its_digest():
    lines = [f"{number % 150}\n" for number in range(HELD // 5)]

    assert diffed("".join(lines), "x\n" + "".join(lines)).count("\n") == 7
    assert diffed("".join(lines), "").count("\n-") == len(lines)
    assert diffed("".join(lines), "".join(lines[::-1])).startswith(
        "Files /etc/app and /etc/app differ\n-sha256 "
    )


@settings(max_examples=100, deadline=None)
@given(before=st.lists(STEPS, max_size=4), steps=st.lists(STEPS, max_size=8))
def test_a_dry_run_says_what_the_real_run_then_does(before, steps):
    with TemporaryDirectory() as folder:
        disk = Disk(Path(folder))
        done(disk, before)
        rehearsal, old = Rehearsal(disk), held(disk.root)

        foretold, plan, read = done(rehearsal, steps), rehearsal.plan(), seen(rehearsal)
        assert held(disk.root) == old

        assert done(disk, steps) == foretold
        assert seen(disk) == read
        new = held(disk.root)
    assert {file.path for file in plan.files} == {
        name for name in old.keys() | new.keys() if old.get(name) != new.get(name)
    }
    for file in plan.files:
        check(file, old.get(file.path), new.get(file.path))


def check(file: FilePlan, old: tuple | None, new: tuple | None) -> None:
    """Whether a diff makes of what was there what is there now."""
    mode, *owner, text = old or (0, os.geteuid(), os.getegid(), "")
    new_mode, *new_owner, new_text = new or (0, *owner, "")
    if "differ\n" not in file.diff:
        assert patched(text, file.diff) == new_text
    told = re.findall(r"^new .*mode (\d+)$", file.diff, re.MULTILINE)
    assert told == ([f"{new_mode:06o}"] if new_mode not in {0, mode} else [])
    told = re.findall(r"^new owner (\d+):(\d+)$", file.diff, re.MULTILINE)
    assert told == ([(str(new_owner[0]), str(new_owner[1]))] if new_owner != owner else [])
