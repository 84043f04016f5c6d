"""Go templates: rendered to the bytes that Go renders them to.

The files in `templates` hold templates, what they were given, and what text/template of Go made of them, null where it
refused. Those of `random.json` were generated.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.templating import go
from agent.templating.errors import TemplateError

CORPUS = sorted((Path(__file__).parent / "templates").glob("*.json"))
NAMES = {
    "hostname": "web-01",
    "facts": {"cpu_count": 8},
    "vars": {"port": 80, "db": {"host": "db-01"}, "list": [1]},
}
WORDS = [
    "{{", "}}", "{{- ", " -}}", "/*", "*/", " ", "\n", "|", ":=", "=", "(", ")", ".", "$", "$x", ",", ".Vars", ".port",
    "if ", "else", "end", "range ", "with ", "define ", "template ", "block ", "break", "continue", "nil", "true",
    '"s"', "`r`", "'c'", "1", "0x1F", "1.5", "-", '"', "'", "`", "\\", "é", "²", "\x00", "printf ", '"%d%s"', "index ",
]  # fmt: skip


def rendered(template, names=NAMES):
    pieces = []
    go.render(template.encode(errors="surrogateescape"), names, pieces.append)
    return b"".join(pieces)


def outcome(template, names):
    try:
        return rendered(template, names).decode(errors="surrogateescape")
    except TemplateError:
        return None


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_templates_are_rendered_as_go_renders_them(path):
    corpus = json.loads(path.read_text())

    ours = [
        {"template": case["template"], "output": outcome(case["template"], corpus)}
        for case in corpus["cases"]
    ]

    assert ours == corpus["cases"]


def test_the_corpus_is_not_empty():
    assert sum(len(json.loads(path.read_text())["cases"]) for path in CORPUS) > 1000


@pytest.mark.parametrize(
    ("template", "line", "message"),
    [
        ("\n\n{{ .Vars.missing }}", 3, r"\.Vars\.missing is not known; known: db, list, port"),
        ("{{ .Vars.db.hots }}", 1, r"\.Vars\.db\.hots is not known; known: host"),
        ("{{ .Vars.port.x }}", 1, r"\.Vars\.port\.x is not known: \.Vars\.port is float64"),
        ("{{ range .Vars.list }}\n{{ .name }}{{ end }}", 2, r"\.name is not known: \. is float64"),
        ("{{ $d := .Vars.db }}{{ $d.user }}", 1, r"\$d\.user is not known; known: host"),
        ("{{ (index .Vars `db`).x }}", 1, r"\(…\)\.x is not known; known: host"),
        ("{{ .Fact }}", 1, r"\.Fact is not known; known: Facts, Hostname, Vars"),
        ("{{ .Vars.none.x }}", 1, r"\.Vars\.none is not known"),
        ("a\n{{ lower .Hostname }}", 2, "function lower is not known; known: and, call, eq"),
        ("{{ $y }}", 1, r"variable \$y is not known; known: \$$"),
        ('\n{{ template "x" }}', 2, 'template "x" is not known; known: none'),
        ("{{ if true }}\n", 2, "the end of the template is not expected in the template"),
        ("{{ 1", 1, "an action is not closed with }}"),
        ('{{ "a }}', 1, 'a " is not closed'),
        ("{{ /* a */ }}", 1, "/ is not expected in an action"),
        ("{{/* a }}", 1, r"a comment must end with \*/}}"),
        ("\n{{ 'ab' }}", 2, "malformed character constant: 'ab'"),
        ("{{ 09 }}", 1, "09 is no number, or too large a one"),
        ("{{ eq .Facts.cpu_count 8 }}", 1, "float64 and int cannot be compared"),
        ("{{ printf 1 }}", 1, "printf takes a string first, not int"),
        ("{{ not }}", 1, "not takes 1 arguments, not 0"),
        ("{{ .Hostname | .Vars.port }}", 1, r"\.Vars\.port is no function"),
        ("{{ range .Hostname }}{{ end }}", 1, "range goes over lists, maps and ints, not over string"),
        ("{{ break }}", 1, "break stands outside of a range"),
        ("{{ index .Vars.list 1 }}", 1, "position 1 is out of range; there are 1"),
        ('{{ printf "%p" .Vars }}', 1, "%p prints where in memory something lies"),
        ("{{ define `a` }}1{{ end }}\n{{ define `a` }}2{{ end }}", 2, 'template "a" is defined twice'),
    ],
)
def test_an_error_names_the_line_and_what_is_wrong(template, line, message):
    with pytest.raises(TemplateError, match=message) as raised:
        rendered(template)

    assert raised.value.line == line


def test_templates_within_each_other_have_an_end():
    with pytest.raises(TemplateError, match="in each other"):
        rendered('{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}')


def test_a_number_that_go_cannot_hold_is_refused():
    with pytest.raises(TemplateError, match="a number is too large for a float64"):
        rendered("{{ .Vars.x }}", {"hostname": "", "facts": {}, "vars": {"x": 10**400}})


@given(st.text())
def test_a_text_without_an_action_is_itself(text):
    text = text.replace("{{", "{ {")

    assert rendered(text, NAMES) == text.encode(errors="surrogateescape")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_quoted_is_printed_as_it_was(text):
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f").replace("\\/", "/")

    assert rendered(f"{{{{ {quoted} }}}}") == text.encode()


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=12))
def test_whatever_is_written_is_rendered_or_refused_in_words(words):
    template = "{{" + "".join(words) + "}}"

    result = outcome(template, NAMES)

    assert result is None or isinstance(result, str)
