"""Whether a chain of audit entries is as it was written: what was edited, removed, moved or put in, by number.

Entries are given one by one, in the order they lie in. What is well is kept as runs, stretches of numbers
without a gap, so that a long chain costs no memory.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import attrs
import msgspec

from osapi.audit.chain import CHECKPOINT, Entry, Head, digest, holds
from osapi.keys import PublicKey

REMEMBERED = 10_000
"""Changes without an outcome that are kept in mind."""


@attrs.frozen
class Finding:
    """What is wrong with the entries of some numbers, `first` to `last`; both 0 for a line without a number."""

    kind: str
    first: int
    last: int
    detail: str

    @property
    def entries(self) -> str:
        if not self.first:
            return "-"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@attrs.define
class Run:
    """Numbers that follow each other: `previous` is what the first says of the one before, `digest` the last's own."""

    first: int
    last: int
    previous: str
    digest: str
    loose: int = 0
    """The first of those at its end that no checkpoint follows there, 0 where one does."""

    @property
    def length(self) -> int:
        return self.last - self.first + 1


@attrs.define(kw_only=True)
class Verification:
    """One pass over a chain. `trusted` are the keys it may be sealed with, by fingerprint.

    `anchors` are heads that are known from elsewhere: an entry of each number must be there, with that digest.
    """

    trusted: Mapping[str, PublicKey]
    anchors: Sequence[Head] = ()

    entries: int = attrs.field(default=0, init=False)
    lines: int = attrs.field(default=0, init=False)
    foreign: Counter[str] = attrs.field(factory=Counter, init=False)
    """Entries that are sealed with keys that are not trusted, by fingerprint."""
    unfinished: dict[str, str] = attrs.field(factory=dict, init=False)
    """The ids of entries that tell of a change without an outcome, by request."""
    _found: list[Finding] = attrs.field(factory=list, init=False)
    _runs: list[Run] = attrs.field(factory=list, init=False)
    _open: list[int] = attrs.field(factory=list, init=False)
    """First and last number of the entries that no checkpoint has followed yet."""
    _vouched: bool = attrs.field(default=False, init=False)
    """Whether the entry before has a checkpoint that holds."""
    _doubted: Finding | None = attrs.field(default=None, init=False)
    """The checkpoint of the entry before does not hold: which entries are to blame, the next one tells."""
    _anchored: dict[int, str] = attrs.field(factory=dict, init=False)

    def add(self, line: bytes) -> None:
        """Look at the next line."""
        self.lines += 1
        try:
            entry = msgspec.json.decode(line, type=Entry)
            number, previous = entry["number"], entry["previous"]
        except (msgspec.DecodeError, RecursionError, KeyError):
            number = previous = None
        if not isinstance(number, int) or not isinstance(previous, str) or number < 1:
            self._tell("unreadable", 0, 0, f"line {self.lines} is no entry")
            return
        self.entries += 1
        found = Head(number, digest(entry))
        if any(anchor.number == number for anchor in self.anchors):
            self._anchored[number] = found.digest
        self._link(found, previous)
        self._seal(entry, found)
        self._follow(entry)

    def _link(self, found: Head, previous: str) -> None:
        """Take it into the last run, or begin another."""
        run, doubted = self._runs[-1] if self._runs else None, self._doubted
        self._doubted = None
        if run is None or found.number != run.last + 1:
            self._found += [doubted] if doubted else []
            if run and self._open:
                run.loose, self._open = self._open[0], []
            self._runs.append(Run(found.number, found.number, previous, found.digest))
            return
        if previous != run.digest:
            self._broken(run.last, found.number)
        elif doubted:
            self._found.append(doubted)
        run.last, run.digest = found.number, found.digest

    def _broken(self, left: int, right: int) -> None:
        """Two neighbours do not fit: the left one is another than it was, unless it is vouched for."""
        edited = right if self._vouched else left
        self._tell("edited", edited, edited, "its digest is not the one that the chain has of it")

    def _seal(self, entry: Entry, found: Head) -> None:
        """Check the checkpoint of an entry, which vouches for all since the one before."""
        self._open = [min([found.number, *self._open]), max([found.number, *self._open])]
        self._vouched = False
        checkpoint = entry.get(CHECKPOINT)
        if not isinstance(checkpoint, dict):
            return
        (first, last), self._open = self._open, []
        key = self.trusted.get(str(checkpoint.get("key")))
        if key is None:
            self.foreign[str(checkpoint.get("key"))] += 1
            self._tell(
                "foreign", first, last, f"sealed with a key that is not trusted: {checkpoint.get('key')}"
            )
        elif holds(checkpoint, found, key):
            self._vouched = True
        else:
            self._doubted = Finding("edited", first, last, "the checkpoint after it does not hold")

    def _follow(self, entry: Entry) -> None:
        request, phase = str(entry.get("request_id", "")), entry.get("phase")
        if phase == "intent" and len(self.unfinished) < REMEMBERED:
            self.unfinished[request] = str(entry.get("id", ""))
        elif phase == "outcome":
            self.unfinished.pop(request, None)

    def end(self) -> list[Finding]:
        """All that is wrong, by number."""
        self._found += [self._doubted] if self._doubted else []
        if self._open:
            first, last = self._open
            self._tell("unsealed", first, last, "no checkpoint follows, as one does each write")
        self._order()
        self._anchor()
        return sorted(joined(self._found), key=lambda each: (each.first, each.last))

    @property
    def head(self) -> Head | None:
        """The entry with the highest number."""
        last = max(self._runs, key=lambda run: run.last, default=None)
        return None if last is None else Head(last.last, last.digest)

    @property
    def first(self) -> int:
        """The lowest number; 0 where there is no entry."""
        return min((run.first for run in self._runs), default=0)

    def _order(self) -> None:
        """Put the runs in the order of their numbers, and see what was moved, what is missing, what is there twice."""
        staying = heaviest(self._runs)
        for place, run in enumerate(self._runs):
            if place not in staying:
                self._tell("reordered", run.first, run.last, "it is not where its number belongs")
        before: Run | None = None
        alone = "no checkpoint follows that vouches for it"
        for run in sorted(self._runs, key=lambda each: (each.first, -each.last)):
            if before is None:
                before = run
            elif run.first <= before.last:
                self._tell(
                    "inserted", run.first, min(run.last, before.last), "there is another of that number"
                )
            elif run.first > before.last + 1:
                self._tell("removed", before.last + 1, run.first - 1, "it is not there")
                if before.loose:
                    self._tell("unsealed", before.loose, before.last, alone)
            elif run.previous != before.digest:
                self._tell(
                    "edited", before.last, before.last, "its digest is not the one that the chain has of it"
                )
            before = run if before is None or run.last > before.last else before

    def _anchor(self) -> None:
        last, first = (self.head or Head()).number, self.first
        for anchor in self.anchors:
            if anchor.number > last:
                self._tell("removed", last + 1, anchor.number, "the end of the log is not there")
            elif anchor.number in self._anchored and self._anchored[anchor.number] != anchor.digest:
                self._tell("edited", first, anchor.number, f"entry {anchor.number} was {anchor.digest}")

    def _tell(self, kind: str, first: int, last: int, detail: str) -> None:
        self._found.append(Finding(kind, first, last, detail))


def heaviest(runs: Sequence[Run]) -> set[int]:
    """The places of those runs that stay where they are, if as few entries as possible are taken to be moved.

    The heaviest increasing subsequence, by the best chain for each last number.
    """
    ends: list[int] = []
    best: list[tuple[int, int]] = []
    came_from: list[int] = []
    for place, run in enumerate(runs):
        under = bisect_left(ends, run.first)
        weight, before = best[under - 1] if under else (0, -1)
        came_from.append(before)
        total = weight + run.length
        at = bisect_left(ends, run.last)
        while at < len(ends) and best[at][0] <= total:
            del ends[at], best[at]
        if not at or best[at - 1][0] < total:
            ends.insert(at, run.last)
            best.insert(at, (total, place))
    staying: set[int] = set()
    place = best[-1][1] if best else -1
    while place >= 0:
        staying.add(place)
        place = came_from[place]
    return staying


def joined(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Findings of one kind and reason whose numbers follow each other, as one."""
    last: Finding | None = None
    for found in sorted(findings, key=lambda each: (each.kind, each.detail, each.first)):
        alike = last and (last.kind, last.detail) == (found.kind, found.detail)
        if last and alike and found.first and found.first <= last.last + 1:
            last = attrs.evolve(last, last=max(last.last, found.last))
            continue
        if last:
            yield last
        last = found
    if last:
        yield last


def keys(texts: Sequence[str]) -> dict[str, PublicKey]:
    """Public keys in base64, by their fingerprints."""
    found = map(PublicKey.of, texts)
    return {key.fingerprint: key for key in found}
