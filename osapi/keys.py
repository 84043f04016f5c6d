"""Who a controller and an agent are: key pairs of Ed25519 (RFC 8032), in files of the folder `key_dir`.

| file | mode | what |
|---|---|---|
| `<name>.key` | 0600 | the private key, PEM of the type ED25519 PRIVATE KEY around its 32 bytes |
| `<name>.pub` | 0644 | the public key, PEM of the type ED25519 PUBLIC KEY around its 32 bytes |

A pair is made once, where there is neither file. What cannot be read, is damaged, or is half there is never made
anew behind somebody's back: it would cut every host off. It is a `ConfigError` that names the file.
"""

import fcntl
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR, S_ISLNK

import attrs
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from osapi.errors import BadInput, ConfigError

SIZE = 32
"""Bytes of a key, of either kind (RFC 8032, section 5.1.5)."""

PRIVATE, PUBLIC = "ED25519 PRIVATE KEY", "ED25519 PUBLIC KEY"

CONTROLLER, AGENT, FORMER = "controller", "agent", "controller.former"
"""The names of the pairs; `FORMER` is what the controller's was before it was rotated."""


@attrs.frozen
class PublicKey:
    """A public key, as its 32 bytes."""

    raw: bytes

    @staticmethod
    def of(text: str) -> "PublicKey":
        """The key that base64 stands for, as it travels; `BadInput` where it is none."""
        try:
            raw = b64decode(text, validate=True)
        except ValueError:
            raw = b""
        if len(raw) != SIZE:
            raise BadInput("a public key is 32 bytes in base64")
        return PublicKey(raw)

    @property
    def text(self) -> str:
        return b64encode(self.raw).decode()

    @property
    def fingerprint(self) -> str:
        """What people compare."""
        return f"SHA256:{sha256(self.raw).hexdigest()}"

    def verifies(self, data: bytes, signature: bytes) -> bool:
        """Whether the owner of this key has signed just that."""
        try:
            VerifyKey(self.raw).verify(data, signature)
        except (CryptoError, ValueError, TypeError):
            return False
        return True


@attrs.frozen
class KeyPair:
    """A private key, and the public one that belongs to it."""

    _key: SigningKey = attrs.field(repr=False)

    @staticmethod
    def generate() -> "KeyPair":
        return KeyPair(SigningKey.generate())

    @staticmethod
    def of(seed: bytes) -> "KeyPair":
        """The pair that 32 bytes make."""
        return KeyPair(SigningKey(seed))

    @property
    def seed(self) -> bytes:
        return bytes(self._key)

    @property
    def public(self) -> PublicKey:
        return PublicKey(bytes(self._key.verify_key))

    def sign(self, data: bytes) -> bytes:
        """64 bytes that only the owner of this key can make of `data`."""
        return self._key.sign(data).signature


@attrs.frozen
class KeyDirectory:
    """The folder of keys at `path`; everything raises `ConfigError` that names the file which is not as it must be."""

    path: Path

    def pair(self, name: str) -> KeyPair:
        """The pair of that name, made where there is none."""
        with self._alone():
            return self._read(name) or self._make(name)

    def known_pair(self, name: str) -> KeyPair | None:
        """The pair of that name; None where there is none."""
        return self._read(name)

    def public(self, name: str) -> PublicKey | None:
        """The public key of that name, whose private one may be elsewhere; None where there is none."""
        path = self.path / f"{name}.pub"
        text = _text(path)
        return None if text is None else PublicKey(_decoded(path, text, PUBLIC))

    def keep(self, name: str, key: PublicKey) -> None:
        """Write a public key whose private one is elsewhere."""
        with self._alone():
            _write(self.path / f"{name}.pub", PUBLIC, key.raw, 0o644)

    def rotate(self, grace: float) -> tuple[KeyPair, KeyPair]:
        """Give the controller another pair, and keep the former one beside it; both, the former one first.

        Not within `grace` seconds of the last time: who trusts the one before would not learn of the new one.
        """
        with self._alone():
            former = self._read(CONTROLLER)
            if former is None:
                raise ConfigError(f"{self.path / CONTROLLER}.key: there is none that could be rotated")
            last = self.path / f"{FORMER}.key"
            if last.exists() and time.time() - last.stat().st_mtime < grace:
                raise ConfigError(
                    f"{last}: rotated within the last {grace:g}s; wait, or remove it to do without"
                )
            self._write(FORMER, former)
            self._write(CONTROLLER, new := KeyPair.generate())
            return former, new

    def _make(self, name: str) -> KeyPair:
        self._write(name, new := KeyPair.generate())
        return new

    def _write(self, name: str, pair: KeyPair) -> None:
        _write(self.path / f"{name}.key", PRIVATE, pair.seed, 0o600)
        _write(self.path / f"{name}.pub", PUBLIC, pair.public.raw, 0o644)

    def _read(self, name: str) -> KeyPair | None:
        private, public = self.path / f"{name}.key", self.path / f"{name}.pub"
        secret, told = _text(private, secret=True), _text(public)
        if secret is None and told is None:
            return None
        if secret is None or told is None:
            missing, there = (private, public) if secret is None else (public, private)
            raise ConfigError(
                f"{missing}: missing, while {there} is there; restore it, or remove that one for a new pair"
            )
        pair = KeyPair.of(_decoded(private, secret, PRIVATE))
        if pair.public.raw != _decoded(public, told, PUBLIC):
            raise ConfigError(f"{public}: not the public key of {private}; restore the one that is")
        return pair

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Make the folder where there is none, and be the only one who works in it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.lstat()
            if S_ISLNK(found.st_mode) or not S_ISDIR(found.st_mode):
                raise ConfigError(f"{self.path}: not a directory; set key_dir to one")
            if found.st_mode & 0o022:
                raise ConfigError(f"{self.path}: others can write to it; chmod 700 {self.path}")
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise _failed(self.path, "used", error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _text(path: Path, *, secret: bool = False) -> str | None:
    """What a file holds that is none of somebody else's and no link; None where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise ConfigError(f"{path}: a symbolic link; put the file itself there") from None
        raise _failed(path, "read", error) from None
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        mode = os.fstat(descriptor).st_mode & 0o777
        if mode & (0o077 if secret else 0o022):
            least = "0600" if secret else "0644"
            raise ConfigError(f"{path}: open to others (mode {mode:04o}); allowed: {least} or less")
        try:
            return file.read()
        except OSError as error:
            raise _failed(path, "read", error) from None


def _decoded(path: Path, text: str, kind: str) -> bytes:
    """The 32 bytes in a PEM block of that kind."""
    lines = text.strip().splitlines()
    try:
        raw = b64decode("".join(lines[1:-1]), validate=True)
    except ValueError:
        raw = b""
    if len(raw) != SIZE or (lines[0], lines[-1]) != (f"-----BEGIN {kind}-----", f"-----END {kind}-----"):
        raise ConfigError(f"{path}: damaged: not one PEM block of {kind}; restore it from a backup")
    return raw


def _write(path: Path, kind: str, raw: bytes, mode: int) -> None:
    """Put a key where there may be one already, whole, and on the disk when this returns."""
    text = f"-----BEGIN {kind}-----\n{b64encode(raw).decode()}\n-----END {kind}-----\n"
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "w") as file:
                os.fchmod(descriptor, mode)
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise _failed(path, "written", error) from None


def _sync(folder: Path) -> None:
    """Make a new name durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(path: Path, verb: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path}: cannot be {verb}: {error.strerror}; become its owner, or set another key_dir"
    )
