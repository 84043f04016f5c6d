"""What a dry run says of one file: a unified diff, with git's lines on modes, and lines of that kind on owners."""

import os
import re
from collections.abc import Sequence
from difflib import unified_diff
from functools import partial
from typing import Literal

import attrs

from agent.files import TYPES, Stat
from osapi.results import FilePlan

HELD = 1024 * 1024
"""Bytes of a file that a diff is made of at most."""
CONTEXT = 3
"""Lines that are shown before and after what differs."""
COMPARED = 10_000 * 10_000
"""Pairs of lines that are compared at most: half a second's work."""


@attrs.frozen
class Entry:
    """What lies under a name; of a file that was looked into, the SHA-256, and the content if that is not too large.

    A link holds its target.
    """

    stat: Stat = attrs.field(eq=lambda found: (found.kind, found.mode, found.uid, found.gid))
    sha256: str | None = None
    content: bytes | None = attrs.field(default=None, repr=False)

    @property
    def looked(self) -> bool:
        """Whether there is nothing more to know of what it holds."""
        return self.sha256 is not None or self.stat.kind != "file"

    @property
    def mode(self) -> int:
        """With the bits of its type."""
        return TYPES.get(self.stat.kind, 0) | self.stat.mode


def file_plan(name: str, old: Entry | None, new: Entry | None) -> FilePlan:
    action: Literal["created", "changed", "removed"] = (
        "created" if old is None else "removed" if new is None else "changed"
    )
    return FilePlan(
        path=_text(os.fsencode(name)), action=action, diff=_diff(old, new, _text(os.fsencode(name)))
    )


def _diff(old: Entry | None, new: Entry | None, name: str) -> str:
    head = _modes(old, new) + _owners(old, new)
    if old and new and (old.sha256, old.content) == (new.sha256, new.content):
        return head
    names = name if old else "/dev/null", name if new else "/dev/null"
    before, after = _lines(old), _lines(new)
    hunks = None if before is None or after is None else _hunks(before, after, names)
    if hunks is None:
        return f"{head}Files {names[0]} and {names[1]} differ\n{_summary('-', old)}{_summary('+', new)}"
    return head + hunks


def _modes(old: Entry | None, new: Entry | None) -> str:
    if old and new:
        return f"old mode {old.mode:06o}\nnew mode {new.mode:06o}\n" if old.mode != new.mode else ""
    return f"new file mode {new.mode:06o}\n" if new else f"deleted file mode {old.mode:06o}\n" if old else ""


def _owners(old: Entry | None, new: Entry | None) -> str:
    """By number, as user and group; of what is made or removed, it is that of the agent or told by `stat`."""
    if old is None or new is None:
        own = (os.geteuid(), os.getegid())
        return "" if new is None or _owner(new) == own else "new owner {}:{}\n".format(*_owner(new))
    if _owner(old) == _owner(new):
        return ""
    return "old owner {}:{}\nnew owner {}:{}\n".format(*_owner(old), *_owner(new))


def _owner(entry: Entry) -> tuple[int, int]:
    return entry.stat.uid, entry.stat.gid


def _lines(entry: Entry | None) -> list[str] | None:
    """The lines of a text, or None where it is none, or too large, or was not looked into."""
    if entry is None or entry.stat.kind not in {"file", "link"}:
        return []
    if entry.content is None or len(entry.content) > HELD:
        return None
    if entry.stat.kind == "link":
        return [f"-> {_text(entry.content)}\n"]
    try:
        return None if b"\0" in entry.content else re.findall(r"[^\n]*\n|[^\n]+", entry.content.decode())
    except UnicodeDecodeError:
        return None


def _hunks(before: list[str], after: list[str], names: tuple[str, str]) -> str | None:
    """A unified diff; None where it would take too long, which can be the product of what differs in both."""
    start = max(_alike(before, after) - CONTEXT, 0)
    end = max(_alike(before[start:][::-1], after[start:][::-1]) - CONTEXT, 0)
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    if len(old) * len(new) > COMPARED:
        return None
    shift = partial(re.sub, r"(?<=[-+])\d+(?=[ ,])", lambda number: str(int(number[0]) + start))
    lines = unified_diff(old, new, *names)
    return "".join(_ended(shift(line) if line.startswith("@@") else line) for line in lines)


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines are the same from the start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def _summary(sign: str, entry: Entry | None) -> str:
    """What is told of a file in place of its lines."""
    if entry is None:
        return ""
    digest = f"sha256 {entry.sha256}, " if entry.sha256 else ""
    return f"{sign}{digest}{entry.stat.size} bytes\n"


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
