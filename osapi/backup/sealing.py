"""The encryption of a backup: a key from a passphrase, and parts that are sealed with it, piece by piece.

A part begins with the header of its stream, then each piece follows its length (4 bytes, big-endian). Pieces cannot
be changed, left out or moved, also not from one part to another, and the last one says that it is.
Sources: RFC 9106 (Argon2id); libsodium, "Encrypted streams" (XChaCha20-Poly1305).
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import BinaryIO

import attrs
from nacl import bindings, exceptions, pwhash
from nacl.utils import random

from osapi.errors import BadInput, Error

SHORTEST = 8
"""Characters of a passphrase."""
HEADER = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
OVERHEAD = bindings.crypto_secretstream_xchacha20poly1305_ABYTES
KEY = bindings.crypto_secretstream_xchacha20poly1305_KEYBYTES
MESSAGE = bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
FINAL = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL

LONGEST = 1024 * 1024
"""Bytes of a piece."""
MOST_MEMORY = 1024 * 1024 * 1024
"""Bytes that deriving a key may take, whatever a file says."""


class Damaged(Error):
    """A backup is not as it was written."""


@attrs.frozen(kw_only=True)
class Derivation:
    """How the key comes from the passphrase; `salt` in base64, `memory` in bytes."""

    salt: str
    passes: int
    memory: int

    def key(self, passphrase: str) -> bytes:
        if not self.memory <= MOST_MEMORY:
            raise Damaged(f"a key that takes {self.memory} bytes to derive is none of ours")
        try:
            salt = b64decode(self.salt, validate=True)
            return pwhash.argon2id.kdf(KEY, passphrase.encode(), salt, self.passes, self.memory)
        except (ValueError, exceptions.CryptoError) as error:
            raise Damaged(f"no key can be derived: {error}") from None


def derivation() -> Derivation:
    """For a new backup."""
    return Derivation(
        salt=b64encode(random(pwhash.argon2id.SALTBYTES)).decode(),
        passes=pwhash.argon2id.OPSLIMIT_MODERATE,
        memory=pwhash.argon2id.MEMLIMIT_MODERATE,
    )


def acceptable(passphrase: str) -> str:
    """A passphrase for a new backup; `BadInput` where it is too short."""
    if len(passphrase) < SHORTEST:
        raise BadInput(
            f"the passphrase has {len(passphrase)} characters; allowed: {SHORTEST} or more", "passphrase"
        )
    return passphrase


class Sealer:
    """Seals one part; each call returns what is to be written."""

    def __init__(self, key: bytes, name: str) -> None:
        self._state, self._name = bindings.crypto_secretstream_xchacha20poly1305_state(), name.encode()
        self._header = bindings.crypto_secretstream_xchacha20poly1305_init_push(self._state, key)

    def begin(self) -> bytes:
        return self._header

    def seal(self, piece: bytes) -> bytes:
        """Up to LONGEST bytes."""
        return self._framed(piece, MESSAGE)

    def end(self) -> bytes:
        return self._framed(b"", FINAL)

    def _framed(self, piece: bytes, tag: int) -> bytes:
        sealed = bindings.crypto_secretstream_xchacha20poly1305_push(self._state, piece, self._name, tag)
        return len(sealed).to_bytes(4, "big") + sealed


def opened(file: BinaryIO, key: bytes, name: str) -> Iterator[bytes]:
    """The pieces of a sealed part; `Damaged` where they are not what was sealed with that key."""
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    try:
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, _exactly(file, HEADER), key)
        tag = MESSAGE
        while tag != FINAL:
            length = int.from_bytes(_exactly(file, 4), "big")
            if length > LONGEST + OVERHEAD:
                raise Damaged(f"{name} is damaged")
            piece, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(
                state, _exactly(file, length), name.encode()
            )
            if piece:
                yield piece
    except (exceptions.CryptoError, RuntimeError, ValueError):
        raise Damaged(
            f"{name} cannot be decrypted: it is damaged, or the passphrase is another one"
        ) from None


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise Damaged("it ends too early")
    return data
