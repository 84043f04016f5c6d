"""Regular expressions of users: as Python's `re` has them, and given up where they take too long or too much.

`re` cannot be given up, and some patterns need longer than the universe has been there. Hence `regex`, which also
leaves the interpreter's lock to others while it searches.
"""

import re
from contextlib import suppress
from math import prod
from time import monotonic

import attrs
import regex

from osapi.errors import BadInput, TimedOut

SECONDS = 5
"""How long a pattern may be searched for, in all lines together."""

UNROLLED = 1_000_000
"""Length of a pattern times all its counts: about what it takes in memory, as `x{n}` is unrolled."""

EXPANDED = 1_000_000
"""Length of a line that groups are put into, at most."""

BRACE = re.compile(r"\\[pPN]\{[^}]*\}|\\.|\{(\d*),?(\d*)\}|\{", re.DOTALL)
"""A brace in a pattern, with its counts where it has some; what is escaped goes by."""


@attrs.frozen
class Pattern:
    """The value `text` of the parameter `name`; it is given up so many seconds after the beginning."""

    name: str
    text: str
    compiled: regex.Pattern[str]
    seconds: float
    begun: float = attrs.field(factory=monotonic)

    def search(self, body: str) -> regex.Match[str] | None:
        """Where it matches first; `TimedOut` where that is not known in time."""
        left = self.begun + self.seconds - monotonic()
        with suppress(TimeoutError):
            if left > 0:
                return self.compiled.search(body, timeout=left, concurrent=True)
        raise TimedOut(
            f"{self.name}: {self.text!r} took longer than {self.seconds:g} s; does it repeat what repeats itself?"
        )

    def expand(self, body: str, template: str) -> str:
        r"""The template with the groups of a match in the place of `\1`, `\g<1>` and `\g<name>`."""
        match = self.search(body)
        assert match, "only what matches is expanded"
        if template.count("\\") * len(body) > EXPANDED:
            raise BadInput(f"line: it could become over {EXPANDED} characters long", "line")
        try:
            return match.expand(template)
        except (regex.error, IndexError) as error:
            raise BadInput(
                f"line: {template!r} does not fit {self.name} {self.text!r}: {error}", "line"
            ) from None


def pattern(name: str, text: str, seconds: float = SECONDS) -> Pattern:
    """The pattern that a parameter has as its value; `BadInput` where it is none."""
    counts = [max(int(count or 0) for count in found.groups("")) for found in BRACE.finditer(text)]
    if len(text) * prod(filter(None, counts)) > UNROLLED:
        raise BadInput(
            f"{name}: {text!r} repeats too much; its length times its counts is over {UNROLLED}", name
        )
    try:
        # Any other brace stands for itself; `regex` would take some for its fuzzy matching.
        plain = BRACE.sub(lambda found: r"\{" if found[0] == "{" else found[0], text)
        compiled = regex.compile(plain, regex.VERSION0, cache_pattern=False)
    except (regex.error, RecursionError, OverflowError) as error:
        raise BadInput(f"{name}: {text!r} is no regular expression: {error}", name) from None
    return Pattern(name, text, compiled, seconds)
