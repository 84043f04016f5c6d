"""Files below a root folder: read, replaced and removed in one step, and never out of place.

Names are absolute and resolved as chroot(2) would. A link on the way is followed only where the agent's user
or the owner of the root folder made it (after CHASE_SAFE of systemd): in a folder of someone else's, such as
`~/.ssh`, nobody can lead the agent to another file. A name that is itself a link is followed by `read`, `open`,
`digest`, `stat`, `walk`, `make_folder`, `replace` and `draft`, under the same rule; what removes removes the link.

All of this blocks; `agent.host` calls it in threads. Errors are `OperationError` and those of the operating system.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import attrs

from agent import entries
from agent.draft import DiskDraft, link_draft
from agent.files import KEPT, NAMES, PIECE, Attributes, Stat, Step, fresh, must_be, onward
from osapi.errors import NotFound, Refused

LINKS = 40
"""As many as Linux follows (path_resolution(7))."""

ABSENT = (NotFound, FileNotFoundError, NotADirectoryError)
"""There is nothing of that name, nor can there be."""

SYSTEM = (
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "opt", "proc", "root",
    "run", "sbin", "srv", "sys", "tmp", "usr", "var",
)  # fmt: skip
"""Folders of the root folder (FHS 3.0) that are never removed with all in them."""


@attrs.frozen
class Disk:
    """The real files; see `agent.files.Files`. `most` names are listed below a folder."""

    root: Path
    most: int = NAMES

    def read(self, name: str) -> bytes | None:
        file = self.open(name)
        if file is None:
            return None
        with file:
            return file.read()

    def open(self, name: str) -> BinaryIO | None:
        parents, last = self._place(name)
        try:
            with self._folder(parents) as folder:
                return entries.regular(folder, last, name)
        except ABSENT:
            return None

    def digest(self, name: str, step: Step = onward) -> str | None:
        file = self.open(name)
        if file is None:
            return None
        found = sha256()
        with file:
            while piece := file.read(PIECE):
                found.update(piece)
                step()
        return found.hexdigest()

    def stat(self, name: str, *, follow: bool = True) -> Stat | None:
        parts = self.resolve(name, last=follow)
        if not parts:
            return Stat.of(self.root.stat())
        try:
            with self._folder(parts[:-1]) as folder:
                return entries.look(folder, parts[-1])
        except ABSENT:
            return None

    def link(self, name: str) -> str | None:
        return _link(self.root.joinpath(*self.resolve(name, last=False)))[0]

    def glob(self, pattern: str) -> list[str]:
        found = self.root.glob(pattern.lstrip("/"))
        return sorted(f"/{path.relative_to(self.root)}" for path in found)

    def walk(self, name: str, step: Step = onward) -> list[str]:
        found = list[str]()
        with self._folder(self.resolve(name)) as folder:
            for below in entries.below(folder, shown(name).rstrip("/")):
                step()
                found.append(below)
                if len(found) > self.most:
                    raise too_many(name, self.most)
        return found

    def replace(self, name: str, data: bytes, wanted: Attributes = KEPT, *, parents: bool = True) -> bool:
        """See `agent.files.Files`; where only mode or owner differ, it is replaced too, in the same one step."""
        folders, last = self._place(name)
        with suppress(*ABSENT), self._folder(folders) as folder:
            before, becomes = _becomes(folder, last, wanted, name)
            if before == becomes and becomes.size == len(data):
                with entries.regular(folder, last, name) as file:
                    if file.read() == data:
                        return False
        with closing(self.draft(name, wanted, parents=parents)) as draft:
            draft.write(data)
            draft.commit()
        return True

    def draft(self, name: str, wanted: Attributes = KEPT, *, parents: bool = True) -> DiskDraft:
        folders, last = self._place(name)
        made = list[Sequence[str]]()
        unmake = partial(self._unmake, made)
        try:
            with self._folder(folders, make=parents, made=made) as folder:
                _, becomes = _becomes(folder, last, wanted, name)
                return DiskDraft.begin(folder, last, becomes, unmake)
        except OSError:  # such as a name that is too long
            unmake()
            raise

    def set_attributes(self, name: str, wanted: Attributes, *, follow: bool = False) -> bool:
        folders, last = self._place(name, last=follow)
        with self._folder(folders) as folder:
            return entries.set_attributes(folder, last, wanted, hard_links=self._hard_links(), name=name)

    def make_folder(self, name: str, wanted: Attributes = KEPT) -> bool:
        folders, last = self._place(name)
        with self._folder(folders, make=True) as folder:
            found = entries.look(folder, last)
            must_be("folder", found, name)
            if found is None:
                entries.make_folder(folder, last, wanted)
                return True
            return entries.set_attributes(folder, last, wanted, hard_links=True, name=name)

    def symlink(self, name: str, target: str) -> bool:
        folders, last = self._place(name, last=False)
        if _link(self.root.joinpath(*folders, last))[0] == target:
            return False
        with self._folder(folders, make=True) as folder, link_draft(folder, last) as temporary:
            os.symlink(target, temporary, dir_fd=folder)
        return True

    def remove(self, name: str) -> bool:
        folders, last = self._place(name, last=False)
        return self._removed(folders, partial(entries.remove, last=last, name=name))

    def remove_folder(self, name: str) -> bool:
        folders, last = self._place(name, last=False)
        return self._removed(folders, partial(entries.remove_folder, last=last, name=name))

    def remove_tree(self, name: str, step: Step = onward) -> bool:
        self.check_tree(name)
        folders, last = self._place(name, last=False)
        return self._removed(folders, partial(entries.remove_tree, last=last, step=step))

    def check_tree(self, name: str) -> None:
        """`Refused` for a folder that the system cannot be without, and where a file system is mounted in it."""
        parts = self.resolve(name, last=False)
        if not parts or any(parts in {(one,), self.resolve(one)} for one in SYSTEM):
            raise Refused(f"{name} is a folder of the system; it is not removed with all in it")
        mounts = (line.split(b" ")[4] for line in (self.read("/proc/self/mountinfo") or b"").splitlines())
        for mount in (
            re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), one) for one in mounts
        ):
            if tuple(os.fsdecode(mount).split("/")[1:])[: len(parts)] == parts:
                raise Refused(f"{name} is not removed with all in it: {os.fsdecode(mount)} is mounted there")

    def resolve(self, name: str, *, last: bool = True) -> tuple[str, ...]:
        """The folders and the final part of a name, links followed; of the final part only if `last`."""
        if ".." in PurePosixPath(name).parts or "\0" in name:
            raise Refused(f"{name!r}: a name must not have `..` or a NUL in it")
        trusted = {os.geteuid(), self.root.stat().st_uid}
        left, found, links = _parts(name), list[str](), 0
        while left:
            part = left.pop()
            path = self.root.joinpath(*found, part)
            target, owner = _link(path) if part != ".." and (left or last) else (None, 0)
            if part == ".." and not found:
                raise Refused(f"{name}: a link on the way leads out of {self.root}")
            if part == "..":
                found.pop()
            elif target is None:
                found.append(part)
            elif owner not in trusted or (links := links + 1) > LINKS:
                raise Refused(f"{name}: the link {path} is not followed: made by another user, or circular")
            else:
                found = [] if target.startswith("/") else found
                left += _parts(target)
        return tuple(found)

    def _place(self, name: str, *, last: bool = True) -> tuple[Sequence[str], str]:
        *parents, final = self.resolve(name, last=last) or ("",)
        if not final:
            raise Refused(f"{name} is the root folder")
        return parents, final

    @contextmanager
    def _folder(
        self, parts: Sequence[str], *, make: bool = False, made: list[Sequence[str]] | None = None
    ) -> Iterator[int]:
        """A descriptor of a folder, reached without following any link, be it put there this moment.

        With `make`, those that are missing are made, and told in `made`.
        """
        folder = os.open(self.root, os.O_PATH | os.O_DIRECTORY)
        try:
            for depth, part in enumerate(parts, 1):
                if entries.look(folder, part) is None:
                    if not make:
                        raise NotFound(f"there is no folder /{'/'.join(parts[:depth])}")
                    with suppress(FileExistsError):
                        entries.make_folder(folder, part, KEPT)
                        if made is not None:
                            made.append(parts[:depth])
                inner = entries.inner(folder, part)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _unmake(self, made: Sequence[Sequence[str]]) -> None:
        """Remove folders that were made, but for those that somebody uses by now."""
        for *folders, last in reversed(made):
            with suppress(OSError, NotFound), self._folder(folders) as folder:
                os.rmdir(last, dir_fd=folder)

    def _removed(self, folders: Sequence[str], remove: Callable[[int], None]) -> bool:
        try:
            with self._folder(folders) as folder:
                remove(folder)
                entries.settle(folder)
        except ABSENT:
            return False
        return True

    def _hard_links(self) -> bool:
        """Whether nobody can have given a second name to a file of somebody else (proc_sys_fs(5))."""
        return (self.read("/proc/sys/fs/protected_hardlinks") or b"0").strip() != b"0"


def shown(name: str) -> str:
    """A name as it is told: absolute, without doubled or trailing slashes and `.`."""
    return "/" + "/".join(reversed(_parts(name)))


def too_many(name: str, most: int) -> Refused:
    return Refused(f"there are more than {most:,} names below {name}")


def _parts(name: str) -> list[str]:
    """The parts of a name, the first one last."""
    return [part for part in reversed(name.split("/")) if part not in {"", "."}]


def _link(path: Path) -> tuple[str | None, int]:
    """Where a link points and who made it; both of the one link that is there now."""
    try:
        if not stat.S_ISLNK(path.lstat().st_mode):
            return None, 0
        link = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    except OSError:  # there is none, or no more
        return None, 0
    try:
        return os.readlink("", dir_fd=link), os.fstat(link).st_uid
    except FileNotFoundError:  # something else has taken its place (readlinkat(2))
        return None, 0
    finally:
        os.close(link)


def _becomes(folder: int, last: str, wanted: Attributes, name: str) -> tuple[Stat | None, Stat]:
    """What is there, if anything, and what will be."""
    before = entries.look(folder, last)
    must_be("file", before, name)
    return before, (before or fresh("file", entries.own(folder))).given(wanted)
