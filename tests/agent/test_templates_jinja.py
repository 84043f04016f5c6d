"""Jinja2 templates: what they are given, and that names are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.templating import jinja
from agent.templating.errors import TemplateError

NAMES = {
    "hostname": "web-01",
    "facts": {"cpu_count": 8, "interfaces": [{"name": "eth0"}], "containerized": False},
    "vars": {"port": 80, "db": {"host": "db-01"}, "html": "<b>", "names": ["b", "a"]},
}


def rendered(template, names=NAMES):
    pieces = []
    jinja.render(template.encode(), names, pieces.append)
    return b"".join(pieces).decode()


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ hostname }}\n", "web-01\n"),
        ("workers = {{ facts.cpu_count }}", "workers = 8"),
        ("{{ facts['cpu_count'] * 2 }}", "16"),
        ("{{ vars.html }}", "<b>"),
        ("{% for i in facts.interfaces %}{{ i.name }}{{ ',' if not loop.last }}{% endfor %}", "eth0"),
        ("{% if facts.containerized %}a{% else %}b{% endif %}", "b"),
        ("{{ vars.names | sort | join(', ') }}", "a, b"),
        ("{{ vars.missing | default('x') }}", "x"),
        ("{% if vars.missing is defined %}a{% else %}b{% endif %}", "b"),
        ("{% set n = namespace(x=1) %}{% set n.x = 2 %}{{ n.x }}", "2"),
        ("{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m(hostname) }}", "[web-01]"),
        ("{{ vars.db | tojson }}", '{"host": "db-01"}'),
        ("{{ '%05.1f' | format(1.25) }} {{ '{:>4}'.format(vars.port) }}", "001.2   80"),
        ("{% raw %}{{ .Values.x }}{% endraw %}", "{{ .Values.x }}"),
        ("{# gone #}é{{ 'ü' }}", "éü"),
        ("a\r\n{{ hostname }}\r\n", "a\r\nweb-01\r\n"),
        ("a\n{{ hostname }}\n\n", "a\nweb-01\n\n"),
    ],
)
def test_a_template_is_rendered(template, expected):
    assert rendered(template) == expected


@pytest.mark.parametrize(
    ("template", "line", "message"),
    [
        ("\n\n{{ vars.missing }}", 3, "vars.missing is not known; known: db, html, names, port"),
        ("{{ vars['missing'] }}", 1, "vars.missing is not known; known: db, html, names, port"),
        ("{{ vars.db.hots }}", 1, "vars.db.hots is not known; known: host"),
        ("{{ facts.interfaces[0].mtu }}", 1, "facts.interfaces[0].mtu is not known; known: name"),
        ("{{ facts.interfaces[1] }}", 1, "1 is not known: facts.interfaces is a list"),
        ("{{ {'a': 1}.b }}{{ vars }}", 1, "it.b is not known; known: a"),
        ("\n{{ host }}", 2, "host is not known; known: facts, hostname, vars"),
        ("{% if vars.missing %}{% endif %}", 1, "vars.missing is not known; known: db, html, names, port"),
        (
            "{% for x in vars.missing %}{% endfor %}",
            1,
            "vars.missing is not known; known: db, html, names, port",
        ),
        ("{{ vars.missing.x }}", 1, "vars.missing is not known; known: db, html, names, port"),
        (
            "{% macro m() %}\n{{ nope }}{% endmacro %}\n{{ m() }}",
            2,
            "nope is not known; known: facts, hostname, vars",
        ),
        ("a\n{{ hostname", 2, "unexpected end of template, expected 'end of print statement'."),
        ("a\n{% if hostname %}", 2, "Unexpected end of template"),
        ("{{ hostname | lower_case }}", 1, "No filter named 'lower_case'."),
        ("\n{{ vars.port / 0 }}", 2, "ZeroDivisionError: division by zero"),
        ("{{ vars.port + hostname }}", 1, "TypeError: unsupported operand"),
        ("{{ vars.update(x=1) }}", 1, "access to attribute 'update' of 'dict' object is unsafe."),
        ("{{ facts.interfaces | map(attribute='mtu') | list }}", 1, "facts.interfaces[0].mtu is not known"),
        ("{% include 'x' %}", 1, "TypeError: no loader for this environment specified"),
        ("{{ vars.names | random }}", 1, "No filter named 'random'."),
        ("{{ lipsum() }}", 1, "lipsum is not known; known: facts, hostname, vars"),
        ("{{ '\\ud800' }}", None, "UnicodeEncodeError: "),
    ],
)
def test_an_error_names_the_line_and_what_is_wrong(template, line, message):
    with pytest.raises(TemplateError) as raised:
        rendered(template)

    assert raised.value.message.startswith(message)
    assert raised.value.line == line


def test_a_template_that_is_not_utf_8_is_refused():
    with pytest.raises(TemplateError, match="UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff"):
        jinja.render(b"\xff{{ hostname }}", NAMES, lambda piece: None)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="{\r")))
def test_a_text_without_an_expression_is_itself(text):
    assert rendered(text) == text
