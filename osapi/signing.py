"""Messages that only a controller can have sent: its signature over them, and what an agent checks of it.

A signature is in headers of the message, beside its bytes:

| header | what |
|---|---|
| `Osapi-Key` | the fingerprint of the key it was made with |
| `Osapi-Signed` | when it was made, in milliseconds since the epoch, a dash, and 16 random bytes in hex: a nonce |
| `Osapi-Signature` | Ed25519 over purpose, subject, the header before and the bytes, in base64 |

The subject says which host and what for (`osapi.bus.layout`), the bytes are the definition of the job: its id,
operation, parameters, target and expiry. So none of it can be changed, and no message be sent to another host.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

from osapi.errors import BadInput
from osapi.keys import KeyPair, PublicKey

KEY, STAMP, SIGNATURE = "Osapi-Key", "Osapi-Signed", "Osapi-Signature"

PURPOSE = b"osapi message v1"
"""Tells these signatures from all others that are made with the same key."""


def sign(pair: KeyPair, subject: str, data: bytes, at: datetime) -> dict[str, str]:
    """The headers that go with a message."""
    stamp = f"{int(at.timestamp() * 1000)}-{secrets.token_hex(16)}"
    signature = pair.sign(_said(subject, stamp, data))
    return {KEY: pair.public.fingerprint, STAMP: stamp, SIGNATURE: b64encode(signature).decode()}


@attrs.frozen
class Signature:
    """What the headers of a message claim; nothing of it is true before `holds` says so."""

    key: str
    stamp: str
    value: bytes
    at: datetime

    @staticmethod
    def of(headers: Mapping[str, str]) -> "Signature | None":
        """The signature of a message; None where it has none. `BadInput` where what it has cannot be read."""
        if SIGNATURE not in headers:
            return None
        stamp = headers.get(STAMP, "")
        try:
            value = b64decode(headers[SIGNATURE], validate=True)
            at = datetime.fromtimestamp(int(stamp.partition("-")[0]) / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            raise BadInput("its signature cannot be read") from None
        return Signature(headers.get(KEY, ""), stamp, value, at)

    def holds(self, key: PublicKey, subject: str, data: bytes) -> bool:
        """Whether the owner of `key` signed just these bytes, for just this subject."""
        return key.verifies(_said(subject, self.stamp, data), self.value)


def _said(subject: str, stamp: str, data: bytes) -> bytes:
    """What is signed. Neither subjects nor headers have line breaks, so that no two messages are the same."""
    return b"\n".join((PURPOSE, subject.encode(), stamp.encode(), data))
