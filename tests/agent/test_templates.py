"""Templates rendered by a process of their own: what comes back, and what it has given up."""

import sys
from pathlib import Path

import psutil
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from agent.commands import run_program
from agent.templates import Context, render
from osapi.errors import OperationError, TimedOut

CONTEXT = Context(
    hostname="web-01",
    facts={"cpu_count": 8, "architecture": "x86_64", "fqdn": "wéb-01.lan", "load": [1.5, None, True]},
    vars={"listen_address": "0.0.0.0:8080", "port": 8080},
)
SEED = b"""# Generated for {{ .Hostname }}
listen_address = {{ .Vars.listen_address }}
workers = {{ .Facts.cpu_count }}
arch = {{ .Facts.architecture }}
"""
ATTEMPTS = """
import os, socket, subprocess, sys
from agent.templating.confinement import NOBODY, confine

def attempt(what):
    try:
        return f"did: {what()!r}"
    except OSError as error:
        return error.strerror

secret, status = (os.open(name, os.O_RDONLY) for name in (sys.argv[1], "/proc/self/status"))
root = os.geteuid() == 0
confine()
print(os.read(secret, 100))
print(attempt(lambda: open(sys.argv[1])))
print(attempt(lambda: open(sys.argv[1], "w")))
print(attempt(lambda: os.listdir("/")))
print(attempt(socket.socket))
print(attempt(os.pipe))
print(attempt(lambda: subprocess.run(["/bin/true"])))
print(attempt(os.fork))
print(b"NoNewPrivs:\\t1\\n" in os.read(status, 10_000))
print(not root or os.getresuid() == os.getresgid() == (NOBODY,) * 3 and os.getgroups() == [])
"""


async def template(source, **options):
    with trio.fail_after(60):
        return await render(source, CONTEXT, name="app.conf.tmpl", **options)


async def test_the_example_of_the_manual_is_rendered():
    assert await template(SEED) == (
        b"# Generated for web-01\nlisten_address = 0.0.0.0:8080\nworkers = 8\narch = x86_64\n"
    )


async def test_the_same_in_jinja_is_rendered():
    source = b"""# Generated for {{ hostname }}
listen_address = {{ vars.listen_address }}
workers = {{ facts.cpu_count }}
arch = {{ facts.architecture }}
"""

    assert await template(source) == await template(SEED)


async def test_values_are_printed_as_each_language_does():
    assert await template(b"{{ .Facts.load }} {{ .Facts.fqdn }}") == "[1.5 <nil> true] wéb-01.lan".encode()
    assert await template(b"{{ facts.load }} {{ facts.fqdn }}") == "[1.5, None, True] wéb-01.lan".encode()


async def test_nothing_that_jinja_imports_late_is_missing():
    source = rb"""{{ vars | pprint }} {{ 'a b' | wordwrap(1) }} {{ vars | tojson }} {{ '<i>' | striptags | e }}
        {{ vars | dictsort }} {{ vars | xmlattr }} {{ 'a b' | urlencode }} {{ 'http://x.org' | urlize }}
        {{ 2000 | filesizeformat }} {{ 2.5 | round }} {{ 'abc' | truncate(9) }} {{ [1, 1] | unique | list }}
        {{ [facts] | groupby('cpu_count') | length }} {{ [1, 2] | slice(2) | list }} {{ "%s" | format(1) }}
        {{ '\u00e9\N{DIGIT ONE}'.encode() }} {{ 'aB'.swapcase() }} {{ joiner()() }} {{ cycler(1).next() }}"""

    assert b"'listen_address': '0.0.0.0:8080'" in await template(source)


async def test_bytes_that_are_no_text_come_through_go_unharmed():
    assert await template(b"\xff\x00{{ .Hostname }}\r\n\xfe") == b"\xff\x00web-01\r\n\xfe"


@pytest.mark.parametrize("text", [b"", b"plain\r\n", b"\xff\x00", b"${#array[@]} {%T", b"}} %} #}"])
async def test_a_text_without_an_expression_is_itself(text):
    assert await template(text) == text


@given(st.binary())
async def test_bytes_without_an_expression_are_themselves(data):
    data = data.replace(b"{", b"(")

    assert await render(data, CONTEXT, name="x") == data


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"\n\n{{ .Vars.missing }}", "line 3: .Vars.missing is not known; known: listen_address, port"),
        (b"\n\n{{ vars.missing }}", "line 3: vars.missing is not known; known: listen_address, port"),
        (b"{{ if }}", "line 1: if lacks a value"),
        (b"{% if %}", "line 1: Expected an expression, got 'end of statement block'"),
    ],
)
async def test_an_error_names_the_template_the_line_and_what_is_wrong(source, message):
    with pytest.raises(OperationError) as raised:
        await template(source)

    assert str(raised.value) == f"app.conf.tmpl, {message}"


async def test_a_message_has_an_end():
    with pytest.raises(OperationError) as raised:
        await template(b"{{ " + b"x" * 100_000 + b" }}")

    assert len(str(raised.value)) < 2000


@pytest.mark.parametrize(
    "source",
    [
        b"{{ range 1000000000000 }}{{ end }}",
        b"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        b"{{ hostname }}{{ 7 ** (9 ** 9) }}",
    ],
)
async def test_a_template_that_takes_too_long_is_ended(source):
    with pytest.raises(TimedOut, match=r"app\.conf\.tmpl: rendering it took longer than 1 s"):
        await template(source, timeout=1)


async def test_a_rendering_that_is_cancelled_leaves_nothing_behind():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(template, b"{{ range 1000000000000 }}{{ end }}")
        with trio.fail_after(30):
            while not psutil.Process().children():  # noqa: ASYNC110 - the kernel makes it hold
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()

    assert not psutil.Process().children()


@pytest.mark.parametrize(
    "source",
    [
        b'{{ range 11 }}{{ printf "%1000000d" 1 }}{{ end }}',
        b"{% for a in range(1100) %}{{ hostname * 10000 }}{% endfor %}",
        b"{{ hostname * 10000000 }}",
    ],
)
async def test_a_result_that_is_too_large_is_refused(source):
    with pytest.raises(OperationError, match="the result is larger than 10 MiB"):
        await template(source)


async def test_a_result_of_ten_mebibytes_arrives_whole():
    result = await template(b'{{ range 10 }}{{ printf "%1048576d" 1 }}{{ end }}')

    assert result == (b" " * 1048575 + b"1") * 10


async def test_a_template_that_is_too_large_is_refused():
    with pytest.raises(OperationError, match="the template is larger than 10 MiB"):
        await template(b"{{ .Hostname }}" + b"x" * 10 * 2**20)


async def test_a_value_that_needs_too_much_memory_is_refused():
    with pytest.raises(OperationError, match="it needs more than 512 MiB of memory"):
        await template(b"{{ (hostname * 10 ** 10) | length }}")


async def test_what_renders_can_do_nothing_else(tmp_path):
    secret, script = tmp_path / "secret", tmp_path / "attempts.py"
    secret.write_text("read before")
    script.write_text(ATTEMPTS)

    finished = await run_program((sys.executable, "-I", str(script), str(secret)), cwd=Path("/"), timeout=60)

    assert finished.stdout.splitlines() == [
        "b'read before'",
        *["Too many open files"] * 6,
        "Resource temporarily unavailable",
        "True",
        "True",
    ]
