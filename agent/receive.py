"""What arrives for a file, measured on its way into the draft of it."""

from hashlib import sha256
from typing import Any

import attrs

from agent.files import PIECE, Draft
from osapi.errors import OperationError


@attrs.define
class Arrival:
    """Pieces are put together until a write is worth it; `expected` is a SHA-256 in hex, `size` in bytes."""

    name: str
    expected: str
    size: int
    draft: Draft
    _come: int = 0
    _waiting: bytearray = attrs.field(factory=bytearray)
    _digest: Any = attrs.field(factory=sha256)

    def take(self, piece: bytes) -> bool:
        """Whether it is time to `write`; `OperationError` where more comes than there should be."""
        self._come += len(piece)
        if self._come > self.size:
            raise OperationError(
                f"{self.name} is left as it was: more came than the {self.size} bytes of SHA-256 {self.expected}"
            )
        self._waiting += piece
        return len(self._waiting) >= PIECE

    def write(self) -> None:
        """Put what has come into the draft; this blocks."""
        self._digest.update(self._waiting)
        self.draft.write(bytes(self._waiting))
        self._waiting.clear()

    def commit(self) -> None:
        """Put the draft in its place if it is what it should be, else `OperationError`; this blocks."""
        self.write()
        found = self._digest.hexdigest()
        if (found, self._come) != (self.expected, self.size):
            raise OperationError(
                f"{self.name} is left as it was: what came has the SHA-256 {found} and {self._come} bytes, "
                f"not {self.expected} and {self.size}"
            )
        self.draft.commit()
