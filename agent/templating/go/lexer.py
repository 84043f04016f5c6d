"""A template cut into tokens: the text, and the words of the actions between `{{` and `}}`."""

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

import attrs

from agent.templating.errors import TemplateError

SPACE = " \t\r\n"
"""What separates words, and what trim markers trim."""


class Kind(Enum):
    """What a token is; the values are how errors call it."""

    TEXT = "text"
    LEFT = "{{"
    RIGHT = "}}"
    BLANK = "a space"
    PIPE = "|"
    ASSIGN = "="
    DECLARE = ":="
    OPEN = "("
    CLOSE = ")"
    DOT = "."
    FIELD = "a field"
    VARIABLE = "a variable"
    NAME = "a name"
    KEYWORD = "a keyword"
    BOOL = "a boolean"
    NIL = "nil"
    NUMBER = "a number"
    CHARACTER = "a character"
    STRING = "a string"
    OTHER = "a sign"
    END = "the end of the template"


class Token(NamedTuple):
    """A token, as it is written; `line` counts from 1."""

    kind: Kind
    text: str
    line: int

    def __str__(self) -> str:
        return self.text if self.kind not in {Kind.TEXT, Kind.BLANK, Kind.END} else self.kind.value


KEYWORDS = frozenset(
    {"block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"}
)
WORDS = {
    "true": Kind.BOOL,
    "false": Kind.BOOL,
    "nil": Kind.NIL,
    ".": Kind.DOT,
    **dict.fromkeys(KEYWORDS, Kind.KEYWORD),
}

TRIM = re.compile(r"-[ \t\r\n]")
COMMENT = re.compile(r"(?:-[ \t\r\n])?/\*(?:.*?\*/(?P<end>\}\}|[ \t\r\n]-\}\})?)?", re.DOTALL)
INSIDE = re.compile(
    r"""
      (?P<RIGHT>\}\} | [ \t\r\n]-\}\})
    | (?P<BLANK>[ \t\r\n]+?(?=[ \t\r\n]-\}\}) | [ \t\r\n]+)
    | (?P<DECLARE>:=) | (?P<ASSIGN>=) | (?P<PIPE>\|) | (?P<OPEN>\() | (?P<CLOSE>\))
    | (?P<STRING>"(?:\\.|[^"\\\n])*" | `[^`]*`)
    | (?P<CHARACTER>'(?:\\.|[^'\\\n])*')
    | (?P<VARIABLE>\$\w*)
    | (?P<FIELD>\.(?![0-9])\w*)
    | (?P<NUMBER>(?=[-+.0-9])[-+]?(?:
          0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][-+]?[0-9_]*)?
        | 0[oO][0-7_]*
        | 0[bB][01_]*
        | [0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9_]*)?
      ))
    | (?P<NAME>\w+)
    | (?P<OTHER>[!\#-&(-_a-~])
    """,
    re.VERBOSE,
)
WORD_END = re.compile(r"[ \t\r\n.,|:()]|\}\}|\Z")
"""What may follow a name, a field or a variable."""
NUMBER_END = re.compile(r"(?![-+\w])")
FOLLOWED_BY = {
    Kind.NAME: WORD_END,
    Kind.FIELD: WORD_END,
    Kind.VARIABLE: WORD_END,
    Kind.NUMBER: NUMBER_END,
}


@attrs.define
class Lexer:
    """Goes through a template once; `position` and `line` are where it is."""

    source: str
    position: int = 0
    line: int = 1

    def tokens(self) -> Iterator[Token]:
        """The tokens, the last of them END; `TemplateError` where there is none to be made."""
        trims = False
        while (left := self.source.find("{{", self.position)) >= 0:
            marker = TRIM.match(self.source, left + 2)
            yield from self._text(left, trim_start=trims, trim_end=marker is not None)
            if comment := COMMENT.match(self.source, left + 2):
                trims = self._comment(comment)
                continue
            yield self._take(Kind.LEFT, marker.end() if marker else left + 2)
            while (token := self._word()).kind is not Kind.RIGHT:
                yield token
            yield token
            trims = token.text != "}}"
        yield from self._text(len(self.source), trim_start=trims, trim_end=False)
        yield self._take(Kind.END, self.position)

    def _take(self, kind: Kind, end: int) -> Token:
        token = Token(kind, self.source[self.position : end], self.line)
        self.line += token.text.count("\n")
        self.position = end
        return token

    def _text(self, end: int, *, trim_start: bool, trim_end: bool) -> Iterator[Token]:
        """The text up to `end`, without the space that the actions around it trim; none where nothing is left."""
        token = self._take(Kind.TEXT, end)
        text = token.text.lstrip(SPACE) if trim_start else token.text
        if text := text.rstrip(SPACE) if trim_end else text:
            yield token._replace(text=text)

    def _comment(self, comment: re.Match[str]) -> bool:
        """Pass over a comment; whether it trims what follows."""
        if comment["end"] is None:
            raise TemplateError("a comment must end with */}}", self.line)
        self._take(Kind.OTHER, comment.end())
        return comment["end"] != "}}"

    def _word(self) -> Token:
        """The next token of an action."""
        found = INSIDE.match(self.source, self.position)
        if not found:
            raise self._lost()
        token = self._take(Kind[found.lastgroup or "OTHER"], found.end())
        if (follower := FOLLOWED_BY.get(token.kind)) and not (
            follower.match(self.source, self.position) and _well_formed(token)
        ):
            raise TemplateError(f"{token} is no {token.kind.value.partition(' ')[2]}", token.line)
        return token._replace(kind=WORDS.get(token.text, token.kind))

    def _lost(self) -> TemplateError:
        if self.position == len(self.source):
            return TemplateError("an action is not closed with }}", self.line)
        sign = self.source[self.position]
        if sign in "\"`'":
            return TemplateError(f"a {sign} is not closed", self.line)
        return TemplateError(f"{sign!a} may not stand in an action", self.line)


def _well_formed(token: Token) -> bool:
    """Whether it is of letters, decimal digits and `_` only; a regular expression lets more pass."""
    return token.kind is Kind.NUMBER or all(
        character == "_" or character.isalpha() or character.isdecimal()
        for character in token.text.lstrip("$.")
    )
