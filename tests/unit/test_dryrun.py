"""Dry runs: they look for real, change nothing, and say what the real run then does."""

import re
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dryrun import Rehearsal
from agent.files import Disk
from agent.host import Host
from osapi.errors import Refused
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
    dry = attrs.evolve(host, dry=True)

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
    assert binary == "Binary files /etc/binary and /etc/binary differ\n"
    assert link.endswith("@@ -1 +1 @@\n--> /old\n+-> /new\n")
    assert mode == "old mode 100644\nnew mode 100600\n"


async def test_a_dry_run_reads_through_a_link_it_would_have_made(host):
    await host.write("/etc/zone", "berlin")
    dry = attrs.evolve(host, dry=True)

    await dry.symlink("/etc/localtime", "/etc/zone")

    assert await dry.read("/etc/localtime") == "berlin"
    assert await dry.link("/etc/localtime") == "/etc/zone"


NAMES = ("/etc/a.conf", "/etc/b.conf", "/etc/d/c.conf")
STEPS = st.one_of(
    st.tuples(
        st.just("replace"),
        st.sampled_from(NAMES),
        st.text("ab\n").map(str.encode),
        st.sampled_from([None, 0o600]),
    ),
    st.tuples(st.just("remove"), st.sampled_from(NAMES)),
    st.tuples(st.just("symlink"), st.sampled_from(NAMES[:2]), st.sampled_from(["/etc/d/c.conf", "/nowhere"])),
)


def held(root: Path) -> dict[str, tuple[int, str]]:
    """Each file and link by the name the host has for it: its mode, and what is in it."""
    found = (path for path in sorted(root.rglob("*")) if path.is_symlink() or path.is_file())
    return {
        f"/{path.relative_to(root)}": (
            path.lstat().st_mode,
            f"-> {path.readlink()}\n" if path.is_symlink() else path.read_text(),
        )
        for path in found
    }


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


@settings(max_examples=60, deadline=None)
@given(before=st.lists(STEPS, max_size=4), steps=st.lists(STEPS, max_size=8))
def test_a_dry_run_says_what_the_real_run_then_does(before, steps):
    with TemporaryDirectory() as folder:
        disk = Disk(Path(folder))
        for act, *arguments in before:
            getattr(disk, act)(*arguments)
        rehearsal, old = Rehearsal(disk), held(disk.root)

        foretold = [getattr(rehearsal, act)(*arguments) for act, *arguments in steps]
        plan, read = (
            rehearsal.plan(),
            [look(name) for name in NAMES for look in (rehearsal.read, rehearsal.link)],
        )
        found = rehearsal.glob("/etc/*.conf")
        assert held(disk.root) == old

        assert [getattr(disk, act)(*arguments) for act, *arguments in steps] == foretold
        new = held(disk.root)
        assert read == [look(name) for name in NAMES for look in (disk.read, disk.link)]
        assert found == disk.glob("/etc/*.conf")
    assert {file.path for file in plan.files} == {
        name for name in old.keys() | new.keys() if old.get(name) != new.get(name)
    }
    for file in plan.files:
        (mode, text), (new_mode, new_text) = (side.get(file.path, (0, "")) for side in (old, new))
        assert patched(text, file.diff) == new_text
        told = re.findall(r"^new .*mode (\d+)$", file.diff, re.MULTILINE)
        assert told == ([f"{new_mode:o}"] if new_mode not in {0, mode} else [])
