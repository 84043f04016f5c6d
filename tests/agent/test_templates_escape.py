"""Templates that want out, or that want it all: each ends as an error in words, soon, and leaves nothing behind.

No process is left by any test of this project, which `tests/conftest.py` looks after.
"""

import os

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from agent.templates import Context, render
from agent.templating import jinja
from agent.templating.errors import TemplateError
from osapi.errors import OperationError, TimedOut

SECRET = "the-environment-shows"
CONTEXT = Context(
    hostname="web-01", facts={"os": {"name": "debian"}}, vars={"x": "text", "n": 3, "list": [1, 2]}
)
ESCAPES = [
    "{{ ''.__class__ }}{{ vars }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() ~ vars }}",
    "{{ vars.__class__.__base__.__subclasses__() }}",
    "{{ ''['__class__'] ~ vars }}",
    "{{ ''['__cl' ~ 'ass__'] ~ vars }}",
    "{{ '' | attr('__class__') ~ vars }}",
    "{{ vars | attr('__init__') | attr('__globals__') }}",
    "{{ vars | map(attribute='__class__') | list }}",
    "{{ [vars] | map(attribute='__class__.__mro__') | list }}",
    "{{ [vars] | groupby('__class__') | list }}",
    "{{ [vars] | sum(attribute='__class__') }}",
    "{{ '{0.__class__.__mro__}'.format(vars) }}",
    "{{ '{x.__class__}'.format_map({'x': vars}) }}",
    "{{ '{0.__class__}' | format(vars) ~ ''.format.__self__ }}",
    "{{ (vars.x.format).__self__.__class__ }}",
    "{{ ['{0.__class__}'.format][0](vars) }}",
    "{{ ('{0.__class__}'.format | string) and '{0.__class__}'.format(vars) }}",
    "{{ vars and ['{.__class__.__mro__}'] | map('format', vars) | list and '{.__class__}'.format(vars) }}",
    "{{ cycler.__init__.__globals__.os ~ vars }}",
    "{{ joiner.__init__.__globals__ ~ vars }}",
    "{{ namespace.__init__.__globals__ ~ vars }}",
    "{{ lipsum.__globals__ ~ vars }}",
    "{{ range.__class__ ~ vars }}",
    "{{ dict.mro() ~ vars }}",
    "{{ self.__init__.__globals__ ~ vars }}",
    "{{ self._TemplateReference__context ~ vars }}",
    "{{ config ~ vars }}",
    "{{ request.application.__globals__ ~ vars }}",
    "{{ get_flashed_messages.__globals__ ~ vars }}",
    "{{ environment ~ vars }}",
    "{{ __builtins__ ~ vars }}",
    "{{ open('/etc/passwd') ~ vars }}",
    "{{ os.environ ~ vars }}",
    "{{ vars.x.os.environ }}",
    "{{ facts.os.environ }}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "{% set x = vars.__class__ %}{{ x }}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ ~ vars }}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{{ vars }}{% endcall %}",
    "{{ ((x for x in vars).gi_frame) }}",
    "{{ (vars | map('upper')).gi_frame.f_back }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os.environ }}",
    "{% from 'os' import environ %}{{ environ }}",
    "{% extends '/etc/passwd' %}",
    "{% do vars.update(x=1) %}",
    "{{ vars.update(x=1) }}",
    "{{ vars.list.append(3) }}",
    "{{ vars.x.encode('idna') }}",
    "{{ vars.x.encode('zip') }}",
    "{{ 'aGk='.encode().decode('base64') ~ vars }}",
]
GREED = [
    "{{ vars.x * 10 ** 10 }}",
    "{{ ([vars] * 10 ** 9) | length }}",
    "{{ vars.x.ljust(10 ** 10) }}",
    "{{ vars.x.zfill(10 ** 10) }}",
    "{{ vars.x | center(10 ** 10) }}",
    "{{ vars.x | indent(10 ** 10) }}",
    "{{ '%10000000000d' % vars.n }}",
    "{{ '%*d' % (10 ** 10, vars.n) }}",
    "{{ '{:>10000000000}'.format(vars.x) }}",
    "{{ (vars.x ~ 'a' * 2 ** 22) | batch(1) | list }}",
    "{{ range(10 ** 9) | list }}{{ vars }}",
    "{{ dict((vars.x * 10 ** 9, 1) for a in []) }}",
    "{% set ns = namespace(s=vars.x) %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "{% for i in range(99999) %}{{ vars.x * 9999 }}{% endfor %}",
    "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(vars.n) }}",
    "{% macro m(n) %}{{ m(n) ~ m(n) }}{% endmacro %}{{ m(vars.n) }}",
    "{% for a in vars.list recursive %}{{ loop(vars.list) }}{% endfor %}",
    "{{ vars.n ~ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ vars.n + " + "-" * 50_000 + "1 }}",
    "{{ vars.n" + " + 1" * 50_000 + " }}",
    "{% if vars %}" * 2000 + "{% endif %}" * 2000,
    '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
    '{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
    '{{ define "a" }}{{ range 2 }}{{ template "a" . }}{{ end }}{{ end }}{{ template "a" . }}',
    '{{ block "a" . }}{{ template "a" . }}{{ end }}',
    '{{ $a := .Vars.x }}{{ range 99 }}{{ $a = printf "%s%s" $a $a }}{{ end }}{{ $a }}',
    "{{ $a := .Vars.x }}{{ range 99 }}{{ $a = print $a $a $a $a }}{{ end }}{{ len $a }}",
    '{{ range 99 }}{{ printf "%1000000d%1000000d" 1 2 }}{{ end }}',
    '{{ range 99 }}{{ printf "%.1000000f" 1.5 }}{{ end }}',
    '{{ $s := printf "%9000000s" .Hostname }}{{ range 99 }}{{ $s = html (js $s $s) }}{{ end }}',
    "".join(f'{{{{ define "{n}" }}}}' + f'{{{{ template "{n + 1}" . }}}}' * 10 + "{{ end }}" for n in range(20))
    + '{{ define "20" }}lol{{ end }}{{ template "0" . }}',
    "{{ if .Vars }}" * 20_000 + "{{ end }}" * 20_000,
    "{{ " + "(" * 20_000 + ".Hostname" + ")" * 20_000 + " }}",
    "{{ .Hostname" + " | print" * 200_000 + " | nothing }}",
    "{{ .Vars" + ".x" * 200_000 + " }}",
    "{{ if false }}" + "{{ else if false }}" * 20_000 + "{{ .Hostname }}",
]  # fmt: skip
ENDLESS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{{ vars }}",
    "{{ 7 ** (9 ** 9) ~ vars }}",
    "{{ (vars.n ** (10 ** 9)) % 7 }}",
    "{{ range 1000000000000 }}{{ end }}{{ .Hostname }}",
    "{{ range 1000000 }}{{ range 1000000 }}{{ end }}{{ end }}{{ .Hostname }}",
]
WORDS = [
    "__class__", "__mro__", "__globals__", "__init__", "__subclasses__", "__self__", "__getattribute__", "__dict__",
    "__builtins__", "__func__", "gi_frame", "mro", "format", "os", "environ", "upper", "items", "values", "get", "x",
]  # fmt: skip
STARTS = [
    "vars",
    "facts",
    "hostname",
    "''",
    "[]",
    "{}",
    "1",
    "range",
    "dict",
    "cycler",
    "joiner",
    "namespace",
    "self",
    "loop",
]


async def refused(template, error=OperationError, **options):
    with trio.fail_after(60), pytest.raises(error) as raised:
        await render(template.encode(), CONTEXT, name="t", **options)
    return str(raised.value)


@pytest.mark.parametrize("template", ESCAPES)
async def test_there_is_no_way_out(template):
    message = await refused(template)

    assert message.startswith("t, line 1: ")


@pytest.mark.parametrize("template", GREED, ids=lambda template: template[:60])
async def test_there_is_no_more_to_have(template):
    message = await refused(template, timeout=3)

    assert message.startswith("t")
    assert "the process that renders it" not in message


@pytest.mark.parametrize("template", ENDLESS)
async def test_there_is_an_end(template):
    message = await refused(template, TimedOut, timeout=1)

    assert message == "t: rendering it took longer than 1 s"


@st.composite
def accesses(draw):
    """An expression that goes from something that is there through names of Python's own."""
    expression = draw(st.sampled_from(STARTS))
    for word in draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)):
        expression += draw(
            st.sampled_from([f".{word}", f"['{word}']", f"|attr('{word}')", f".{word}()", f".{word}(0)"])
        )
        expression = draw(st.sampled_from([expression, f"({expression})"]))
    return expression


@given(accesses())
def test_no_expression_reaches_the_environment(expression):
    os.environ["OSAPI_TEST_SECRET"] = SECRET
    pieces = []

    try:
        jinja.render(
            f"{{{{ {expression} }}}}".encode(), {"hostname": "w", "facts": {}, "vars": {}}, pieces.append
        )
    except TemplateError:
        return
    finally:
        del os.environ["OSAPI_TEST_SECRET"]

    assert SECRET not in b"".join(pieces).decode()
    assert "__" not in b"".join(pieces).decode()
