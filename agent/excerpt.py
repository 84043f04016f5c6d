"""Some lines of a text file of any size, picked out as it comes in pieces."""

import attrs

from osapi.errors import Refused


@attrs.define
class Excerpt:
    """Lines of a file that comes in pieces: `skip` are passed over, then up to `limit` kept, and `most` bytes.

    `name` and `size` are those of the file, `before` counts the bytes that were passed over. `more` is set once
    there is anything after what is kept: the rest of the file is not needed then. Raises `Refused` where it is
    not text, or too much.
    """

    name: str
    size: int
    skip: int
    limit: int | None
    most: int
    before: int = 0
    content: bytearray = attrs.field(factory=bytearray)
    more: bool = False

    def add(self, piece: bytes) -> None:
        """Go on with the next piece."""
        start, self.skip = _after(piece, 0, self.skip)
        end = len(piece)
        if self.limit is not None:
            end, self.limit = _after(piece, start, self.limit)
        if piece.find(b"\0", 0, end) >= 0:
            raise Refused(f"{self.name} is binary: it has a NUL byte; ask for it with the encoding base64")
        self.before += start
        self.content += piece[start:end]
        self.more = end < len(piece)
        if len(self.content) > self.most:
            raise Refused(
                f"{self.name} has {self.size} bytes, and an answer {self.most} at most; ask for fewer lines, with "
                "offset and limit"
            )

    @property
    def lines(self) -> int:
        """How many are kept."""
        return self.content.count(b"\n") + (bool(self.content) and not self.content.endswith(b"\n"))

    def text(self) -> str:
        """What is kept; `Refused` where it is not UTF-8: what stands for other bytes is not what the file holds."""
        try:
            return self.content.decode()
        except UnicodeDecodeError as error:
            at = self.before + error.start
            raise Refused(
                f"{self.name} is not UTF-8 at byte {at}; ask for it with the encoding base64"
            ) from None


def is_text(content: bytes) -> bool:
    """Whether it can be told as text: UTF-8 without NUL."""
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _after(piece: bytes, start: int, lines: int) -> tuple[int, int]:
    """Where in a piece so many lines have passed since `start`, and how many are still to pass."""
    there = piece.count(b"\n", start)
    if there < lines:
        return len(piece), lines - there
    for _ in range(lines):
        start = piece.index(b"\n", start) + 1
    return start, 0
