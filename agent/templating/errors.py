"""What is wrong with a template, as the child tells it to the agent."""

from collections.abc import Iterable

SHOWN = 20
"""Names that an error shows of those that are known."""


class TemplateError(Exception):
    """A template that cannot be rendered; `line` counts from 1, None where it is not known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message, self.line = message, line


def unknown(name: str, known: Iterable[str]) -> str:
    """The message for a name that is not known, with those that are."""
    names = sorted(known)
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return f"{name} is not known; known: {', '.join(names[:SHOWN] + more) or 'none'}"
