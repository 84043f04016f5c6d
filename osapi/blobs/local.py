"""Registered blobs in files of the host, such as on a mount: only below the folders that the configuration names."""

import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import trio

from osapi.blobs.content import Pieces
from osapi.config.blobs import BlobReferences
from osapi.errors import NotFound, OperationError, Refused

PIECE = 256 * 1024
"""Bytes that are read at once."""

STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def locate(url: str, rules: BlobReferences) -> tuple[Path, Path]:
    """The path that a file:// URL (RFC 8089) names, and the root it is below; `Refused` where it is below none."""
    parts = urlsplit(url)
    try:
        name = unquote(parts.path, errors="strict")
    except UnicodeDecodeError:
        raise Refused(f"{url}: the path is not UTF-8") from None
    if parts.netloc or parts.query or parts.fragment or not name.startswith("/") or not name.isprintable():
        raise Refused(f"{url} names no file: expected file:///path, with ? and # and the like as %3F and %23")
    path = PurePosixPath(name)
    if ".." in path.parts:
        raise Refused(f"{url}: .. is not allowed in it")
    for root in rules.file_roots:
        if path.is_relative_to(root) and path != PurePosixPath(root):
            return Path(path), Path(root)
    allowed = ", ".join(rules.file_roots) or "none"
    raise Refused(f"{url} is not below a folder of blobs.references.file_roots; allowed: {allowed}")


@asynccontextmanager
async def read(url: str, rules: BlobReferences) -> AsyncGenerator[AsyncIterator[bytes]]:
    """A regular file in pieces; `Refused` where links lead out of its root."""
    path, root = locate(url, rules)
    file = await trio.to_thread.run_sync(_open, path, root)
    try:
        yield Pieces(partial(trio.to_thread.run_sync, os.read, file, PIECE))
    finally:
        os.close(file)


def _open(path: Path, root: Path) -> int:
    try:
        real, top = path.resolve(strict=True), root.resolve(strict=True)
        if not real.is_relative_to(top) or real == top:
            raise Refused(f"{path} leads to {real}, which is not below {root}")
        return _descend(top, real.relative_to(top))
    except FileNotFoundError:
        raise NotFound(f"{path} is not there; is what is shared there mounted?") from None
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}") from None


def _descend(top: Path, names: Path) -> int:
    """Open a file without following any link: one that was put there since the path was resolved is an error."""
    here = os.open(top, STEP | os.O_DIRECTORY)
    try:
        for name in names.parts[:-1]:
            below = os.open(name, STEP | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        if not stat.S_ISREG(os.stat(names.name, dir_fd=here, follow_symlinks=False).st_mode):
            raise Refused(f"{top / names} is not a regular file")
        return _regular(os.open(names.name, READ, dir_fd=here), top / names)
    finally:
        os.close(here)


def _regular(file: int, path: Path) -> int:
    """The same file, if it is one: what was opened may have been put there since."""
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise Refused(f"{path} is not a regular file")
