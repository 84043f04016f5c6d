"""Strings and characters quoted for Go, HTML, JavaScript and URLs.

Text is a str in which a lone surrogate U+DCxx stands for a byte that is not UTF-8 (PEP 383); so each
character of it is what Go calls a rune.
"""

import re

ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
HTML = str.maketrans(
    {
        "\0": "\N{REPLACEMENT CHARACTER}",
        '"': "&#34;",
        "'": "&#39;",
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
    }
)
JAVASCRIPT = {"\\": "\\\\", "'": "\\'", '"': '\\"'}
JAVASCRIPT |= {sign: f"\\u{ord(sign):04X}" for sign in "<>&="}
NOT_IN_QUERY = re.compile(rb"[^A-Za-z0-9._~-]")


def from_bytes(data: bytes) -> str:
    """The text of a string."""
    return data.decode(errors="surrogateescape")


def to_bytes(text: str) -> bytes:
    """The string of a text."""
    return text.encode(errors="surrogateescape")


def quote(text: str, mark: str, *, ascii_only: bool = False) -> str:
    """A constant of Go between `mark`s (strconv.Quote, QuoteRune, and QuoteToASCII)."""
    return f"{mark}{''.join(_quoted(character, mark, ascii_only) for character in text)}{mark}"


def _quoted(character: str, mark: str, ascii_only: bool) -> str:
    code = ord(character)
    if character in {mark, "\\"}:
        return f"\\{character}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable() and (code < 0x80 or not ascii_only):
        return character
    if character in ESCAPES:
        return ESCAPES[character]
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def can_backquote(text: str) -> bool:
    """Whether a text can stand between back quotes, on one line (strconv.CanBackquote)."""
    return not any(
        (character < " " and character != "\t")
        or character in "`\x7f\ufeff"
        or "\udc80" <= character <= "\udcff"
        for character in text
    )


def html(text: str) -> str:
    """A text for HTML."""
    return text.translate(HTML)


def javascript(text: str) -> str:
    """A text for a string of JavaScript."""
    return "".join(_javascript(character) for character in text)


def _javascript(character: str) -> str:
    if character in JAVASCRIPT:
        return JAVASCRIPT[character]
    shown = " " <= character <= "\x7f" or character.isprintable() or "\udc80" <= character <= "\udcff"
    return character if shown else f"\\u{ord(character):04X}"


def query(data: bytes) -> bytes:
    """A string for the query of a URL (url.QueryEscape)."""
    return NOT_IN_QUERY.sub(lambda sign: b"+" if sign[0] == b" " else b"%%%02X" % sign[0][0], data)
