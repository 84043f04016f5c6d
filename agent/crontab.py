"""Tables of cron: when their lines are due, and what is in those of /etc/cron.d. Source: crontab(5) of Debian."""

import re
from collections.abc import Iterator, Sequence

import attrs

from osapi.errors import BadInput

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NICKNAMES = {"@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}

ITEM = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
SETTING = re.compile(r"""\s*(?:[A-Za-z_]\w*|"[^"=]+"|'[^'=]+')\s*=.*""", re.ASCII)
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")


@attrs.frozen
class Field:
    """One of the five fields of a schedule: the numbers it takes, and names for them, from the first on."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def check(self, text: str) -> None:
        for item in text.split(","):
            found = ITEM.fullmatch(item)
            if not found:
                raise self._bad(item)
            whole, low, high, step = found.groups()
            if step is not None and (int(step) == 0 or (low and not high)):
                raise self._bad(item)
            if whole != "*" and not self.first <= self._number(low) <= self._number(high or low) <= self.last:
                raise self._bad(item)

    def _number(self, text: str) -> int:
        """The number that an end of a range stands for; -1 for none."""
        if text.lower() in self.names:
            return self.first + self.names.index(text.lower())
        return int(text) if text.isascii() and text.isdecimal() else -1

    def _bad(self, item: str) -> BadInput:
        names = f", {self.names[0]} to {self.names[-1]}" if self.names else ""
        return BadInput(
            f"schedule: {item} is no {self.name}; allowed are {self.first} to {self.last}{names}, *, ranges such as "
            f"{self.first}-{self.last}, steps of those such as */2, and lists of them",
            "schedule",
        )


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("day of the week", 0, 7, DAYS),
)


@attrs.frozen
class Job:
    """A line that runs something."""

    schedule: str
    user: str
    command: str


def schedule(text: str) -> str:
    """Five fields as cron takes them, with one blank between; `BadInput` names the one that it would not take.

    A `?`, which other programs know, is `*` here.
    """
    words = text.replace("?", "*").split()
    if len(words) != len(FIELDS):
        raise BadInput(f"schedule: {text!r} has {len(words)} fields; cron needs five", "schedule")
    _check(words)
    return " ".join(words)


def is_crontab(text: str) -> bool:
    """Whether a text is meant as a table, and not as a script: some line begins with when it is due."""
    return not text.startswith("#!") and any(_when(line) for _, line in _lines(text))


def jobs(text: str) -> list[Job]:
    """What a table of /etc/cron.d runs; `BadInput` names the first line that cron would not take."""
    return [_job(number, line) for number, line in _lines(text) if not SETTING.fullmatch(line)]


def summary(text: str) -> tuple[str | None, str | None]:
    """When a table is due, and as whom it runs; None of one that cron would not take."""
    try:
        found = jobs(text)
    except BadInput:
        return None, None
    return "; ".join(dict.fromkeys(job.schedule for job in found)), ", ".join(
        dict.fromkeys(job.user for job in found)
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _job(number: int, line: str) -> Job:
    when = _when(line)
    words = line.split(maxsplit=len(when) + 1)[len(when) :]
    if not when or len(words) != 2 or not USER.fullmatch(words[0]):
        raise BadInput(
            f"line {number} is none of a crontab in /etc/cron.d: {line.strip()!r}; "
            "expected: minute hour day month weekday user command",
            "object",
        )
    return Job(" ".join(when), *words)


def _when(line: str) -> list[str]:
    """What a line begins with that says when it is due; nothing where that is none."""
    words = line.split()
    if words[0] in NICKNAMES:
        return words[:1]
    try:
        _check(words[: len(FIELDS)])
    except BadInput:
        return []
    return words[: len(FIELDS)] if len(words) >= len(FIELDS) else []


def _check(words: Sequence[str]) -> None:
    for field, word in zip(FIELDS, words, strict=False):
        field.check(word)
