"""Files below a root folder: read, replaced and removed in one step, and never out of place.

Names are absolute and resolved as chroot(2) would. A link on the way is followed only where the agent's user
or the owner of the root folder made it (after CHASE_SAFE of systemd): in a folder of someone else's, such as
`~/.ssh`, nobody can lead the agent to another file. A name that is itself a link is followed by `read`,
`stat` and `replace`, under the same rule; `remove` removes the link.

All of this blocks; `agent.host` calls it in threads. Errors are `Refused` and those of the operating system.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import Literal, Protocol

import attrs

from osapi.errors import Refused

LINKS = 40
"""As many as Linux follows (path_resolution(7))."""


@attrs.frozen(kw_only=True)
class Stat:
    """What lies under a name; `mode` is its permission bits, `size` in bytes."""

    kind: Literal["file", "folder", "other"]
    mode: int
    uid: int
    gid: int
    size: int


class Files(Protocol):
    """What can be done to files; `agent.dryrun` has the implementation that only notes it down."""

    def read(self, name: str) -> bytes | None:
        """What a regular file holds; None where there is nothing."""

    def stat(self, name: str) -> Stat | None:
        """What lies under a name; None where there is nothing."""

    def link(self, name: str) -> str | None:
        """Where a symbolic link points; None where there is none."""

    def glob(self, pattern: str) -> list[str]:
        """The names that match a pattern, sorted."""

    def replace(self, name: str, data: bytes, mode: int | None) -> bool:
        """Make a file hold exactly `data`; True if that changed it."""

    def symlink(self, name: str, target: str) -> bool:
        """Make a name a symbolic link to `target`; True if that changed it."""

    def remove(self, name: str) -> bool:
        """Remove a file or a link; True if there was one."""


@attrs.frozen
class Disk:
    """The real files."""

    root: Path

    def read(self, name: str) -> bytes | None:
        parents, last = self._place(name)
        try:
            with self._folder(parents) as folder:
                return _content(folder, last, name)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def stat(self, name: str) -> Stat | None:
        try:
            found = os.lstat(self.root.joinpath(*self.resolve(name)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        regular, folder = stat.S_ISREG(found.st_mode), stat.S_ISDIR(found.st_mode)
        return Stat(
            kind="file" if regular else "folder" if folder else "other",
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
            size=found.st_size,
        )

    def link(self, name: str) -> str | None:
        return _target(self.root.joinpath(*self.resolve(name, last=False)))

    def glob(self, pattern: str) -> list[str]:
        found = self.root.glob(pattern.lstrip("/"))
        return sorted(f"/{path.relative_to(self.root)}" for path in found)

    def replace(self, name: str, data: bytes, mode: int | None) -> bool:
        """Owner and mode of an existing file are kept; a new one is 0644, unless `mode` is given."""
        parents, last = self._place(name)
        with self._folder(parents, make=True) as folder:
            before = _entry(folder, last)
            if before and not stat.S_ISREG(before.st_mode):
                raise Refused(f"{name} is not a regular file")
            held = stat.S_IMODE(before.st_mode) if before else 0o644
            wanted = held if mode is None else mode
            if before and wanted == held and _content(folder, last, name) == data:
                return False
            with _temporary(folder, last) as temporary:
                _fill(folder, temporary, data, wanted, before)
        return True

    def symlink(self, name: str, target: str) -> bool:
        parents, last = self._place(name, last=False)
        if _target(self.root.joinpath(*parents, last)) == target:
            return False
        with self._folder(parents, make=True) as folder, _temporary(folder, last) as temporary:
            os.symlink(target, temporary, dir_fd=folder)
        return True

    def remove(self, name: str) -> bool:
        parents, last = self._place(name, last=False)
        try:
            with self._folder(parents) as folder:
                os.unlink(last, dir_fd=folder)
                _settle(folder)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def resolve(self, name: str, *, last: bool = True) -> tuple[str, ...]:
        """The folders and the final part of a name, links followed; of the final part only if `last`."""
        if ".." in PurePosixPath(name).parts:
            raise Refused(f"{name}: a name must not have `..` in it")
        trusted = {os.geteuid(), self.root.stat().st_uid}
        left, found, links = _parts(name), list[str](), 0
        while left:
            part = left.pop()
            path = self.root.joinpath(*found, part)
            target = _target(path) if part != ".." and (left or last) else None
            if part == ".." and not found:
                raise Refused(f"{name}: a link on the way leads out of {self.root}")
            if part == "..":
                found.pop()
            elif target is None:
                found.append(part)
            elif path.lstat().st_uid not in trusted or (links := links + 1) > LINKS:
                raise Refused(f"{name}: the link {path} is not followed: made by another user, or circular")
            else:
                found = [] if target.startswith("/") else found
                left += _parts(target)
        return tuple(found)

    def _place(self, name: str, *, last: bool = True) -> tuple[list[str], str]:
        *parents, final = self.resolve(name, last=last) or ("",)
        if not final:
            raise Refused(f"{name} is the root folder")
        return parents, final

    @contextmanager
    def _folder(self, parts: list[str], *, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder, reached without following any link, be it put there this moment."""
        folder = os.open(self.root, os.O_PATH | os.O_DIRECTORY)
        try:
            for part in parts:
                if make and _entry(folder, part) is None:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=folder)
                    _settle(folder)
                flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
                inner = os.open(part, flags, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)


def _parts(name: str) -> list[str]:
    """The parts of a name, the first one last."""
    return [part for part in reversed(name.split("/")) if part not in {"", "."}]


def _target(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:  # not there, or not a link
        return None


def _entry(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _content(folder: int, last: str, name: str) -> bytes:
    # A pipe or a device in place of a file must not hang the agent: O_NONBLOCK.
    descriptor = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused(f"{name} is not a regular file")
        return file.read()


def _fill(folder: int, name: str, data: bytes, mode: int, before: os.stat_result | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
        file.write(data)
        file.flush()
        if before:
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


@contextmanager
def _temporary(folder: int, last: str) -> Iterator[str]:
    """A name to make in `folder`, which then takes the place of `last`, for good."""
    name = f".osapi-{token_hex(8)}"
    try:
        yield name
        os.replace(name, last, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        if _entry(folder, name):
            os.unlink(name, dir_fd=folder)
        raise
    _settle(folder)


def _settle(folder: int) -> None:
    """Have a change of names outlive a loss of power; a descriptor of O_PATH cannot be synced itself."""
    readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    try:
        os.fsync(readable)
    finally:
        os.close(readable)
