"""Which paths users' file operations may touch: `agent.files` of the configuration, and what is refused always.

An entry is an absolute path, and stands for itself and all below it, by whole components: `/srv/app` is for
`/srv/app/x`, not for `/srv/apple`. A `*` in it stands for any part of one component, `/` never.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial

import attrs

from agent.disk import Disk, shown
from osapi.errors import Refused

KERNEL = ("/proc", "/sys", "/dev")
"""What is read and written there is no file."""

Lead = Callable[[str], Iterable[str]]
"""The paths that an entry stands for: itself, and where links lead it."""


@attrs.frozen(kw_only=True)
class Policy:
    """What is allowed without what is refused, and never what is the agent's `own` or the kernel's."""

    allow: Sequence[str] = ("/",)
    refuse: Sequence[str] = ()
    own: Sequence[str] = ()

    def check(self, path: str, *, tree: bool = False) -> None:
        """`Refused` for a path that must not be touched, as text, wherever links lead.

        With `tree`, it is also refused for what is above such a path, be that there or not.
        """
        if reason := self._reason(path, lambda entry: [entry], tree=tree):
            raise Refused(f"{path}: {reason}")

    def check_on(self, disk: Disk, name: str, *, tree: bool = False) -> None:
        """The same on a disk: for the name as it is given, and for all that links make of it, and of the entries."""
        lead = cache(partial(leads, disk))
        for path in _paths(disk, name):
            if reason := self._reason(path, lead, tree=tree):
                via = "" if path == shown(name) else f" leads to {path}"
                raise Refused(f"{name}{via}: {reason}")

    def _reason(self, path: str, lead: Lead, *, tree: bool) -> str | None:
        """Why a path is refused; None where it is not."""
        parts = components(path)
        for entries, whose in (
            (self.own, "the agent's own"),
            (KERNEL, "the kernel's"),
            (self.refuse, "refused by agent.files.refuse"),
        ):
            for entry in entries:
                patterns = [components(one) for one in lead(entry)]
                if any(covers(pattern, parts) for pattern in patterns):
                    return f"{entry} is {whose}"
                if tree and any(covers(pattern[: len(parts)], parts) for pattern in patterns):
                    return f"{entry}, which is {whose}, may be below it"
        if not any(covers(components(one), parts) for entry in self.allow for one in lead(entry)):
            return f"agent.files.allow has only {', '.join(self.allow) or 'nothing'}"
        return None


def leads(disk: Disk, entry: str) -> frozenset[str]:
    """The paths of an entry: itself, and where links lead it and each thing that it stands for."""
    found: set[tuple[str, ...]] = {()}
    for part in components(entry):
        found = {longer for path in found for longer in _longer(disk, path, part)}
    return frozenset("/" + "/".join(path) for path in found)


def _longer(disk: Disk, path: tuple[str, ...], part: str) -> Iterator[tuple[str, ...]]:
    yield (*path, part)
    names = [part]
    if "*" in part:
        names = []
        with suppress(OSError):
            found = disk.root.joinpath(*path).iterdir()
            names = [one.name for one in found if matches(part, one.name)]
    for name in names:
        with suppress(Refused):  # the agent does not follow that link
            yield disk.resolve("/".join((*path, name)))


def _paths(disk: Disk, name: str) -> list[str]:
    """A name, and what links make of it: of the way to it, and of all of it."""
    found = [shown(name), "/" + "/".join(disk.resolve(name, last=False))]
    with suppress(Refused):  # it is a link that is not followed, and can still be removed
        found.append("/" + "/".join(disk.resolve(name)))
    return found


def covers(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a path is that of an entry, or below it."""
    return len(pattern) <= len(parts) and all(map(matches, pattern, parts))


def components(path: str) -> tuple[str, ...]:
    """The parts of a path; `Refused` where it has `..`, which means what links make of it."""
    parts = tuple(part for part in path.split("/") if part not in {"", "."})
    if ".." in parts:
        raise Refused(f"{path}: a name must not have `..` in it")
    return parts


def matches(pattern: str, part: str) -> bool:
    """Whether a component is one of those that a component of an entry stands for."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), part, re.DOTALL) is not None
