"""What a dry run would have done: the changes are noted down here, and nothing else happens.

What it would have written is read back from here, so that a provider goes on as after a real write.
"""

import re
import stat
from difflib import unified_diff
from pathlib import PurePosixPath

import attrs

from agent.files import Disk, Stat
from osapi.errors import Refused
from osapi.results import FilePlan, Plan


@attrs.frozen
class Entry:
    """A file or a link; `mode` has the type bits, a link holds its target."""

    mode: int
    content: bytes

    @property
    def link(self) -> bool:
        return stat.S_ISLNK(self.mode)


@attrs.frozen
class Rehearsal:
    """The files of a disk, and over them the changes of one dry run; None is a file that was removed."""

    disk: Disk
    before: dict[str, Entry | None] = attrs.field(factory=dict)
    after: dict[str, Entry | None] = attrs.field(factory=dict)
    commands: list[list[str]] = attrs.field(factory=list)

    def read(self, name: str) -> bytes | None:
        real = self._followed(name)
        if real not in self.after:
            return self.disk.read(real)
        entry = self.after[real]
        return entry.content if entry else None

    def stat(self, name: str) -> Stat | None:
        real = self._followed(name)
        found = self.disk.stat(real)
        if real not in self.after:
            return found
        entry = self.after[real]
        if entry is None:
            return None
        owner = found or Stat(kind="file", mode=0, uid=0, gid=0, size=0)
        return attrs.evolve(owner, mode=stat.S_IMODE(entry.mode), size=len(entry.content))

    def link(self, name: str) -> str | None:
        real = self._real(name)
        if real not in self.after:
            return self.disk.link(real)
        entry = self.after[real]
        return entry.content.decode() if entry and entry.link else None

    def glob(self, pattern: str) -> list[str]:
        found = set(self.disk.glob(pattern))
        for name, entry in self.after.items():
            if entry is None:
                found.discard(name)
            elif PurePosixPath(name).match(pattern):
                found.add(name)
        return sorted(found)

    def replace(self, name: str, data: bytes, mode: int | None) -> bool:
        real = self._followed(name)
        held = self._now(real)
        bits = mode if mode is not None else stat.S_IMODE(held.mode) if held else 0o644
        return self._put(real, Entry(stat.S_IFREG | bits, data))

    def symlink(self, name: str, target: str) -> bool:
        return self._put(self._real(name), Entry(stat.S_IFLNK | 0o777, target.encode()))

    def remove(self, name: str) -> bool:
        return self._put(self._real(name), None)

    def plan(self) -> Plan:
        """All that was noted down; what ended as it began is left out."""
        changes = [(name, self.before[name], entry) for name, entry in self.after.items()]
        files = [
            FilePlan(path=name, action=_action(old, new), diff=_diff(old, new, name))
            for name, old, new in changes
            if old != new
        ]
        return Plan(files=files, commands=self.commands)

    def _put(self, real: str, entry: Entry | None) -> bool:
        now = self._now(real)
        if now == entry:
            return False
        self.before.setdefault(real, now)
        self.after[real] = entry
        return True

    def _now(self, real: str) -> Entry | None:
        if real in self.after:
            return self.after[real]
        if (target := self.disk.link(real)) is not None:
            return Entry(stat.S_IFLNK | 0o777, target.encode())
        found = self.disk.stat(real)
        if found is None:
            return None
        if found.kind != "file":
            raise Refused(f"{real} is not a regular file")
        return Entry(stat.S_IFREG | found.mode, self.disk.read(real) or b"")

    def _real(self, name: str) -> str:
        return "/" + "/".join(self.disk.resolve(name, last=False))

    def _followed(self, name: str) -> str:
        real = self._real(name)
        if real not in self.after:
            return "/" + "/".join(self.disk.resolve(name))
        entry = self.after[real]
        if entry and entry.link:
            return self._followed(str(PurePosixPath(name).parent / entry.content.decode()))
        return real


def _action(before: Entry | None, after: Entry | None) -> str:
    return "created" if before is None else "removed" if after is None else "changed"


def _diff(old: Entry | None, new: Entry | None, name: str) -> str:
    """A unified diff, after git's lines on modes."""
    names = name if old else "/dev/null", name if new else "/dev/null"
    before, after = _lines(old), _lines(new)
    if before is None or after is None:
        return _modes(old, new) + f"Binary files {names[0]} and {names[1]} differ\n"
    return _modes(old, new) + "".join(map(_ended, unified_diff(before, after, *names)))


def _modes(old: Entry | None, new: Entry | None) -> str:
    if old and new:
        return f"old mode {old.mode:o}\nnew mode {new.mode:o}\n" if old.mode != new.mode else ""
    return f"new file mode {new.mode:o}\n" if new else f"deleted file mode {old.mode:o}\n" if old else ""


def _lines(entry: Entry | None) -> list[str] | None:
    """The lines of a text, or None where it is none."""
    content = entry.content if entry else b""
    if entry and entry.link:
        return [f"-> {content.decode()}\n"]
    try:
        return None if b"\0" in content else re.findall(r"[^\n]*\n|[^\n]+", content.decode())
    except UnicodeDecodeError:
        return None


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
