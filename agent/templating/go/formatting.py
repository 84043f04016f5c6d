"""Values as package fmt prints them: by `%v`, and by the verbs of Printf."""

import re

import attrs

from agent.templating.errors import TemplateError
from agent.templating.go.numerals import REPLACEMENT, Flags, floating, integer
from agent.templating.go.quoting import can_backquote, from_bytes, quote, to_bytes
from agent.templating.go.values import Byte, Struct, Value, type_name

MOST = 1_000_000
"""The greatest width and precision."""
NUMBER = re.compile(r"[0-9]+")
VALUE_NUMBER = re.compile(r"\[(?:(?P<number>[0-9]{1,7})\]|[^\]]*\])")
FLAGS = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}


def printed(*values: Value) -> bytes:
    """What Sprint makes of values: with a space between two of which none is a string."""
    parts: list[str] = []
    for place, value in enumerate(values):
        if place and not isinstance(value, bytes) and not isinstance(values[place - 1], bytes):
            parts.append(" ")
        parts.append(shown(value))
    return to_bytes("".join(parts))


def printed_line(*values: Value) -> bytes:
    """What Sprintln makes of values."""
    return to_bytes(" ".join(shown(value) for value in values) + "\n")


def shown(value: Value) -> str:
    """A value by `%v`."""
    return from_bytes(value) if isinstance(value, bytes) else show(value, "v", Flags())


def show(value: Value, verb: str, flags: Flags) -> str:
    """A value by a verb, or what Printf says where the verb is none for it."""
    if value is None:
        return flags.pad("<nil>") if verb in "vT" else _bad_verb(value, verb, flags)
    if verb == "T":
        return flags.pad(type_name(value)[: flags.precision])
    if verb == "p" and isinstance(value, list | dict):
        raise TemplateError("%p prints where in memory something lies, which is never twice the same")
    if verb in "pw" and isinstance(value, list | dict | Struct):
        return _bad_verb(value, verb, flags)
    return _show(value, verb, flags)


def _show(value: Value, verb: str, flags: Flags) -> str:
    """The same, also of a value within another."""
    text: str | None
    match value:
        case None:
            return "interface {}(nil)" if flags.go_syntax else "<nil>"
        case bool():
            text = flags.pad("true" if value else "false") if verb in "tv" else None
        case Byte() if verb == "v" and flags.go_syntax:
            text = integer(value, "x", attrs.evolve(flags, sharp=True))
        case int():
            text = integer(value, verb, flags)
        case float():
            text = floating(value, verb, flags)
        case bytes():
            text = _string(value, verb, flags)
        case _:
            return _container(value, verb, flags)
    return _bad_verb(value, verb, flags) if text is None else text


def _container(value: list[Value] | dict[bytes, Value] | Struct, verb: str, flags: Flags) -> str:
    between = ", " if flags.go_syntax else " "
    match value:
        case list():
            inner = between.join(_show(element, verb, flags) for element in value)
            marks = "{}" if flags.go_syntax else "[]"
        case dict():
            entries = sorted(value.items())
            inner = between.join(f"{_show(key, verb, flags)}:{_show(of, verb, flags)}" for key, of in entries)
            marks = "{}" if flags.go_syntax else "map[]"
        case Struct():
            names = flags.named or flags.go_syntax
            inner = between.join(
                f"{name}:{_show(of, verb, flags)}" if names else _show(of, verb, flags)
                for name, of in value.fields.items()
            )
            marks = "{}"
    return f"{type_name(value) if flags.go_syntax else ''}{marks[:-1]}{inner}{marks[-1]}"


def _string(value: bytes, verb: str, flags: Flags) -> str | None:
    if verb in {"x", "X"}:
        return flags.pad(_hexadecimal(value[: flags.precision], verb, flags))
    text = from_bytes(value)[: flags.precision]
    if verb == "q" or (verb == "v" and flags.go_syntax):
        raw = flags.sharp and can_backquote(text)
        return flags.pad(f"`{text}`" if raw else quote(text, '"', ascii_only=flags.plus))
    return flags.pad(text) if verb in {"s", "v"} else None


def _hexadecimal(data: bytes, verb: str, flags: Flags) -> str:
    if not data:
        return ""
    prefix = "0x" if flags.sharp else ""
    text = prefix + (data.hex(" ").replace(" ", f" {prefix}") if flags.space else data.hex())
    return text.upper() if verb == "X" else text


def _bad_verb(value: Value, verb: str, flags: Flags) -> str:
    return f"%!{verb}({_typed(value, flags)})"


def _typed(value: Value, flags: Flags) -> str:
    return "<nil>" if value is None else f"{type_name(value)}={_show(value, 'v', flags)}"


def formatted(pattern: bytes, values: tuple[Value, ...]) -> bytes:
    """What Sprintf makes of values."""
    return to_bytes(Pattern(from_bytes(pattern), values).fill())


@attrs.define
class Pattern:
    """A format string that is gone through once; `place` is that of the next value.

    `numbered` says that a value was just named by its number, `reordered` that one ever was, and `misplaced` that
    it was done in a wrong way or place in this directive.
    """

    text: str
    values: tuple[Value, ...]
    position: int = 0
    place: int = 0
    numbered: bool = False
    reordered: bool = False
    misplaced: bool = False

    def fill(self) -> str:
        """The text, with the values where the directives are."""
        parts: list[str] = []
        while (percent := self.text.find("%", self.position)) >= 0:
            parts.append(self.text[self.position : percent])
            self.position = percent + 1
            parts.append(self._directive())
        parts.append(self.text[self.position :])
        if not self.reordered and (extra := self.values[self.place :]):
            told = ", ".join(_typed(value, Flags()) for value in extra)
            parts.append(f"%!(EXTRA {told})")
        return "".join(parts)

    def _directive(self) -> str:
        """What stands for a directive, the `%` of which is passed."""
        flags, complaints = Flags(), ""
        while self._sign() in FLAGS:
            setattr(flags, FLAGS[self._sign()], True)
            self.position += 1
        self.numbered = self.misplaced = False
        self._value_number()
        if self._sign() == "*":
            flags.width = self._from_value()
            complaints += "%!(BADWIDTH)" if flags.width is None else ""
            if flags.width is not None and flags.width < 0:
                flags.width, flags.minus, flags.zero = -flags.width, True, False
        else:
            flags.width = self._number()
            self.misplaced |= self.numbered and flags.width is not None
        if self._sign() == "." and self.position + 1 < len(self.text):
            complaints += self._precision(flags)
        if not self.numbered:
            self._value_number()
        return complaints + self._verb(flags)

    def _precision(self, flags: Flags) -> str:
        self.position += 1
        self.misplaced |= self.numbered
        self._value_number()
        if self._sign() != "*":
            flags.precision = self._number() or 0
            return ""
        precision = self._from_value()
        flags.precision = None if precision is None or precision < 0 else precision
        return "%!(BADPREC)" if flags.precision is None else ""

    def _verb(self, flags: Flags) -> str:
        verb = self._sign()
        self.position += 1
        if not verb:
            return "%!(NOVERB)"
        if verb == "%":
            return "%"
        verb = REPLACEMENT if "\udc80" <= verb <= "\udcff" else verb
        if self.misplaced:
            return f"%!{verb}(BADINDEX)"
        if self.place >= len(self.values):
            return f"%!{verb}(MISSING)"
        if verb in {"v", "w"}:
            flags.go_syntax, flags.sharp = flags.sharp, False
            flags.named, flags.plus = flags.plus, False
        self.place += 1
        return show(self.values[self.place - 1], verb, flags)

    def _sign(self) -> str:
        return self.text[self.position : self.position + 1]

    def _number(self) -> int | None:
        """The number that comes, if any; one that is too large takes the rest of the text with it."""
        found = NUMBER.match(self.text, self.position)
        if not found:
            return None
        self.position = found.end()
        if len(found[0].lstrip("0")) > len(str(MOST)) + 1 or int(found[0][:-1] or "0") > MOST:
            self.position = len(self.text)
            return None
        return int(found[0])

    def _value_number(self) -> None:
        """Go on with the value of the number in brackets that comes, if any."""
        self.numbered = self._sign() == "["
        if not self.numbered:
            return
        self.reordered = True
        found = VALUE_NUMBER.match(self.text, self.position)
        self.position = found.end() if found else self.position + 1
        self.numbered = bool(found and found["number"])
        number = int(found["number"]) if found and self.numbered else 0
        if 1 <= number <= len(self.values):
            self.place = number - 1
        else:
            self.misplaced = True

    def _from_value(self) -> int | None:
        """The next value as a width or a precision, if it can be one."""
        self.position += 1
        self.numbered = False
        value = self.values[self.place] if self.place < len(self.values) else None
        self.place += self.place < len(self.values)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST:
            return value
        return None
