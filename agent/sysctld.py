"""The files of sysctl.d(5): which values the host gives kernel parameters when it boots.

/etc/sysctl.conf counts where a link in one of the folders leads to it, as on Debian 12: systemd reads nothing else.
"""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import attrs

from agent.host import Host

FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
"""Of files of the same name, only that in the first of these counts."""

SWAPPED = str.maketrans("./", "/.")


@attrs.frozen
class Line:
    """What one line of a file says; `place` is relative to /proc/sys, and may be a pattern.

    Without a `value`, what patterns say of that place does not count.
    """

    file: str
    place: str
    value: str | None


def place(key: str) -> str:
    """Where a parameter is, below /proc/sys: dots and slashes stand for each other, unless a slash comes first."""
    return key if re.match(r"[^.]*/", key) else key.translate(SWAPPED)


def plain(value: str) -> str:
    """A value as we compare it: the kernel parts words by tabs."""
    return " ".join(value.split())


async def lines(host: Host) -> list[Line]:
    """All that is said, in the order in which it counts: what is said later is what holds."""
    names: dict[str, str] = {}
    for folder in reversed(FOLDERS):
        for file in await host.glob(f"{folder}/*.conf"):
            names[PurePosixPath(file).name] = file
    found: list[Line] = []
    for _, file in sorted(names.items()):
        stat = await host.stat(file)
        if stat and stat.kind == "file":  # a link to /dev/null says that there is no file of that name
            found += parse(file, await host.read(file) or "")
    return found


def parse(file: str, text: str) -> Iterator[Line]:
    """The lines of a file that say something."""
    for line in text.split("\n"):
        name, equals, value = line.strip().partition("=")
        if name and name[0] not in "#;" and (equals or name[0] == "-"):
            yield Line(file, place(name.strip().removeprefix("-")), plain(value) if equals else None)


def decisive(found: Iterable[Line], wanted: str) -> Line | None:
    """The line that decides on a place: the last one that names it, or else the last one with a pattern that fits."""
    known = list(found)
    named = [line for line in known if line.place == wanted]
    fitting = named or [line for line in known if fits(line.place, wanted)]
    return fitting[-1] if fitting else None


def fits(pattern: str, wanted: str) -> bool:
    """Whether a place is one that a pattern stands for, glob(7)."""
    parts, names = pattern.split("/"), wanted.split("/")
    return len(parts) == len(names) and all(map(fnmatchcase, names, parts))
