"""Jinja2 templates (https://jinja.palletsprojects.com): in its sandbox, and strict about names.

There are no other templates to include or import, nothing that is given can be changed, and what has another result
each time (`random`, `lipsum`) is left out. Lines end as the first one does, whatever the template mixes.
"""

import encodings.unicode_escape
import html
import pprint
import textwrap
import unicodedata
from collections.abc import Callable
from types import TracebackType
from typing import Any

import jinja2
import jinja2.debug
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from agent.templating.errors import TemplateError, unknown

IMPORTED_LATE = (encodings.unicode_escape, html, pprint, textwrap, unicodedata, jinja2.debug)
"""What Jinja2 and Python import only once they need it, when no file may be opened any more."""
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    jinja2.TemplateError,
)
"""What an expression may raise."""


def render(source: bytes, names: dict[str, Any], write: Callable[[bytes], None]) -> None:
    """Write what a template makes of `hostname`, `facts` and `vars`; raises `TemplateError`."""
    try:
        text = source.decode()
        template = _environment(text, names).from_string(text)
        for piece in template.root_render_func(template.new_context(names)):
            write(piece.encode())
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(error.message or "it is not well formed", error.lineno) from None
    except FAILURES as error:
        raise TemplateError(_message(error), _line(error.__traceback__)) from None


def _environment(text: str, names: dict[str, Any]) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=_strict(names),
        keep_trailing_newline=True,
        optimized=False,  # what fails then fails in its line
        newline_sequence="\r\n" if text.partition("\n")[0].endswith("\r") else "\n",
    )
    del environment.globals["lipsum"], environment.filters["random"]
    environment.globals["dict"] = _dict
    return environment


def _dict(*given: Any, **named: Any) -> dict[Any, Any]:
    """A dictionary; `dict` itself could be indexed, which gives a type (PEP 585)."""
    return dict(*given, **named)


def _strict(names: dict[str, Any]) -> type[jinja2.StrictUndefined]:
    class Unknown(jinja2.StrictUndefined):
        """What is not there: any use of it fails, and tells what there is instead."""

        __slots__ = ()

        @property
        def _undefined_message(self) -> str:
            name, place = self._undefined_name, self._undefined_obj
            if self._undefined_hint:
                return self._undefined_hint
            if place is missing:
                return unknown(str(name), names)
            if isinstance(place, dict):
                return unknown(f"{_path(names, place)}.{name}", map(str, place))
            return f"{name} is not known: {_path(names, place)} is a {type(place).__name__}"

        __repr__ = jinja2.StrictUndefined.__str__  # within a list that is printed, too

    return Unknown


def _path(names: dict[str, Any], wanted: Any) -> str:
    """How a template says where a value lies, `it` where that is not among what it was given."""
    places = list(names.items())
    while places:
        path, value = places.pop()
        if value is wanted:
            return path
        if isinstance(value, dict):
            places += [(f"{path}.{name}", inner) for name, inner in value.items()]
        elif isinstance(value, list):
            places += [(f"{path}[{place}]", inner) for place, inner in enumerate(value)]
    return "it"


def _message(error: BaseException) -> str:
    if isinstance(error, jinja2.TemplateError):
        return error.message or "it cannot be rendered"
    return f"{type(error).__name__}: {error}"


def _line(traceback: TracebackType | None) -> int | None:
    """The innermost line of the template that an error came through."""
    line = None
    while traceback:
        if template := traceback.tb_frame.f_globals.get("__jinja_template__"):
            line = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return line
