"""Constants as they are written in a template, and what they stand for (the Go specification, "Lexical elements")."""

import re
from contextlib import suppress

from agent.templating.errors import TemplateError

ESCAPE = re.compile(
    r"""\\(?:
      (?P<simple>[abfnrtv\\'"])
    | (?P<octal>[0-7]{3})
    | x(?P<byte>[0-9a-fA-F]{2})
    | (?:u(?P<short>[0-9a-fA-F]{4}) | U(?P<long>[0-9a-fA-F]{8}))
    )""",
    re.VERBOSE,
)
SIMPLE = dict(zip("abfnrtv\\'\"", b"\a\b\f\n\r\t\v\\'\"", strict=True))
INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO]?(?:_?[0-7])+|0|[1-9](?:_?[0-9])*)"
)
DECIMAL = re.compile(
    r"[+-]?(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?"
)
HEXADECIMAL = re.compile(
    r"[+-]?0[xX](?:(?:_?[0-9a-fA-F])+\.?(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?|\.[0-9a-fA-F](?:_?[0-9a-fA-F])*)"
    r"[pP][+-]?[0-9](?:_?[0-9])*"
)
MOST = 2**64 - 1
"""The largest integer that may be written; one that is larger than an int fails where it is used."""
DIGITS = 100
"""Far beyond any number that a computer has."""
REPLACED = dict.fromkeys(range(0xDC80, 0xDD00), "\N{REPLACEMENT CHARACTER}")
"""What stands for the bytes that are not UTF-8 (PEP 383)."""


def string(text: str) -> bytes:
    """What a string in double or back quotes stands for."""
    inner = text[1:-1]
    if text[0] == "`":
        return encode(inner.replace("\r", ""))
    parts, position = bytearray(), 0
    while (backslash := inner.find("\\", position)) >= 0:
        parts += _characters(inner[position:backslash]).encode()
        value, is_byte, position = _escape(inner, backslash, '"')
        parts += bytes([value]) if is_byte else chr(value).encode()
    return bytes(parts + _characters(inner[position:]).encode())


def character(text: str) -> int:
    """The code point that a character in single quotes stands for."""
    inner = text[1:-1]
    if inner.startswith("\\"):
        value, _, end = _escape(inner, 0, "'")
        if end == len(inner):
            return value
    elif len(inner) == 1:
        return ord(_characters(inner))
    raise TemplateError(f"malformed character constant: {text}")


def _escape(text: str, position: int, quote: str) -> tuple[int, bool, int]:
    """The value of an escape sequence, whether it is a byte rather than a character, and where it ends."""
    found = ESCAPE.match(text, position)
    if found:
        if found["simple"] and found["simple"] not in "\"'".replace(quote, ""):
            return SIMPLE[found["simple"]], True, found.end()
        digits, base = (found["octal"], 8) if found["octal"] else (found["byte"], 16)
        if digits and (value := int(digits, base)) < 0x100:
            return value, True, found.end()
        code = int(found["short"] or found["long"] or "110000", 16)
        if code < 0x110000 and not 0xD800 <= code < 0xE000:
            return code, False, found.end()
    raise TemplateError(f"invalid escape sequence in {quote}{text}{quote}")


def encode(text: str) -> bytes:
    """The bytes of a part of a template; those that were not UTF-8 as they were."""
    return text.encode(errors="surrogateescape")


def _characters(text: str) -> str:
    """A part of a string, with the replacement character U+FFFD for each byte that is not UTF-8."""
    return text.translate(REPLACED)


def number(text: str) -> int | float:
    """The value of a number: an int, or a float64 where it has a point or an exponent."""
    if len(text) <= DIGITS and INTEGER.fullmatch(text):
        return _integer(text)
    if len(text) <= DIGITS and HEXADECIMAL.fullmatch(text):
        with suppress(OverflowError):
            return float.fromhex(text.replace("_", ""))
    elif (
        DECIMAL.fullmatch(text) and text.strip("+-0123456789_") and abs(value := float(text)) != float("inf")
    ):
        return value
    raise TemplateError(f"{text} is no number, or too large a one")


def _integer(text: str) -> int | float:
    signed = text[0] in "+-"
    digits = text.lstrip("+-").replace("_", "").lower()
    value = int(digits, 0) if digits[1:2] in {"x", "o", "b"} else int(digits, 8 if digits[0] == "0" else 10)
    if value > (MOST // 2 + (text[0] == "-") if signed else MOST):
        raise TemplateError(f"{text} is too large a number")
    value = -value if text[0] == "-" else value
    # behind a sign, Go does not see that a number is hexadecimal, and takes a digit `e` of it for an exponent
    return float(value) if signed and "e" in digits else value
