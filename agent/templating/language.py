"""Which language a template is written in: Go's text/template, or Jinja2.

Both write expressions between `{{` and `}}`, but what may stand there differs. The first mark that belongs to
one of the two decides; a template of one language so may hold text of the other in it:

* Jinja2: a statement `{% name …`, a comment `{# … #}`, or an expression with one of the names `hostname`, `facts`
  and `vars`, which Go would take for functions that do not exist.
* Go: an action that begins with a keyword (`if`, `range`, …) or a comment, or one that holds a word which begins
  with `.` or `$`, with which no word of Jinja2 begins.

What stands in quotes decides nothing. A text with expressions that could be either, such as `{{ "{{" }}`, is Go's, as
all templates were before there were two languages. A text without any expression is no template: None.
"""

import re
from typing import Literal

Language = Literal["go", "jinja"]

OPENING = re.compile(
    r"""
      (?P<go>\{\{-?\s*/\*)
    | (?P<expression>\{\{)
    | (?P<jinja>\{%[-+]?\s*(?:
          autoescape | block | break | call | continue | do | elif | else | end\w+ | extends | filter | for | from
        | if | import | include | macro | raw | set | with
      )\b)
    | (?P<comment>\{\#)
    """,
    re.VERBOSE | re.ASCII,
)
WORD = re.compile(
    r"""
      (?P<end>\}\})
    | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'? | `[^`]*`?
    | (?P<go>(?<![\w)\]}"'`])[.$])
    | (?P<name>(?<![\w.$])[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.ASCII,
)
KEYWORD = re.compile(r"-?\s*(?:block|break|continue|define|else|end|if|range|template|with)\b", re.ASCII)
NAMES = frozenset({"hostname", "facts", "vars"})


def language(source: str) -> Language | None:
    """The language of a template, or None where there is nothing to render; in time linear in its length."""
    position, found = 0, False
    last_comment = source.rfind("#}")
    while mark := OPENING.search(source, position):
        position = mark.end()
        if mark["go"]:
            return "go"
        if mark["jinja"] or (mark["comment"] and last_comment >= position):
            return "jinja"
        if mark["expression"]:
            found = True
            decided, position = _expression(source, position)
            if decided:
                return decided
    return "go" if found else None


def _expression(source: str, start: int) -> tuple[Language | None, int]:
    """What an expression decides, and where it ends."""
    decided: Language | None = "go" if KEYWORD.match(source, start) else None
    for word in WORD.finditer(source, start):
        if word["end"]:
            return decided, word.end()
        if word["name"] in NAMES:
            return "jinja", word.end()
        if word["go"]:
            decided = "go"
    return decided, len(source)
