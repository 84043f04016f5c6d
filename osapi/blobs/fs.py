"""Blobs in a folder that controller and agents share: the blob ab12… is the file ab/ab12….

What is written lies in `.incoming` until it is whole; the rename into its place is what stores it.
"""

import errno
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import attrs
import trio

from osapi.blobs.content import Content, Pieces
from osapi.errors import NoSpace, NotFound, Unavailable

T = TypeVar("T")

PIECE = 256 * 1024
"""Bytes that are read at once."""

THREADS = 8
"""Calls to a file system that may be on their way at once: a shared one can be slow."""

FILE, FOLDER = 0o640, 0o750
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.frozen(eq=False)
class FolderBackend:
    """See `osapi.blobs.Backend`. The folder must be there: one that was made by itself would hide a missing mount."""

    folder: Path
    name: str = "fs"
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(THREADS))

    async def store(self, content: Content) -> bool:
        draft = self._incoming / uuid4().hex
        file = await self._do(self._create, draft)
        try:
            async for piece in content:
                await self._do(_write, file, piece)
            return await self._do(self._keep, draft, file, content)
        finally:
            with trio.CancelScope(shield=True):
                await self._do(_discard, draft, file)

    @asynccontextmanager
    async def read(self, sha256: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        file = await self._do(self._open, sha256)
        try:
            yield Pieces(partial(self._do, os.read, file, PIECE))
        finally:
            os.close(file)

    async def delete(self, sha256: str) -> None:
        await self._do(self._delete, sha256)

    async def sweep(self, age: float) -> int:
        return await self._do(self._sweep, age)

    async def _do(self, act: Callable[..., T], *given: object) -> T:
        """Do what blocks in a thread; `Unavailable` or `NoSpace` tell what the file system refuses."""
        with self._told():
            return await trio.to_thread.run_sync(partial(act, *given), limiter=self._threads)

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise NoSpace(f"blobs.fs.path: {self.folder} is full: {error.strerror}") from None
            raise Unavailable(
                f"blobs.fs.path: {self.folder} cannot be used: {error.strerror} ({error.filename or 'while in use'}); "
                "mount what is shared there, or create the folder, for the user that OSAPI runs as"
            ) from None

    @property
    def _incoming(self) -> Path:
        return self.folder / ".incoming"

    def _file(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256

    def _create(self, draft: Path) -> int:
        self._make(draft.parent)
        file = os.open(draft, NEW, FILE)
        os.fchmod(file, FILE)  # whatever the umask: agents that run as other users read it
        return file

    def _keep(self, draft: Path, file: int, content: Content) -> bool:
        place = self._file(content.sha256)
        with suppress(FileNotFoundError):
            if place.stat().st_size == content.size:
                return False
        os.fsync(file)
        self._make(place.parent)
        draft.replace(place)
        _sync(place.parent)
        return True

    def _make(self, folder: Path) -> None:
        """Make a folder in ours, where it is missing."""
        with suppress(FileExistsError):
            folder.mkdir(FOLDER)
            folder.chmod(FOLDER)
            _sync(self.folder)

    def _open(self, sha256: str) -> int:
        try:
            return os.open(self._file(sha256), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            self.folder.stat()  # which tells of a missing mount
            raise NotFound(
                f"blob {sha256} is not in {self.folder}; is that what the controller has?"
            ) from None

    def _delete(self, sha256: str) -> None:
        place = self._file(sha256)
        self.folder.stat()  # which tells of a missing mount
        with suppress(FileNotFoundError):
            place.unlink()
            _sync(place.parent)

    def _sweep(self, age: float) -> int:
        old = [draft for draft in self._incoming.glob("*") if draft.stat().st_mtime < time.time() - age]
        for draft in old:
            draft.unlink(missing_ok=True)
        return len(old)


def _write(file: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(file, rest) :]


def _discard(draft: Path, file: int) -> None:
    """Close it, and remove what has not found its place."""
    try:
        os.close(file)
    finally:
        draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Let the names in a folder survive a loss of power (fsync(2))."""
    found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(found)
    finally:
        os.close(found)
