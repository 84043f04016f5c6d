"""Lines of text files: had, or not had.

A line ends with a newline, the last one maybe without; carriage returns before that belong to the ending.
What is compared and searched is a line without its ending.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import compress

from agent.patterns import Pattern, pattern
from osapi.errors import BadInput
from osapi.operations.file import EditLine

LINE = re.compile(r"[^\n]*\n|[^\n]+")

BREAKS = frozenset("\0\r\n")
"""What no line may have in it; of existing ones, some do."""

PATTERNS = {"regexp": (), "insertafter": ("BOF", "EOF"), "insertbefore": ("BOF",)}
"""The parameters that are patterns, and the words that are none."""


def edit(content: bytes, p: EditLine) -> bytes:
    """What `edited` makes of a content; bytes that are not UTF-8 are kept. It may take seconds."""
    return edited(content.decode(errors="surrogateescape"), p).encode(errors="surrogateescape")


def edited(text: str, p: EditLine) -> str:
    """The text with the line had, or not had, as the page of `ansible.builtin.lineinfile` documents it.

    Other than there, a line is the same with LF, CR LF, or no ending, and what is added ends as the first line of
    the text does. Refused are an empty pattern, which every line matches, a line with line breaks, and beside
    `backrefs`, which inserts nothing, a place to insert at. Raises `BadInput`, and `TimedOut` where a pattern takes
    too long.
    """
    _check(p)
    patterns = {
        name: pattern(name, value)
        for name, words in PATTERNS.items()
        if (value := getattr(p, name)) and value not in words
    }
    lines = LINE.findall(text)
    bodies = [line.rstrip("\r\n") for line in lines]
    if p.state == "absent":
        meant = _meant(p, patterns)
        return "".join(compress(lines, (not meant(body) for body in bodies)))
    return "".join(_having(p.line or "", lines, bodies, p, patterns))


def _check(p: EditLine) -> None:
    """Raise `BadInput` where parameters do not go together."""
    for name in (*PATTERNS, "search_string"):
        if getattr(p, name) == "":
            raise BadInput(f"{name}: empty, which every line matches; leave it out", name)
    absent, place = p.state == "absent", p.insertafter or p.insertbefore
    for wrong, name, message in (
        (BREAKS & set(p.line or ""), "line", "has a line break or NUL in it; one line is allowed"),
        (p.regexp and p.search_string, "search_string", "not together with regexp"),
        (p.insertafter and p.insertbefore, "insertbefore", "not together with insertafter"),
        (not absent and p.line is None, "line", "missing; only with state absent it may be"),
        (
            absent and p.line is None and not (p.regexp or p.search_string),
            "line",
            "missing; or regexp, or search_string",
        ),
        (p.backrefs and absent, "backrefs", "not with state absent"),
        (p.backrefs and not p.regexp, "backrefs", "only with regexp, whose groups it is about"),
        (p.backrefs and place, "backrefs", "inserts nothing, so not with insertafter or insertbefore"),
    ):
        if wrong:
            raise BadInput(f"{name}: {message}", name)


def _having(
    line: str, lines: list[str], bodies: Sequence[str], p: EditLine, patterns: Mapping[str, Pattern]
) -> list[str]:
    """The lines with one that is meant replaced, or one inserted, where that is needed."""
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    at = _find(bodies, _meant(p, patterns), first=p.firstmatch)
    if at is not None:
        new = _expanded(patterns["regexp"], bodies[at], line) if p.backrefs else line
        if new == bodies[at]:
            return lines
        kept = lines[at].removeprefix(bodies[at])
        return [*lines[:at], new + (kept if kept.endswith("\n") else ending), *lines[at + 1 :]]
    if p.backrefs or line in bodies:
        return lines
    at = _place(bodies, p, patterns)
    above = lines[:at]
    if above and not above[-1].endswith("\n"):
        above[-1] = bodies[at - 1] + ending
    return [*above, line + ending, *lines[at:]]


def _meant(p: EditLine, patterns: Mapping[str, Pattern]) -> Callable[[str], object]:
    """Which lines are replaced or removed."""
    if p.regexp:
        return patterns["regexp"].search
    wanted = p.search_string
    return (lambda body: wanted in body) if wanted else lambda body: body == p.line


def _place(bodies: Sequence[str], p: EditLine, patterns: Mapping[str, Pattern]) -> int:
    """How many lines are above a new one; all, where nothing else is said or found."""
    if "BOF" in {p.insertafter, p.insertbefore}:
        return 0
    beside = patterns.get("insertafter") or patterns.get("insertbefore")
    at = _find(bodies, beside.search, first=p.firstmatch) if beside else None
    return len(bodies) if at is None else at + bool(p.insertafter)


def _find(bodies: Sequence[str], meant: Callable[[str], object], *, first: bool) -> int | None:
    """The number of the first line that is meant, or of the last."""
    numbers = range(len(bodies))
    return next((at for at in (numbers if first else reversed(numbers)) if meant(bodies[at])), None)


def _expanded(regexp: Pattern, body: str, line: str) -> str:
    new = regexp.expand(body, line)
    if BREAKS & (set(new) - set(body)):
        raise BadInput(f"line: {line!r} becomes more than one line", "line")
    return new
