"""Go's text/template (https://pkg.go.dev/text/template), as far as it needs no types but those of JSON.

A template is rendered as Go renders it with `Option("missingkey=error")`: `lexer` cuts it into tokens, `parser`
makes `nodes` of them, `evaluator` walks these, `functions` are the predefined ones, and `formatting` prints `values` as
package fmt does. What is not here: complex numbers, `call` (there is nothing to call), `%p` of lists and maps, and
slices beyond the length of a list.
"""

from collections.abc import Callable
from typing import Any

from agent.templating.errors import TemplateError
from agent.templating.go.evaluator import Evaluation
from agent.templating.go.parser import MAIN, parse
from agent.templating.go.quoting import from_bytes
from agent.templating.go.values import Struct, from_json


def render(source: bytes, names: dict[str, Any], write: Callable[[bytes], None]) -> None:
    """Write what a template makes of `hostname`, `facts` and `vars`; raises `TemplateError`."""
    try:
        fields = {name.capitalize(): from_json(names[name]) for name in ("facts", "vars", "hostname")}
        Evaluation(parse(from_bytes(source)), write).run(MAIN, Struct("osapi.Context", fields))
    except RecursionError:
        raise TemplateError("too much lies in each other") from None
    except OverflowError:
        raise TemplateError("a number is too large for a float64") from None
