"""Entries of a folder, reached by its descriptor, so that nobody can put another folder or a link in its place.

A folder is open as O_PATH (open(2)): the right to pass through it is enough. All of this blocks.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from agent.files import Attributes, Stat, Step, fresh, must_be, must_not_be
from osapi.errors import Conflict, NotFound, Refused

DEEP = 100
"""Folders in each other that are open at once."""


def look(folder: int, last: str) -> Stat | None:
    """What is there, be it a link; None where there is nothing."""
    try:
        return Stat.of(os.stat(last, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return None


def own(descriptor: int) -> Stat:
    """What a descriptor is of."""
    return Stat.of(os.fstat(descriptor))


def inner(folder: int, last: str) -> int:
    """A descriptor of the folder of that name, which is no link."""
    return os.open(last, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)


def names(folder: int) -> list[str]:
    """What is in it, sorted."""
    with _readable(folder) as descriptor:
        return sorted(os.listdir(descriptor))  # noqa: PTH208 - of a descriptor, which a path is not


def settle(folder: int) -> None:
    """Have a change of names outlive a loss of power."""
    with _readable(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _readable(folder: int) -> Iterator[int]:
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def regular(folder: int, last: str, name: str) -> BinaryIO:
    """A regular file to read from."""
    # A pipe or a device in place of a file must not hang the agent: O_NONBLOCK.
    descriptor = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=folder)
    try:
        must_be("file", own(descriptor), name)
    except Refused:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def make_folder(folder: int, last: str, wanted: Attributes) -> None:
    """Make a folder that is as wanted; until it is, others have no more right to it than in the end."""
    becomes = fresh("folder", own(folder)).given(wanted)
    given_away = wanted.uid is not None or wanted.gid is not None
    os.mkdir(last, 0o700 if given_away else becomes.mode & 0o755, dir_fd=folder)
    made = inner(folder, last)
    try:
        apply(made, becomes)
    except OSError:
        os.rmdir(last, dir_fd=folder)
        raise
    finally:
        os.close(made)
    settle(folder)


def set_attributes(folder: int, last: str, wanted: Attributes, *, hard_links: bool, name: str) -> bool:
    """Make a file or folder be as wanted; True if that changed it.

    Without `hard_links`, a file that has another name too is refused: it may be anybody's.
    """
    try:
        thing = os.open(last, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        raise NotFound(f"there is no {name}") from None
    try:
        found = os.fstat(thing)
        held = Stat.of(found)
        must_not_be("link", held, name)
        if held == held.given(wanted):
            return False
        if found.st_nlink > 1 and held.kind != "folder" and not hard_links:
            raise Refused(
                f"{name} has {found.st_nlink} names (hard links), and any user may have made them, "
                "as fs.protected_hardlinks is off on this host (proc_sys_fs(5)); it is left alone"
            )
        apply(thing, held.given(wanted))
    finally:
        os.close(thing)
    return True


def apply(thing: int, becomes: Stat) -> None:
    """Give mode and owner to what a descriptor is of; at no moment has anybody a right that is neither old nor new."""
    path = Path(f"/proc/self/fd/{thing}")  # a descriptor of O_PATH is only good for this
    held = own(thing)
    if (held.uid, held.gid) != (becomes.uid, becomes.gid):
        if held.mode & becomes.mode != held.mode:
            path.chmod(held.mode & becomes.mode)
        os.chown(path, becomes.uid, becomes.gid)
        held = own(thing)  # chown(2) takes the set-user-ID bit away: the mode comes after it
    if held.mode != becomes.mode:
        path.chmod(becomes.mode)


def below(folder: int, prefix: str, deep: int = DEEP) -> Iterator[str]:
    """All names below it, each after that of its folder; links are not followed."""
    for name in names(folder):
        yield f"{prefix}/{name}"
        held = look(folder, name)
        if held and held.kind == "folder":
            if deep == 0:
                raise Refused(
                    f"{prefix}/{name} has too many folders above it; at most {DEEP} are gone through"
                )
            try:
                descriptor = inner(folder, name)
            except (FileNotFoundError, NotADirectoryError):  # gone meanwhile
                continue
            try:
                yield from below(descriptor, f"{prefix}/{name}", deep - 1)
            finally:
                os.close(descriptor)


def remove(folder: int, last: str, name: str) -> None:
    """Remove what is no folder."""
    held = look(folder, last)
    must_not_be("folder", held, name)
    os.unlink(last, dir_fd=folder)


def remove_folder(folder: int, last: str, name: str) -> None:
    """Remove an empty folder."""
    held = look(folder, last)
    must_be("folder", held, name)
    try:
        os.rmdir(last, dir_fd=folder)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        raise Conflict(f"{name} is not empty; recursive removes a folder with all in it") from None


def remove_tree(folder: int, last: str, step: Step) -> None:
    """Remove whatever is there, a folder with all in it; no link is followed."""
    held = look(folder, last)
    if held is None or held.kind != "folder":
        os.unlink(last, dir_fd=folder)
        return
    descriptor = inner(folder, last)
    try:
        while names(descriptor):  # again, where what was too deep has been brought up
            _empty(descriptor, descriptor, step, DEEP)
    finally:
        os.close(descriptor)
    os.rmdir(last, dir_fd=folder)


def _empty(folder: int, top: int, step: Step, deep: int) -> None:
    for name in names(folder):
        step()
        held = look(folder, name)
        if held is None:
            continue
        if held.kind != "folder":
            os.unlink(name, dir_fd=folder)
        elif deep == 0:
            # Folders can lie in each other deeper than a process can have descriptors.
            os.rename(name, f".osapi-{token_hex(8)}", src_dir_fd=folder, dst_dir_fd=top)
        else:
            descriptor = inner(folder, name)
            try:
                _empty(descriptor, top, step, deep - 1)
            finally:
                os.close(descriptor)
            os.rmdir(name, dir_fd=folder)
