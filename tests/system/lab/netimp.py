"""A slow and lossy cable between a host and its switch, until SIGTERM; for kernels without tc-netem(8).

    netimp.py HOST DELAY JITTER LOSS        in ms, ms and per cent; in the network namespace of the switch

Two TAP devices (Linux, Documentation/networking/tuntap.rst) are put between the host's port and the switch, and
frames are carried by hand from one to the other. Each direction has the delay and the loss; frames keep their order.
Writes a line once they are in place, and at the end how many frames it carried, and how many it lost, as JSON.
"""

import fcntl
import json
import os
import random
import select
import signal
import stat
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TUN = Path("/dev/net/tun")
DEVICE = os.makedev(10, 200)
"""The numbers of TUN, of the kernel's devices.txt."""
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
"""Of linux/if_tun.h."""

LONGEST = 65536
IDLE = 1.0


class Line:
    """One direction: frames read from one TAP device, and when each is due at the other."""

    def __init__(self, source: int, sink: int, delay: float, jitter: float, loss: float) -> None:
        self.source, self.sink = source, sink
        self.delay, self.jitter, self.loss = delay, jitter, loss
        self.due: deque[tuple[float, bytes]] = deque()
        self.last = 0.0
        self.carried = self.lost = 0

    def take(self) -> None:
        """Read all frames that are there."""
        with suppress(BlockingIOError):
            while frame := os.read(self.source, LONGEST):
                if random.random() < self.loss:
                    self.lost += 1
                    continue
                late = self.delay + random.uniform(-self.jitter, self.jitter)
                self.last = max(self.last, time.monotonic() + late)
                self.due.append((self.last, frame))

    def give(self) -> None:
        """Write the frames that are due; one that the kernel has no room for is lost, as on any cable."""
        while self.due and self.due[0][0] <= time.monotonic():
            _, frame = self.due.popleft()
            try:
                os.write(self.sink, frame)
                self.carried += 1
            except OSError:
                self.lost += 1

    @property
    def pause(self) -> float:
        """Seconds until the next frame is due."""
        return max(self.due[0][0] - time.monotonic(), 0.0) if self.due else IDLE


def ip(*words: str) -> None:
    subprocess.run(["ip", "link", *words], check=True)


def tap(name: str) -> int:
    """A new TAP device, which is gone with the process."""
    if not TUN.exists():
        TUN.parent.mkdir(exist_ok=True)
        os.mknod(TUN, stat.S_IFCHR | 0o600, DEVICE)
    end = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return end


@contextmanager
def spliced(host: str) -> Iterator[tuple[int, int]]:
    """The TAP devices on the side of the host and of the switch; at the end the host is on its switch again."""
    port, between, here, there = f"v{host}", f"bi-{host}", f"ta-{host}", f"tb-{host}"
    ends = tap(here), tap(there)
    ip("add", between, "type", "bridge")
    try:
        ip("set", between, "up")
        ip("set", here, "master", between, "up")
        ip("set", there, "master", "br0", "up")
        ip("set", port, "master", between)
        yield ends
    finally:
        ip("set", port, "master", "br0")
        ip("del", between)


def carry(lines: dict[int, Line]) -> None:
    """For ever."""
    while True:
        ready, _, _ = select.select(list(lines), [], [], min(line.pause for line in lines.values()))
        for source in ready:
            lines[source].take()
        for line in lines.values():
            line.give()


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main(host: str, delay: str, jitter: str, loss: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    quality = float(delay) / 1000, float(jitter) / 1000, float(loss) / 100
    with spliced(host) as (near, far):
        lines = {near: Line(near, far, *quality), far: Line(far, near, *quality)}
        say("in place")
        try:
            carry(lines)
        finally:
            counts = {key: sum(getattr(line, key) for line in lines.values()) for key in ("carried", "lost")}
            say(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
