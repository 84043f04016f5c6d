"""Secrets of a job: sealed by the controller for each host, and opened there only.

A job is a record that many may read, and that is kept; so what is secret in it is put into a sealed box of
libsodium (X25519, XSalsa20-Poly1305, a new key for each box), one for each host. The box says what it is for, so
that it cannot be moved to another host or operation.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import attrs
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from osapi import wire
from osapi.errors import BadInput, ConfigError, Refused

MASK = "****"
"""What stands in a record in the place of a secret."""


@attrs.frozen(kw_only=True)
class _Content:
    operation: str
    machine_id: str
    secrets: dict[str, Any]


def seal(secrets: Mapping[str, Any], *, key: str, operation: str, machine_id: str) -> str:
    """Secrets by the names of their parameters as a box in base64; `key` is the public one of the host, in base64."""
    content = _Content(operation=operation, machine_id=machine_id, secrets=dict(secrets))
    try:
        box = SealedBox(PublicKey(b64decode(key, validate=True)))
    except (ValueError, CryptoError):
        raise BadInput(f"the key that host {machine_id} tells for secrets is none") from None
    return b64encode(box.encrypt(wire.encode(content))).decode()


@attrs.frozen
class Opener:
    """The key of one host (`osapi.state` keeps it), which opens what was sealed for it."""

    _key: PrivateKey

    @staticmethod
    def of(seed: str) -> "Opener":
        """The key that 32 random bytes in hex make."""
        try:
            return Opener(PrivateKey(bytes.fromhex(seed)))
        except (ValueError, CryptoError, TypeError):
            raise ConfigError(
                "the key for secrets is not 32 bytes in hex; remove its file, and a new one is made"
            ) from None

    @property
    def public(self) -> str:
        """What others seal with, in base64."""
        return b64encode(bytes(self._key.public_key)).decode()

    def open(self, box: str, *, operation: str, machine_id: str) -> dict[str, Any]:
        """The secrets in a box; `Refused` where it was sealed for another host, operation or key."""
        try:
            content = wire.decode(_Content, SealedBox(self._key).decrypt(b64decode(box, validate=True)))
        except (ValueError, CryptoError, BadInput):
            raise Refused("the secrets of this job were not sealed for this host; submit it again") from None
        if (content.operation, content.machine_id) != (operation, machine_id):
            raise Refused("the secrets of this job were sealed for another; submit it again")
        return content.secrets
