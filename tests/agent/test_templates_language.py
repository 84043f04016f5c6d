"""Which language a template is written in."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.templating.language import language

MARKED = st.lists(
    st.sampled_from(
        ["{{", "}}", "{%", "%}", "{#", "#}", " ", '"', "'", "`", "\\", ".x", "$", "if ", "facts", "/*"]
    )
)


@pytest.mark.parametrize(
    "template",
    [
        "{{ .Hostname }}",
        "{{.Vars.listen_address}}",
        '{{ index .Facts "kernel_version" }}',
        "{{- if eq .Facts.service_mgr `systemd` -}}{{ end }}",
        "{{ range $i, $x := .Vars.hosts }}{{ end }}",
        "{{ range 3 }}x{{ end }}",
        "{{ define `a` }}{{ end }}",
        "{{/* vars and facts */}}",
        "{{- /* vars */ -}}",
        "{{ $x }}",
        "{{ .5 }}",
        "{{ .facts }}",
        "{{ $facts.vars }}",
        '{{ print "facts" .Vars.x }}',
        "{{ (index .Vars `x`).facts }}",
        "length=${#array[@]} {{ .Vars.x }}",
        "%{time} {%T} {{ .Vars.x }}",
        '{{ "{{" }}',
        "{{ 1 }}",
        "{{ foo }}",
        "{{ 'x' }}",
        "{{ unclosed",
        "{{ .Vars.x }} {{ hostname }} {% if x %}",
    ],
)
def test_it_is_go(template):
    assert language(template) == "go"


@pytest.mark.parametrize(
    "template",
    [
        "{{ hostname }}",
        "{{hostname}}",
        "{{ vars.listen_address }}",
        "{{- facts['cpu_count'] | int -}}",
        "{{ 'x' ~ vars.y }}",
        "{{ range(facts.cpu_count) | join(',') }}",
        "{{ vars .x }}",
        "{{ {'a': facts} }}",
        "{{ [1, 2].count(vars.x) }}",
        "{% if facts.containerized %}{% endif %}",
        "{%- set x = 1 %}{{ x }}",
        "{% do x %}",
        "{%+ endif -%}",
        "{# a comment with {{ .Vars.x }} #}",
        "{% raw %}{{ .Values.image }}{% endraw %}",
        "{{ '{{ .Values.image }}' ~ hostname }}",
        "{{ 'a' }} {{ hostname }} {{ .Vars.x }}",
    ],
)
def test_it_is_jinja(template):
    assert language(template) == "jinja"


@pytest.mark.parametrize(
    "text",
    ["", "a\r\nb", "}} %} #}", "{ { hostname } }", "${#array[@]}", "{%T", "{%time%}", "{'a': {1}}", "\udcff"],
)
def test_it_is_no_template(text):
    assert language(text) is None


@given(st.text(alphabet="{%#}ax .$\"'"))
def test_a_text_without_a_mark_is_no_template(text):
    assume(not any(mark in text for mark in ("{{", "{%", "{#")))

    assert language(text) is None


@given(st.sampled_from(["{{ .x }}", "{{ if x }}", "{{/* */}}"]), MARKED)
def test_the_first_mark_of_go_decides(first, rest):
    assert language(first + "".join(rest)) == "go"


@given(st.sampled_from(["{{ vars.x }}", "{% if x %}", "{# #}"]), MARKED)
def test_the_first_mark_of_jinja_decides(first, rest):
    assert language(first + "".join(rest)) == "jinja"


@pytest.mark.parametrize(
    "piece", ["{{", "{#", "{%", '{{"\\"', "{{ 1 }}", "{{`", "{{'", "{{- ", "{% ", '{{ "' + '\\"' * 9]
)
def test_it_takes_no_longer_than_the_text_is_long(piece):
    assert language(piece * (1_000_000 // len(piece))) in {"go", None}
