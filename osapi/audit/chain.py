"""The chain of audit entries: each carries the digest of the one before, and what is written at once is sealed.

An entry is a JSON object. Its digest is the SHA-256 of its canonical form: members sorted by name, no spaces, without
`checkpoint`. It has a `number`, one more than the entry before, and as `previous` the digest of that. The last
entry of each write has a `checkpoint`: the signature (Ed25519, RFC 8032) of its number and digest, and so of
everything before.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from random import getrandbits
from typing import Any
from uuid import UUID

import attrs
import msgspec

from osapi.errors import BadInput
from osapi.keys import KeyPair, PublicKey

Entry = dict[str, Any]

CHECKPOINT = "checkpoint"


@attrs.frozen
class Head:
    """Where a chain has come to: the number and digest of its last entry; 0 and "" before the first."""

    number: int = 0
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"

    @staticmethod
    def of(text: str) -> "Head":
        """What was printed as NUMBER:DIGEST; `BadInput` where that is something else."""
        number, _, digest = text.strip().partition(":")
        if not number.isdecimal() or len(digest) != 2 * sha256().digest_size:
            raise BadInput(
                f"{text!r:.100} is no head of a chain; allowed: NUMBER:DIGEST, as verify prints it"
            )
        return Head(int(number), digest)


def canonical(entry: Mapping[str, Any]) -> bytes:
    """What the digest of an entry is taken of."""
    covered = {name: value for name, value in entry.items() if name != CHECKPOINT}
    return msgspec.json.encode(covered, order="sorted")


def digest(entry: Mapping[str, Any]) -> str:
    return sha256(canonical(entry)).hexdigest()


def statement(head: Head) -> bytes:
    """What is signed."""
    return f"osapi audit checkpoint\n{head.number}\n{head.digest}\n".encode()


def sealed(entries: Sequence[Mapping[str, Any]], head: Head, keys: KeyPair) -> tuple[bytes, Head]:
    """Entries that follow a head, as the lines of one write, and the head after them."""
    lines = []
    for place, entry in enumerate(entries, 1):
        number = head.number + 1
        placed = {**entry, "id": identity(number), "number": number, "previous": head.digest}
        line = canonical(placed)
        head = Head(number, sha256(line).hexdigest())
        if place == len(entries):
            signature = b64encode(keys.sign(statement(head))).decode()
            line = msgspec.json.encode(
                {**placed, CHECKPOINT: {"key": keys.public.fingerprint, "signature": signature}},
                order="sorted",
            )
        lines.append(line)
    return b"\n".join(lines), head


def holds(checkpoint: Mapping[str, Any], head: Head, key: PublicKey) -> bool:
    """Whether the owner of a key has sealed just that."""
    try:
        signature = b64decode(str(checkpoint.get("signature")), validate=True)
    except ValueError:
        return False
    return key.verifies(statement(head), signature)


def read(block: bytes) -> list[Entry]:
    """The entries of one write; `BadInput` where they cannot be read."""
    try:
        return [msgspec.json.decode(line, type=Entry) for line in block.split(b"\n")]
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(f"an entry cannot be read: {error}") from None


def head_of(entry: Mapping[str, Any]) -> Head:
    """The head of a chain that ends with an entry."""
    return Head(int(entry["number"]), digest(entry))


def identity(number: int) -> str:
    """The id of an entry: a UUID of version 8 (RFC 9562) that begins with its number, so that it is found by it."""
    return str(UUID(int=number << 80 | 0x8 << 76 | getrandbits(12) << 64 | 0b10 << 62 | getrandbits(62)))


def number_in(identity: str) -> int:
    """The number that an id begins with."""
    return UUID(identity).int >> 80
