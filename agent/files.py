"""Files as a job sees them: what lies under a name, what is wanted of it, and all that can be done to it.

`agent.disk` does it; `agent.dryrun` only notes it down. What both must agree on is said here once.
"""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO, Literal, Protocol

import attrs

from osapi.errors import Refused

Kind = Literal["file", "folder", "link", "other"]

KINDS: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
TYPES = {kind: bits for bits, kind in KINDS.items()}

PIECE = 512 * 1024
"""Bytes of a file that are in memory at once, where it can be of any size."""
NAMES = 100_000
"""Names that are listed below one folder at most."""

Step = Callable[[], object]
"""Called again and again during what may take long; it raises to end it."""


def onward() -> None:
    """Nothing ends it."""


@attrs.frozen(kw_only=True)
class Attributes:
    """Permission bits and owner that a file or folder shall have; None is kept as it is.

    What is made new belongs to the agent's user and has 0644, a folder 0755.
    """

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


KEPT = Attributes()


EARLIEST, LATEST = -62_135_596_800, 253_402_300_799
"""Seconds since the epoch of what a datetime can be."""


@attrs.frozen(kw_only=True)
class Stat:
    """What lies under a name; `mode` is its permission bits, `size` in bytes, `modified` in seconds since the epoch."""

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    modified: float

    @classmethod
    def of(cls, found: os.stat_result) -> "Stat":
        return cls(
            kind=KINDS.get(stat.S_IFMT(found.st_mode), "other"),
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
            size=found.st_size,
            modified=found.st_mtime,
        )

    @property
    def moment(self) -> datetime:
        """When it was modified, in UTC; beyond the years 1 to 9999, as files can be, the nearest moment there is."""
        return datetime.fromtimestamp(min(max(self.modified, EARLIEST), LATEST), UTC)

    def given(self, wanted: Attributes) -> "Stat":
        """The same once `wanted` is so.

        A file that changes hands loses its set-user-ID and set-group-ID bits (chown(2)), unless a mode is wanted.
        """
        uid = self.uid if wanted.uid is None else wanted.uid
        gid = self.gid if wanted.gid is None else wanted.gid
        mode = self.mode if wanted.mode is None else wanted.mode
        if wanted.mode is None and self.kind != "folder" and (uid, gid) != (self.uid, self.gid):
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
        return attrs.evolve(self, mode=mode, uid=uid, gid=gid)


def fresh(kind: Literal["file", "folder"], folder: Stat) -> Stat:
    """What is made in `folder`: its group goes on to it where it has the set-group-ID bit (inode(7))."""
    inherited = folder.mode & stat.S_ISGID
    return Stat(
        kind=kind,
        mode=0o644 if kind == "file" else 0o755 | inherited,
        uid=os.geteuid(),
        gid=folder.gid if inherited else os.getegid(),
        size=0,
        modified=0,
    )


WORDS: dict[Kind, str] = {"file": "a regular file", "folder": "a folder", "link": "a link"}


def must_be(kind: Kind, found: Stat | None, name: str) -> None:
    """`Refused` where there is something of another kind."""
    if found and found.kind != kind:
        raise Refused(f"{name} is not {WORDS[kind]}")


def must_not_be(kind: Kind, found: Stat | None, name: str) -> None:
    """`Refused` where there is something of that kind."""
    if found and found.kind == kind:
        raise Refused(f"{name} is {WORDS[kind]}")


class Draft(Protocol):
    """A file in the making, which nobody sees under its name before it is committed."""

    def write(self, piece: bytes) -> None:
        """Add to its end."""

    def commit(self) -> None:
        """Put it in the place of the file, in one step and for good."""

    def close(self) -> None:
        """End it; what was not committed is gone."""


class Files(Protocol):
    """What can be done to files.

    Where a thing to be changed is not there, that is `NotFound`; what is of another kind than it must be is `Refused`.
    """

    def read(self, name: str) -> bytes | None:
        """What a regular file holds; None where there is nothing."""

    def open(self, name: str) -> BinaryIO | None:
        """A regular file to read from; None where there is nothing."""

    def digest(self, name: str, step: Step = onward) -> str | None:
        """SHA-256 of a regular file, in hex; None where there is nothing."""

    def stat(self, name: str, *, follow: bool = True) -> Stat | None:
        """What lies under a name; None where there is nothing."""

    def link(self, name: str) -> str | None:
        """Where a symbolic link points; None where there is none."""

    def glob(self, pattern: str) -> list[str]:
        """The names that match a pattern, sorted."""

    def walk(self, name: str, step: Step = onward) -> list[str]:
        """All names below a folder, each after that of its folder; `Refused` where there are too many."""

    def replace(self, name: str, data: bytes, wanted: Attributes = KEPT, *, parents: bool = True) -> bool:
        """Make a file hold exactly `data` and be as wanted; True if that changed it."""

    def draft(self, name: str, wanted: Attributes = KEPT, *, parents: bool = True) -> Draft:
        """Begin a file that will take the place of this one, and be as wanted."""

    def set_attributes(self, name: str, wanted: Attributes, *, follow: bool = False) -> bool:
        """Make a file or folder be as wanted; True if that changed it. A link is `Refused`, unless followed."""

    def make_folder(self, name: str, wanted: Attributes = KEPT) -> bool:
        """Have a folder there that is as wanted, with those on the way to it; True if that changed anything."""

    def symlink(self, name: str, target: str) -> bool:
        """Make a name a symbolic link to `target`; True if that changed it."""

    def remove(self, name: str) -> bool:
        """Remove what is no folder; True if there was something."""

    def remove_folder(self, name: str) -> bool:
        """Remove an empty folder; True if there was one, `Conflict` where it is not empty."""

    def remove_tree(self, name: str, step: Step = onward) -> bool:
        """Remove whatever is there, a folder with all in it; True if there was something."""
