"""A file in the making beside the one whose place it takes: `.osapi-`, a digest of that file's name, and a number.

It is locked (flock(2)) as long as somebody writes it. What a killed agent has left so is nobody's, and goes when
the same file is written the next time.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from secrets import token_hex
from typing import BinaryIO

import attrs

from agent.entries import apply, look, names, settle
from agent.files import Stat

ABANDONED = 60.0
"""Seconds after which a link in the making is nobody's: it cannot be locked, and is there for a moment only."""

CARRIED = ("security.selinux", "system.posix_acl_access", "user.")
"""Extended attributes (xattr(7)) that stay with a file's name: its label, its access list, users' own."""


@attrs.define
class DiskDraft:
    """See `agent.files.Draft`; `folder` is a descriptor of its own."""

    folder: int
    last: str
    becomes: Stat
    name: str
    file: BinaryIO
    unmake: Callable[[], None]

    @classmethod
    def begin(cls, folder: int, last: str, becomes: Stat, unmake: Callable[[], None]) -> "DiskDraft":
        """With `unmake`, folders that were made for it go again where it is not committed."""
        sweep(folder, last)
        name, descriptor = _create(folder, last)
        return cls(os.dup(folder), last, becomes, name, os.fdopen(descriptor, "wb"), unmake)

    def write(self, piece: bytes) -> None:
        self.file.write(piece)

    def commit(self) -> None:
        self.file.flush()
        carry(self.folder, self.last, self.file.fileno())
        apply(self.file.fileno(), self.becomes)
        os.fsync(self.file.fileno())
        os.replace(self.name, self.last, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        self.name = ""
        settle(self.folder)

    def close(self) -> None:
        try:
            if self.name:
                with suppress(FileNotFoundError):
                    os.unlink(self.name, dir_fd=self.folder)
                self.unmake()
            with suppress(OSError):  # a full disk says so once more
                self.file.close()
        finally:
            os.close(self.folder)


@contextmanager
def link_draft(folder: int, last: str) -> Iterator[str]:
    """A name to make in `folder`, which then takes the place of `last`, for good."""
    sweep(folder, last)
    name = _name(last)
    try:
        yield name
        os.replace(name, last, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        raise
    settle(folder)


def carry(folder: int, last: str, draft: int) -> None:
    """Give a draft what the file that it replaces has beside mode and owner, as far as this agent may."""
    try:
        replaced = os.open(last, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        path = f"/proc/self/fd/{replaced}"
        for name in os.listxattr(path):
            if name.startswith(CARRIED):
                os.setxattr(draft, name, os.getxattr(path, name))
    except OSError as error:
        if error.errno not in {errno.ENOTSUP, errno.EPERM, errno.EACCES}:
            raise
    finally:
        os.close(replaced)


def sweep(folder: int, last: str) -> None:
    """Remove what agents that were killed have left of this file."""
    for name in names(folder):
        if name.startswith(_prefix(last)):
            with suppress(OSError):  # somebody writes it, or it is another user's
                _remove_abandoned(folder, name)


def _remove_abandoned(folder: int, name: str) -> None:
    held = look(folder, name)
    if held and held.kind == "link" and time.time() - held.modified > ABANDONED:
        os.unlink(name, dir_fd=folder)
    if held and held.kind == "file":
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=folder)
        finally:
            os.close(descriptor)


def _create(folder: int, last: str) -> tuple[str, int]:
    while True:
        name = _name(last)
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        with suppress(OSError):  # a file system without locks: nothing is swept there either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return name, descriptor
        os.close(descriptor)  # it was taken for abandoned before it was locked


def _prefix(last: str) -> str:
    return f".osapi-{sha256(os.fsencode(last)).hexdigest()[:16]}-"


def _name(last: str) -> str:
    return _prefix(last) + token_hex(4)
