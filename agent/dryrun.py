"""What a dry run would have done: the changes are noted down here, and nothing else happens.

What it would have written is read back from here, so that a provider goes on as after a real write.
"""

import errno
import os
import time
from hashlib import sha256
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import attrs

from agent.disk import LINKS, Disk, shown, too_many
from agent.files import KEPT, Attributes, Stat, Step, fresh, must_be, must_not_be, onward
from agent.plan import HELD, Entry, file_plan
from osapi.errors import Conflict, NotFound, OperationError, Refused
from osapi.results import FilePlan, Plan


@attrs.frozen
class Rehearsal:
    """The files of a disk, and over them the changes of one dry run; None is what was removed.

    See `agent.files.Files`.
    """

    disk: Disk
    step: Step = onward
    before: dict[str, Entry | None] = attrs.field(factory=dict)
    after: dict[str, Entry | None] = attrs.field(factory=dict)
    plans: dict[str, FilePlan] = attrs.field(factory=dict)
    commands: list[list[str]] = attrs.field(factory=list)

    def read(self, name: str) -> bytes | None:
        file = self.open(name)
        if file is None:
            return None
        with file:
            return file.read()

    def open(self, name: str) -> BinaryIO | None:
        real = self._followed(name)
        entry = self._file(real, name)
        if entry is None:
            return None
        if entry.sha256 is None:
            return self.disk.open(real)
        if entry.content is None:
            raise OperationError(f"{name}: a dry run does not hold the {entry.stat.size} bytes it would have")
        return BytesIO(entry.content)

    def digest(self, name: str, step: Step = onward) -> str | None:
        real = self._followed(name)
        entry = self._file(real, name)
        return (entry.sha256 or self.disk.digest(real, step)) if entry else None

    def stat(self, name: str, *, follow: bool = True) -> Stat | None:
        entry = self._now(self._followed(name) if follow else self._real(name))
        return _stat(entry)

    def link(self, name: str) -> str | None:
        real = self._real(name)
        if real not in self.after:
            return self.disk.link(real)
        entry = self.after[real]
        return os.fsdecode(entry.content or b"") if entry and entry.stat.kind == "link" else None

    def glob(self, pattern: str) -> list[str]:
        found = set(self.disk.glob(pattern))
        for name, entry in self.after.items():
            if entry is None:
                found.discard(name)
            elif PurePosixPath(name).match(pattern):
                found.add(name)
        return sorted(found)

    def walk(self, name: str, step: Step = onward) -> list[str]:
        real = self._followed(name)
        self._folder(real, make=False)
        top, here = real.rstrip("/"), shown(name).rstrip("/")
        on_disk = self.disk.stat(real)
        found = set(self.disk.walk(real, step)) if on_disk and on_disk.kind == "folder" else set[str]()
        noted = {path for path in self.after if path.startswith(f"{top}/")}
        found = found - noted | {path for path in noted if self.after[path]}
        if len(found) > self.disk.most:
            raise too_many(name, self.disk.most)
        return [here + path[len(top) :] for path in sorted(found, key=lambda path: path.split("/"))]

    def replace(self, name: str, data: bytes, wanted: Attributes = KEPT, *, parents: bool = True) -> bool:
        real, becomes = self._becoming(name, wanted, parents=parents)
        return self.put(real, Entry(_sized(becomes, len(data)), sha256(data).hexdigest(), data))

    def draft(self, name: str, wanted: Attributes = KEPT, *, parents: bool = True) -> "NotedDraft":
        return NotedDraft(self, *self._becoming(name, wanted, parents=parents))

    def set_attributes(self, name: str, wanted: Attributes, *, follow: bool = False) -> bool:
        real = self._followed(name) if follow else self._real(name)
        self._folder(_above(real), make=False)
        entry = self._now(real)
        if entry is None:
            raise NotFound(f"there is no {name}")
        must_not_be("link", entry.stat, name)
        return self.note(real, attrs.evolve(entry, stat=entry.stat.given(wanted)))

    def make_folder(self, name: str, wanted: Attributes = KEPT) -> bool:
        real = self._followed(name)
        folder = self._folder(_above(real), make=True)
        entry = self._now(real) or Entry(fresh("folder", folder))
        must_be("folder", entry.stat, name)
        return self.put(real, Entry(entry.stat.given(wanted)))

    def symlink(self, name: str, target: str) -> bool:
        real = self._real(name)
        folder = self._folder(_above(real), make=True)
        now = self._now(real)
        if now and now.stat.kind == "folder":
            raise _error(errno.EISDIR)
        content = os.fsencode(target)
        if now and now.stat.kind == "link" and now.content == content:
            return False
        made = attrs.evolve(fresh("file", folder), kind="link", mode=0o777)
        return self.put(real, Entry(_sized(made, len(content)), content=content))

    def remove(self, name: str) -> bool:
        real = self._real(name)
        now = self._now(real)
        must_not_be("folder", _stat(now), name)
        return self.note(real, None)

    def remove_folder(self, name: str) -> bool:
        real = self._real(name)
        now = self._now(real)
        must_be("folder", _stat(now), name)
        if now and self.walk(real):
            raise Conflict(f"{name} is not empty; recursive removes a folder with all in it")
        return self.note(real, None)

    def remove_tree(self, name: str, step: Step = onward) -> bool:
        """See `agent.files.Files`; the plan names all of it, and has no content."""
        self.disk.check_tree(name)
        real = self._real(name)
        now = self._now(real)
        below = self.walk(real, step) if now and now.stat.kind == "folder" else []
        for path in (real, *below):
            self.note(path, None, look=False)
        return now is not None

    def plan(self) -> Plan:
        """All that was noted down; what ended as it began is left out."""
        files = [plan for name, plan in self.plans.items() if self.before[name] != self.after[name]]
        return Plan(files=files, commands=self.commands)

    def _file(self, real: str, name: str) -> Entry | None:
        entry = self._now(real)
        must_be("file", _stat(entry), name)
        return entry

    def _becoming(self, name: str, wanted: Attributes, *, parents: bool) -> tuple[str, Stat]:
        """Where a file will be, and with which mode and owner."""
        real = self._followed(name)
        folder = self._folder(_above(real), make=parents)
        now = self._file(real, name)
        return real, (now.stat if now else fresh("file", folder)).given(wanted)

    def _folder(self, folder: str, *, make: bool) -> Stat:
        """A folder; with `make`, as it will be where it is not there."""
        entry = self._now(folder)
        if entry is None:
            above = self._folder(_above(folder), make=make)
            if not make:
                raise NotFound(f"there is no folder {folder}")
            return fresh("folder", above)
        if entry.stat.kind != "folder":
            raise _error(errno.ENOTDIR)
        return entry.stat

    def put(self, real: str, entry: Entry) -> bool:
        """Note down what is there from now on, and the folders that it is the first thing in."""
        above = _above(real)
        if self._now(above) is None:
            self.put(above, Entry(self._folder(above, make=True)))
        return self.note(real, entry)

    def note(self, real: str, entry: Entry | None, *, look: bool = True) -> bool:
        """Note down what is there from now on; `look` into a file on the disk that it takes the place of."""
        look = look and (entry is None or entry.looked)
        disk = self._on_disk(real, look=look)
        noted = self.after.get(real, disk)
        if look and noted and disk and not noted.looked:
            noted = attrs.evolve(disk, stat=noted.stat)
        if noted == entry:
            return False
        self.before[real], self.after[real] = disk, entry
        self.plans[real] = file_plan(real, disk, entry)
        return True

    def _now(self, real: str) -> Entry | None:
        return self.after[real] if real in self.after else self._on_disk(real, look=False)

    def _on_disk(self, real: str, *, look: bool) -> Entry | None:
        found = self.disk.stat(real, follow=False)
        if found is None:
            return None
        if found.kind == "link":
            return Entry(found, content=os.fsencode(self.disk.link(real) or ""))
        if not look or found.kind != "file":
            return Entry(found)
        content = self.disk.read(real) if found.size <= HELD else None
        return Entry(found, self.disk.digest(real, self.step), content)

    def _real(self, name: str) -> str:
        return "/" + "/".join(self.disk.resolve(name, last=False))

    def _followed(self, name: str, links: int = LINKS) -> str:
        real = self._real(name)
        if real not in self.after:
            return "/" + "/".join(self.disk.resolve(name))
        entry = self.after[real]
        if entry and entry.stat.kind == "link":
            if not links:
                raise Refused(f"{name}: the link {real} is not followed: circular")
            return self._followed(
                str(PurePosixPath(name).parent / os.fsdecode(entry.content or b"")), links - 1
            )
        return real


@attrs.define
class NotedDraft:
    """See `agent.files.Draft`; what is too large for a diff is not held, and can be measured all the same."""

    rehearsal: Rehearsal
    real: str
    becomes: Stat
    _size: int = 0
    _held: bytearray = attrs.field(factory=bytearray)
    _digest: Any = attrs.field(factory=sha256)

    def write(self, piece: bytes) -> None:
        self._size += len(piece)
        self._digest.update(piece)
        if self._size <= HELD:
            self._held += piece

    def commit(self) -> None:
        content = bytes(self._held) if self._size <= HELD else None
        entry = Entry(_sized(self.becomes, self._size), self._digest.hexdigest(), content)
        self.rehearsal.put(self.real, entry)

    def close(self) -> None:
        self._held.clear()


def _stat(entry: Entry | None) -> Stat | None:
    return entry.stat if entry else None


def _above(real: str) -> str:
    if real == "/":
        raise Refused("/ is the root folder")
    return str(PurePosixPath(real).parent)


def _sized(found: Stat, size: int) -> Stat:
    return attrs.evolve(found, size=size, modified=time.time())


def _error(number: int) -> OSError:
    """What the system says where a dry run would have got so far."""
    return OSError(number, os.strerror(number))
