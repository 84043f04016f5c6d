"""The file of a backup: a tar (POSIX.1-1988, with GNU's numbers above 8 GiB) that any tar lists.

First comes `osapi-backup.json`, which says how to read the rest; then a member for each part; then `manifest.json`,
with size and SHA-256 of each, and last its own SHA-256. With a passphrase all but the first is sealed. What it
has in it becomes a file of that name only when it is complete, and on the disk.
"""

import os
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar, cast

import attrs
import msgspec

from osapi.backup import sealing
from osapi.backup.sealing import Damaged, Derivation, Sealer
from osapi.errors import BadInput, Error

T = TypeVar("T")

FORMAT = 1
FIRST, MANIFEST, LAST = "osapi-backup.json", "manifest.json", "manifest.json.sha256"
BLOCK = tarfile.BLOCKSIZE
PIECE = 128 * 1024


@attrs.frozen(kw_only=True)
class Opening:
    """The first member."""

    format: int
    sealed: Derivation | None


@attrs.frozen(kw_only=True)
class Part:
    """A member: `size` in bytes and `sha256` in hex, of what was written; of a stream, what JetStream told of it."""

    name: str
    size: int
    sha256: str
    config: dict[str, Any] | None = None
    state: dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class Manifest:
    """What is in the backup, when it was made, and by which version."""

    made: datetime
    version: str
    parts: list[Part]


class Writer:
    """Writes a backup; as a context it leaves nothing of one that was not finished.

    `derivation` says how the key of a new one comes from its passphrase.
    """

    def __init__(
        self,
        path: Path,
        passphrase: str | None,
        derivation: Callable[[], Derivation] = sealing.derivation,
    ) -> None:
        if os.path.lexists(path):
            raise BadInput(f"{path} is there already; name another file", "file")
        made = None if passphrase is None else derivation()
        self._key = made.key(passphrase) if made and passphrase is not None else None
        self.path, self._new = path, path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        self._file = os.fdopen(os.open(self._new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._member, self._begin, self._size = "", 0, 0
        self._digest, self._sealer = sha256(), cast("Sealer | None", None)
        self._plainly(FIRST, msgspec.json.encode(Opening(format=FORMAT, sealed=made)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._new.unlink(missing_ok=True)

    def begin(self, name: str) -> None:
        """Begin a part."""
        self._member, self._begin, self._size, self._digest = name, self._file.tell(), 0, sha256()
        self._file.write(bytes(BLOCK))  # its header, once its size is known
        self._sealer = Sealer(self._key, name) if self._key is not None else None
        if self._sealer is not None:
            self._file.write(self._sealer.begin())

    def write(self, piece: bytes) -> None:
        self._size += len(piece)
        self._digest.update(piece)
        self._file.write(piece if self._sealer is None else self._sealer.seal(piece))

    def end(self, **about: Any) -> Part:
        """End the part."""
        if self._sealer is not None:
            self._file.write(self._sealer.end())
        end = self._file.tell()
        self._file.seek(self._begin)
        self._file.write(_header(self._member, end - self._begin - BLOCK))
        self._file.seek(end)
        self._file.write(bytes(-end % BLOCK))
        return Part(name=self._member, size=self._size, sha256=self._digest.hexdigest(), **about)

    def add(self, name: str, data: bytes) -> Part:
        """A small part as a whole."""
        self.begin(name)
        self.write(data)
        return self.end()

    def finish(self, manifest: Manifest) -> None:
        """End the file, and give it its name."""
        described = self.add(MANIFEST, msgspec.json.encode(manifest))
        self.add(LAST, _line(described.sha256))
        self._file.write(bytes(2 * BLOCK))
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            os.link(self._new, self.path)
        except FileExistsError:
            raise BadInput(f"{self.path} is there already; name another file", "file") from None
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _plainly(self, name: str, data: bytes) -> None:
        self._file.write(_header(name, len(data)) + data + bytes(-len(data) % BLOCK))


class Archive:
    """A backup that is read; `passphrase` is asked for where it needs one."""

    def __init__(self, path: Path, passphrase: Callable[[], str]) -> None:
        self.path = path
        with ExitStack() as undo:
            try:
                file = undo.enter_context(path.open("rb"))
                self._tar = undo.enter_context(tarfile.open(fileobj=file, mode="r:"))
                self._members = {member.name: member for member in self._tar if member.isreg()}
            except tarfile.TarError as error:
                raise Damaged(f"{path} is no backup, or is damaged: {error}") from None
            except OSError as error:
                raise Error(f"{path}: {error.strerror or error}") from None
            opening = self._decoded(FIRST, b"".join(self._plain(FIRST)), Opening)
            if opening.format != FORMAT:
                raise BadInput(f"{path} has format {opening.format}; this version reads {FORMAT}", "file")
            self._key = opening.sealed.key(passphrase()) if opening.sealed else None
            self.manifest = self._manifest()
            self._open_files = undo.pop_all()

    @property
    def sealed(self) -> bool:
        return self._key is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open_files.close()

    def pieces(self, name: str) -> Iterator[bytes]:
        """What is in a part; `Damaged` where it cannot be read."""
        if self._key is None:
            yield from self._plain(name)
        else:
            yield from sealing.opened(self._member_file(name), self._key, name)

    def verify(self, told: Callable[[int], object]) -> None:
        """Read all of it; `Damaged` where a part is not what was written. `told` hears of each piece's size."""
        listed = {part.name for part in self.manifest.parts}
        if unknown := self._members.keys() - listed - {FIRST, MANIFEST, LAST}:
            raise Damaged(f"{self.path}: {', '.join(sorted(unknown))} is in it, and not in its manifest")
        for part in self.manifest.parts:
            digest, size = sha256(), 0
            for piece in self.pieces(part.name):
                digest.update(piece)
                size += len(piece)
                told(len(piece))
            if (size, digest.hexdigest()) != (part.size, part.sha256):
                raise Damaged(f"{self.path}: {part.name} is damaged: it has not the SHA-256 {part.sha256}")

    def _manifest(self) -> Manifest:
        data, last = (b"".join(self.pieces(name)) for name in (MANIFEST, LAST))
        if last != _line(sha256(data).hexdigest()):
            raise Damaged(f"{self.path}: {MANIFEST} is damaged: it has not the SHA-256 of {LAST}")
        return self._decoded(MANIFEST, data, Manifest)

    def _plain(self, name: str) -> Iterator[bytes]:
        file = self._member_file(name)
        while piece := file.read(PIECE):
            yield piece

    def _member_file(self, name: str) -> BinaryIO:
        member = self._members.get(name)
        found = self._tar.extractfile(member) if member else None
        if found is None:
            raise Damaged(f"{self.path} is no backup, or not a whole one: it has no {name}")
        return cast(BinaryIO, found)

    def _decoded(self, name: str, data: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, ValueError) as error:
            raise Damaged(f"{self.path}: {name} is damaged: {error}") from None


def _line(digest: str) -> bytes:
    """As sha256sum(1) writes it, and checks it."""
    return f"{digest}  {MANIFEST}\n".encode()


def _header(name: str, size: int) -> bytes:
    """The block before a member; only its owner is to read what is unpacked."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(time.time())
    return info.tobuf(tarfile.GNU_FORMAT)
