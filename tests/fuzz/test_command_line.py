"""Hostile text through the command line: it reaches the program as it was given, or is refused in words."""

import json

import pytest
from fuzzed import AGENT, CANARY, Fuzzed
from hostile import TOUCH

PRINTF = ("client", "node", "command", "exec", "--command", "printf", "--args")

VERBATIM = {
    "an option": "-n",
    "our own option": "--dry-run",
    "a line": f"x\n{TOUCH}\n",
    "substitution": f"$({TOUCH})`{TOUCH}`",
    "quotes": f"'; {TOUCH}; \"",
    "nothing": "",
    "escapes": "\x1b[2J\x07\\n\u202e\u200b\U0001f469",
    "long": "x" * 100_000,
}
LISTS = ['a,"b', "a,b\nc", '"",,"']
"""Text with commas, which stands for a list (RFC 4180); some of it is none."""

WRONG = [
    ("node", "timezone", "update", "--timezone", "--help", "--dry-run"),
    ("node", "timezone", "update", "--timezone", "x" * 100_000, "--dry-run"),
    ("node", "hostname", "update", "--name", f"x\n$({TOUCH})", "--dry-run"),
    ("node", "disk", "get", "--target", f"../{CANARY}?a=b#c"),
    ("node", "disk", "get", "--target", ".."),
    ("node", "disk", "get", "--target", ""),
    ("job", "get", "--job-id", f"../{CANARY}"),
]


@pytest.mark.parametrize("text", VERBATIM.values(), ids=VERBATIM)
def test_an_argument_reaches_the_program_as_it_was_given(target: Fuzzed, text: str) -> None:
    done = target.site.cli(*PRINTF, "%s|", "--args", text, "--json", check=0)

    [item] = json.loads(done.stdout)["results"]
    assert (item["stdout"], item["exit_code"]) == (f"{text}|", 0)


@pytest.mark.parametrize("text", LISTS)
def test_a_list_is_read_or_refused(target: Fuzzed, text: str) -> None:
    done = target.site.cli(*PRINTF, text, "--dry-run")

    assert done.returncode in {0, 2}
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_refused_in_words(target: Fuzzed, words: tuple[str, ...]) -> None:
    done = target.site.cli("client", *words)

    assert done.returncode in {1, 2}, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert (done.stderr + done.stdout).strip()


def test_what_a_host_says_does_not_drive_the_terminal(target: Fuzzed) -> None:
    """A table shows control characters as signs: output of a host cannot clear the screen or forge lines."""
    done = target.site.cli(*PRINTF, "%s", "--args", "a\x1b[2Jb\x07\u202e", check=0)

    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert AGENT in done.stdout
