"""What Docker's Engine streams: the output of containers, both streams in one, and how far a pull is.

Source: Docker Engine API, "Attach to a container" (Stream format) and "Create an image".
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import attrs

Take = Callable[[bytes], object]
"""Takes a piece of what a stream holds. It must not raise."""

STDOUT, STDERR, ENGINE = 1, 2, 3
"""The numbers of streams; in the last, the Engine itself complains."""
HEADER = 8
"""Bytes before each frame: the number of the stream, three zeros, the length in big endian."""

BETWEEN = 1.0
"""Seconds between two lines about one pull."""
DONE = ("Pull complete", "Already exists")
"""What the Engine says of a layer that is there."""


@attrs.define
class Frames:
    """Takes frames apart, however they are cut into pieces, and hands on what they hold.

    `broken` is what is wrong with them; nothing is looked at after that.
    """

    streams: Mapping[int, Take]
    broken: str = ""
    _header: bytearray = attrs.field(factory=bytearray)
    _stream: int = 0
    _left: int = 0
    _complaint: bytearray = attrs.field(factory=bytearray)

    def feed(self, data: bytes) -> None:
        piece = memoryview(data)
        while piece and not self.broken:
            missing = self._left or HEADER - len(self._header)
            self._go_on(bytes(piece[:missing]))
            piece = piece[missing:]

    def end(self) -> str:
        """What was wrong with all of it, or nothing."""
        if self._complaint:
            return self._complaint.decode(errors="replace").strip()
        if self._left or self._header:
            return self.broken or "it ended in the middle of a frame"
        return self.broken

    def _go_on(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
            take = self._complaint.extend if self._stream == ENGINE else self.streams[self._stream]
            take(data)
            return
        self._header += data
        if len(self._header) == HEADER:
            self._stream, self._left = self._header[0], int.from_bytes(self._header[4:])
            if self._stream != ENGINE and self._stream not in self.streams:
                self.broken = f"there is no stream {self._stream}"
            self._header.clear()


@attrs.define
class Pull:
    """How far a pull is, of JSON objects that come a line each; `tell` hears of it once a second.

    `error` is what the Engine says went wrong, which it does in the middle of an answer that began well.
    """

    tell: Callable[[str], None]
    clock: Callable[[], float]
    error: str = ""
    _begun: bytes = b""
    _told: float = attrs.field(default=attrs.Factory(lambda self: self.clock(), takes_self=True))
    _layers: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    _done: set[str] = attrs.field(factory=set)

    def feed(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in filter(None, map(bytes.strip, lines)):
            try:
                self._see(json.loads(line))
            except (ValueError, TypeError, AttributeError):
                self.error = self.error or f"this is nothing that Docker says of a pull: {line[:200]!r}"

    def _see(self, said: Mapping[str, Any]) -> None:
        if wrong := (said.get("errorDetail") or {}).get("message") or said.get("error"):
            self.error = str(wrong)
        elif "progressDetail" not in said:
            self.tell(f"{said.get('status')}\n")
        else:
            self._see_layer(said["id"], said["status"], said["progressDetail"])

    def _see_layer(self, layer: str, status: str, detail: Mapping[str, int]) -> None:
        come, size = self._layers.get(layer, (0, 0))
        if status == "Downloading":
            come, size = detail.get("current", come), detail.get("total", size)
        elif status == "Download complete":
            come = size
        self._layers[layer] = come, size
        if status in DONE:
            self._done.add(layer)
        if self.clock() - self._told >= BETWEEN:
            self._told = self.clock()
            self.tell(f"{self.line()}\n")

    def line(self) -> str:
        """Where it is. The size of a layer is known once it begins to come."""
        come, size = (sum(column) / 1e6 for column in zip(*self._layers.values(), strict=True))
        return f"{len(self._done)} of {len(self._layers)} layers, {come:.1f} of {size:.1f} MB"


@attrs.define
class Lines:
    """The newest lines of several streams in the order they came, of `limit` bytes at most.

    Of a line that is longer, the end is kept.
    """

    limit: int
    omitted: int = 0
    _kept: deque[tuple[str, bytes]] = attrs.field(factory=deque)
    _size: int = 0
    _begun: dict[str, bytes] = attrs.field(factory=dict)

    def take(self, stream: str, data: bytes) -> None:
        *lines, begun = (self._begun.get(stream, b"") + data).split(b"\n")
        self._begun[stream] = begun[-self.limit :]
        for line in lines:
            self._keep(stream, line.removesuffix(b"\r"))

    def end(self) -> list[tuple[str, str]]:
        """Streams and lines; those that were begun are the last ones."""
        for stream, line in self._begun.items():
            if line:
                self._keep(stream, line)
        return [(stream, line.decode(errors="replace")) for stream, line in self._kept]

    def _keep(self, stream: str, line: bytes) -> None:
        line = line[max(0, len(line) + 1 - self.limit) :]
        self._kept.append((stream, line))
        self._size += len(line) + 1
        while self._size > self.limit:
            self._size -= len(self._kept.popleft()[1]) + 1
            self.omitted += 1
