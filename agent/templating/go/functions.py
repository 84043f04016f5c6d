"""The predefined functions of text/template, but for `and` and `or`, which the evaluator knows."""

from collections.abc import Callable
from typing import Any

import attrs

from agent.templating.errors import TemplateError
from agent.templating.go import quoting
from agent.templating.go.formatting import formatted, printed, printed_line
from agent.templating.go.values import Byte, Value, type_name


def index(item: Value, *keys: Value) -> Value:
    """What lies in a map, a list or a string under one key after the other; nil where a map has no such key."""
    for key in keys:
        match item:
            case dict():
                if not isinstance(key, bytes):
                    raise TemplateError(f"a map has strings for keys, not {type_name(key)}")
                item = item.get(key)
            case list():
                item = item[_position(key, len(item) - 1)]
            case bytes():
                item = Byte(item[_position(key, len(item) - 1)])
            case _:
                raise TemplateError(f"{type_name(item)} has no index")
    if item is None and not keys:
        raise TemplateError("nil has no index")
    return item


def _position(key: Value, most: int) -> int:
    if not isinstance(key, int) or isinstance(key, bool):
        raise TemplateError(f"a position is an int, not {type_name(key)}")
    if not 0 <= key <= most:
        raise TemplateError(f"position {key} is out of range; there are {most + 1}")
    return key


def slice_(item: Value, *bounds: Value) -> Value:
    """A part of a string or a list: from the first bound up to the second. A third one changes nothing here."""
    if not isinstance(item, bytes | list):
        raise TemplateError(f"{type_name(item)} has no slices")
    if len(bounds) > (2 if isinstance(item, bytes) else 3):
        raise TemplateError(f"{len(bounds)} are too many bounds for a slice of {type_name(item)}")
    start, *ends = [0, len(item)] if not bounds else [_position(bound, len(item)) for bound in bounds]
    ends = ends or [len(item)]
    if not start <= ends[0] <= ends[-1]:
        raise TemplateError(f"the bounds of a slice are out of order: {', '.join(map(str, [start, *ends]))}")
    return item[start : ends[0]]


def length(item: Value) -> Value:
    if not isinstance(item, bytes | list | dict):
        raise TemplateError(f"{type_name(item)} has no length")
    return len(item)


def negation(value: Value) -> Value:
    return not value


def equal(first: Value, *others: Value) -> Value:
    """Whether the first value equals one of the others; they must be of one type, or nil."""
    if not others:
        raise TemplateError("eq needs something to compare with")
    return any(_equal(first, other) for other in others)


def _equal(first: Value, second: Value) -> bool:
    if first is None or second is None:
        return first is second
    kinds = _kind(first), _kind(second)
    if None in kinds or kinds[0] != kinds[1]:
        raise TemplateError(f"{type_name(first)} and {type_name(second)} cannot be compared")
    return first == second


def _kind(value: Value) -> type | None:
    """Values of one kind can be compared; those of no kind cannot."""
    for kind in (bool, int, float, bytes):
        if isinstance(value, kind):
            return kind
    return None


def less(first: Any, second: Any) -> bool:
    kinds = _kind(first), _kind(second)
    if None in kinds or bool in kinds or kinds[0] != kinds[1]:
        raise TemplateError(f"{type_name(first)} and {type_name(second)} have no order")
    return bool(first < second)


def _plain(values: tuple[Value, ...]) -> bytes:
    """The text of values, as an action prints each."""
    return printed(*(b"<no value>" if value is None else value for value in values))


def html(*values: Value) -> Value:
    return quoting.to_bytes(quoting.html(quoting.from_bytes(_plain(values))))


def javascript(*values: Value) -> Value:
    return quoting.to_bytes(quoting.javascript(quoting.from_bytes(_plain(values))))


def query(*values: Value) -> Value:
    return quoting.query(_plain(values))


def printf(pattern: Value, *values: Value) -> Value:
    if not isinstance(pattern, bytes):
        raise TemplateError(f"printf takes a string first, not {type_name(pattern)}")
    return formatted(pattern, values)


@attrs.frozen
class Builtin:
    """A function, and how many arguments it takes, any number where `most` is None."""

    call: Callable[..., Value]
    least: int
    most: int | None = None


BUILTINS = {
    "eq": Builtin(equal, 1),
    "ge": Builtin(lambda first, second: not less(first, second), 2, 2),
    "gt": Builtin(lambda first, second: not less(first, second) and not _equal(first, second), 2, 2),
    "html": Builtin(html, 0),
    "index": Builtin(index, 1),
    "js": Builtin(javascript, 0),
    "le": Builtin(lambda first, second: less(first, second) or _equal(first, second), 2, 2),
    "len": Builtin(length, 1, 1),
    "lt": Builtin(less, 2, 2),
    "ne": Builtin(lambda first, second: not _equal(first, second), 2, 2),
    "not": Builtin(negation, 1, 1),
    "print": Builtin(printed, 0),
    "printf": Builtin(printf, 1),
    "println": Builtin(printed_line, 0),
    "slice": Builtin(slice_, 1),
    "urlquery": Builtin(query, 0),
}
NAMES = frozenset({*BUILTINS, "and", "or", "call"})
"""All that a template may name; `call` needs a function as a value, and there is none."""
