"""The values of Go that a template can meet, as values of Python.

Strings are bytes, as they are in Go; numbers out of JSON are float64; `None` is nil. A slice is a list, a map with
strings for keys a dict. What Python takes for true, `if` of a template does too.
"""

from typing import Any, TypeAlias, Union

import attrs

Value: TypeAlias = Union[bool, int, float, bytes, list["Value"], dict[bytes, "Value"], "Struct", None]


class Byte(int):
    """An uint8: what an index into a string gives."""


@attrs.frozen(eq=False)
class Struct:
    """A struct: its fields in their order."""

    name: str
    fields: dict[str, Value]


def from_json(value: Any) -> Value:
    """What Go makes of a JSON value that it decodes into an interface."""
    match value:
        case str():
            return value.encode(errors="replace")
        case None | bool():
            return value
        case int() | float():
            return float(value)
        case list():
            return [from_json(element) for element in value]
        case dict():
            return {str(key).encode(errors="replace"): from_json(inner) for key, inner in value.items()}
    raise TypeError(f"no JSON value: {type(value).__name__}")


def type_name(value: Value) -> str:
    """The name of a value's type, as `%T` prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case Byte():
            return "uint8"
        case int():
            return "int"
        case float():
            return "float64"
        case bytes():
            return "string"
        case list():
            return "[]interface {}"
        case dict():
            return "map[string]interface {}"
    return value.name
