"""Lines of text files: had or not had as Ansible's lineinfile documents it."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from agent.editing import edit, edited
from osapi.errors import BadInput
from osapi.operations.file import EditLine

SSHD = "# sshd\nPort 22\n#PermitRootLogin yes\nPermitRootLogin yes\nMatch User git\n  X11 no\n"
MANY = "one\nrepeated\ntwo\nrepeated\nthree\nrepeated\nfour\n"

PRESENT = {
    "a line that is nowhere goes to the end": ("a\nb\n", {"line": "c"}, "a\nb\nc\n"),
    "into an empty file": ("", {"line": "a"}, "a\n"),
    "a line that is there stays where it is": ("a\nb\nc\n", {"line": "b"}, "a\nb\nc\n"),
    "a line that is there twice stays twice": ("a\nb\na\n", {"line": "a"}, "a\nb\na\n"),
    "part of a line is not the line": ("ab\n", {"line": "a"}, "ab\na\n"),
    "the line with blanks is another": (" a\na \n", {"line": "a"}, " a\na \na\n"),
    "an empty line": ("a\nb\n", {"line": ""}, "a\nb\n\n"),
    "an empty line that is there": ("a\n\nb\n", {"line": ""}, "a\n\nb\n"),
    "an empty line into an empty file": ("", {"line": ""}, "\n"),
    "the last line is ended before another comes": ("a\nb", {"line": "c"}, "a\nb\nc\n"),
    "the last line is found without an ending, and left so": ("a\nb", {"line": "b"}, "a\nb"),
    "a metacharacter in the line is itself": ("a.c\n", {"line": "abc"}, "a.c\nabc\n"),
    "a backslash in the line is itself": ("a\n", {"line": r"\1 \n \g<0> \\"}, "a\n\\1 \\n \\g<0> \\\\\n"),
    "a line of a shell is one line": ("a\n", {"line": "$(touch x); `y` | z > w"}, "a\n$(touch x); `y` | z > w\n"),
    "a line of many bytes a character": ("é\n", {"line": "ü€"}, "é\nü€\n"),
    "what other languages break lines at": ("a\n", {"line": "b\x0b\x0c\x85\u2028c"}, "a\nb\x0b\x0c\x85\u2028c\n"),
    "an existing line with such a character is one": ("a\x0cb\n", {"line": "b"}, "a\x0cb\nb\n"),
    "CR LF: the line is there": ("a\r\nb\r\n", {"line": "b"}, "a\r\nb\r\n"),
    "CR LF: a new line ends so, too": ("a\r\nb\r\n", {"line": "c"}, "a\r\nb\r\nc\r\n"),
    "CR LF: the last line is ended so": ("a\r\nb", {"line": "c"}, "a\r\nb\r\nc\r\n"),
    "CR LF: half an ending at the end": ("a\r\nb\r", {"line": "c"}, "a\r\nb\r\nc\r\n"),
    "CR LF: half an ending is made whole": ("a\r", {"line": "b", "regexp": "a"}, "b\n"),
    "CR LF: a line within keeps its ending": ("a\r\nb\nc\r\n", {"line": "x", "regexp": "b"}, "a\r\nx\nc\r\n"),
    "CR LF: a pattern ends before it": ("a=1\r\n", {"line": "a=2", "regexp": "^a=1$"}, "a=2\r\n"),
}  # fmt: skip

REPLACED = {
    "regexp: the match is replaced": (SSHD, {"line": "Port 2", "regexp": "^Port "}, SSHD.replace("Port 22", "Port 2")),
    "regexp: the last match is": (
        SSHD, {"line": "PermitRootLogin no", "regexp": "^#?PermitRootLogin"},
        SSHD.replace("\nPermitRootLogin yes", "\nPermitRootLogin no"),
    ),
    "regexp: with firstmatch the first is": (
        SSHD, {"line": "PermitRootLogin no", "regexp": "^#?PermitRootLogin", "firstmatch": True},
        SSHD.replace("#PermitRootLogin yes", "PermitRootLogin no"),
    ),
    "regexp: what is so already stays": (SSHD, {"line": "Port 22", "regexp": "^Port"}, SSHD),
    "regexp: found anywhere in a line": ("xay\n", {"line": "b", "regexp": "a"}, "b\n"),
    "regexp: the whole line goes, not the match": ("k = 1 # why\n", {"line": "k = 2", "regexp": "^k"}, "k = 2\n"),
    "regexp: the last match, though the line is above": ("b\na1\na2\n", {"line": "b", "regexp": "^a"}, "b\na1\nb\n"),
    "regexp: no match, and the line goes to the end": ("a\n", {"line": "b", "regexp": "^x"}, "a\nb\n"),
    "regexp: no match, and the line is there": ("b\na\n", {"line": "b", "regexp": "^x"}, "b\na\n"),
    "regexp: no match in an empty file": ("", {"line": "b", "regexp": "^x"}, "b\n"),
    "regexp: ^ is every line, of which the last": ("a\nb\n", {"line": "c", "regexp": "^"}, "a\nc\n"),
    "regexp: an empty line": ("a\n\nb\n", {"line": "c", "regexp": "^$"}, "a\nc\nb\n"),
    "regexp: a line without an ending gets one": ("a\nb", {"line": "c", "regexp": "b"}, "a\nc\n"),
    "regexp: a line is searched without its ending": ("a\nb\n", {"line": "c", "regexp": r"a\s"}, "a\nb\nc\n"),
    "regexp: case counts": ("A\n", {"line": "b", "regexp": "a"}, "A\nb\n"),
    "regexp: unless it says otherwise": ("A\n", {"line": "b", "regexp": "(?i)a"}, "b\n"),
    "regexp: groups without backrefs mean nothing": ("ab\n", {"line": r"\1", "regexp": "(a)b"}, "\\1\n"),
    "regexp: a match comes before insertafter": (
        "a\nb\nc\n", {"line": "c2", "regexp": "^c", "insertafter": "^a"}, "a\nb\nc2\n"
    ),
    "regexp: a match comes before insertbefore": (
        "a\nb\nc\n", {"line": "c2", "regexp": "^c", "insertbefore": "BOF"}, "a\nb\nc2\n"
    ),
    "search_string: the line with it is replaced": ("a=1 (x)\n", {"line": "b", "search_string": "1 (x"}, "b\n"),
    "search_string: the last is": ("xa\nya\n", {"line": "b", "search_string": "a"}, "xa\nb\n"),
    "search_string: with firstmatch the first is": (
        "xa\nya\n", {"line": "b", "search_string": "a", "firstmatch": True}, "b\nya\n"
    ),
    "search_string: a metacharacter is itself": ("abc\n", {"line": "d", "search_string": "a.c"}, "abc\nd\n"),
    "search_string: a pattern is itself": (
        "x (\\w)(\\s+) y\n", {"line": "Thi$ i^ [ine 3", "search_string": r"(\w)(\s+)"}, "Thi$ i^ [ine 3\n"
    ),
    "search_string: not found, and the line is there": ("b\na\n", {"line": "b", "search_string": "x"}, "b\na\n"),
    "search_string: not found, and it goes after": (
        "a\nc\n", {"line": "b", "search_string": "x", "insertafter": "^a"}, "a\nb\nc\n"
    ),
    "search_string: found comes before insertbefore": (
        "a\nx\n", {"line": "b", "search_string": "x", "insertbefore": "^a"}, "a\nb\n"
    ),
}  # fmt: skip

INSERTED = {
    "insertafter EOF": ("a\nb\n", {"line": "c", "insertafter": "EOF"}, "a\nb\nc\n"),
    "insertafter EOF, without a last newline": ("a\nb", {"line": "c", "insertafter": "EOF"}, "a\nb\nc\n"),
    "insertafter EOF is no pattern": ("EOF\nb\n", {"line": "c", "insertafter": "EOF"}, "EOF\nb\nc\n"),
    "insertafter BOF": ("a\n", {"line": "c", "insertafter": "BOF"}, "c\na\n"),
    "insertafter a line": ("a\nb\n", {"line": "c", "insertafter": "^a$"}, "a\nc\nb\n"),
    "insertafter the last match": (MANY, {"line": "c", "insertafter": "^rep"}, MANY.replace("four", "c\nfour")),
    "insertafter the first match": (
        MANY, {"line": "c", "insertafter": "^rep", "firstmatch": True}, MANY.replace("two", "c\ntwo")
    ),
    "insertafter the last line": ("a\nb\n", {"line": "c", "insertafter": "b"}, "a\nb\nc\n"),
    "insertafter the last line, which has no newline": ("a\nb", {"line": "c", "insertafter": "b"}, "a\nb\nc\n"),
    "insertafter what is not there": ("a\nb\n", {"line": "c", "insertafter": "x"}, "a\nb\nc\n"),
    "insertafter, and the line is there, elsewhere": ("c\na\nb\n", {"line": "c", "insertafter": "a"}, "c\na\nb\n"),
    "insertafter, and the line is there, elsewhere, with firstmatch": (
        "a\nb\nc\n", {"line": "c", "insertafter": "a", "firstmatch": True}, "a\nb\nc\n"
    ),
    "insertafter in CR LF": ("a\r\nb\r\n", {"line": "c", "insertafter": "^a$"}, "a\r\nc\r\nb\r\n"),
    "insertafter where regexp finds nothing": (
        "#!/bin/sh\n\ncase\n", {"line": "X=1", "regexp": "^X", "insertafter": "^#!/bin/sh", "firstmatch": True},
        "#!/bin/sh\nX=1\n\ncase\n",
    ),
    "insertafter in an empty file": ("", {"line": "c", "insertafter": "a"}, "c\n"),
    "insertbefore BOF": ("a\nb\n", {"line": "c", "insertbefore": "BOF"}, "c\na\nb\n"),
    "insertbefore BOF, and the line is there": ("a\nc\n", {"line": "c", "insertbefore": "BOF"}, "a\nc\n"),
    "insertbefore BOF in an empty file": ("", {"line": "c", "insertbefore": "BOF"}, "c\n"),
    "insertbefore BOF in CR LF": ("a\r\n", {"line": "c", "insertbefore": "BOF"}, "c\r\na\r\n"),
    "insertbefore EOF is a pattern": ("a\nEOF\nb\n", {"line": "c", "insertbefore": "EOF"}, "a\nc\nEOF\nb\n"),
    "insertbefore a line": ("a\nb\n", {"line": "c", "insertbefore": "^b$"}, "a\nc\nb\n"),
    "insertbefore the last match": (MANY, {"line": "c", "insertbefore": "^rep"}, MANY.replace("three\n", "three\nc\n")),
    "insertbefore the first match": (
        MANY, {"line": "c", "insertbefore": "^rep", "firstmatch": True}, MANY.replace("one\n", "one\nc\n")
    ),
    "insertbefore the last line, which has no newline": ("a\nb", {"line": "c", "insertbefore": "b"}, "a\nc\nb"),
    "insertbefore what is not there": ("a\nb\n", {"line": "c", "insertbefore": "x"}, "a\nb\nc\n"),
    "insertbefore what is not there, without a last newline": ("a", {"line": "c", "insertbefore": "x"}, "a\nc\n"),
    "insertbefore, and the line is there, elsewhere": ("a\nb\nc\n", {"line": "c", "insertbefore": "a"}, "a\nb\nc\n"),
    "insertbefore where regexp finds nothing": (
        SSHD, {"line": "UseDNS no", "regexp": "^UseDNS", "insertbefore": "^Match"},
        SSHD.replace("Match", "UseDNS no\nMatch"),
    ),
}  # fmt: skip

BACKREFS = {
    "backrefs: groups by number": (
        "MAXSIZE = 1 # k\n", {"line": r"\1 2\2", "regexp": r"^(MAXSIZE =) \d+(.*)$"}, "MAXSIZE = 2 # k\n"
    ),
    "backrefs: groups by name": ("a=1\n", {"line": r"\g<key>=2", "regexp": "^(?P<key>a)=.*"}, "a=2\n"),
    "backrefs: a digit after a group": ("a=1\n", {"line": r"\g<1>0", "regexp": "^(a=1)"}, "a=10\n"),
    "backrefs: the last match": ("a1\na2\n", {"line": r"b\1", "regexp": r"a(\d)"}, "a1\nb2\n"),
    "backrefs: with firstmatch the first": (
        "a1\na2\n", {"line": r"b\1", "regexp": r"a(\d)", "firstmatch": True}, "b1\na2\n"
    ),
    "backrefs: a group that took no part is empty": ("a\n", {"line": r"[\1]", "regexp": "a(b)?"}, "[]\n"),
    "backrefs: no match, and nothing is done": ("a\nb\n", {"line": r"\1", "regexp": "(x)"}, "a\nb\n"),
    "backrefs: no match, though the line is there": ("\\1\n", {"line": r"\1", "regexp": "(x)"}, "\\1\n"),
    "backrefs: an empty file": ("", {"line": "a", "regexp": "x"}, ""),
    "backrefs: a line that refers to nothing": ("REF this REF\n", {"line": "3", "regexp": r"^(REF) .* \1$"}, "3\n"),
    "backrefs: what is so already stays": ("a=1\n", {"line": r"\1=1", "regexp": "^(a)="}, "a=1\n"),
    "backrefs: the ending is no part of a group": ("a=1\nb\n", {"line": r"\1 2", "regexp": "(a=[^#]*)"}, "a=1 2\nb\n"),
    "backrefs: CR LF is no part of a group, and kept": ("a=1\r\n", {"line": r"\1 2", "regexp": "(a=.*)"}, "a=1 2\r\n"),
    "backrefs: two backslashes are one": ("a\n", {"line": r"\\1", "regexp": "(a)"}, "\\1\n"),
    "backrefs: what a group has is not expanded again": ("a\\1\n", {"line": r"\1!", "regexp": "(.*)"}, "a\\1!\n"),
}  # fmt: skip

ABSENT = {
    "absent: the line": ("a\nb\nc\n", {"line": "b"}, "a\nc\n"),
    "absent: all lines that are it": ("a\nb\na\n", {"line": "a"}, "b\n"),
    "absent: no line that only has it": ("ab\n", {"line": "a"}, "ab\n"),
    "absent: not there": ("a\n", {"line": "b"}, "a\n"),
    "absent: from an empty file": ("", {"line": "b"}, ""),
    "absent: the only line": ("a\n", {"line": "a"}, ""),
    "absent: without an ending": ("a\nb", {"line": "b"}, "a\n"),
    "absent: with CR LF": ("a\r\nb\r\n", {"line": "a"}, "b\r\n"),
    "absent: empty lines": ("a\n\nb\n\n", {"line": ""}, "a\nb\n"),
    "absent: all that regexp matches": (
        SSHD,
        {"regexp": "PermitRoot"},
        "# sshd\nPort 22\nMatch User git\n  X11 no\n",
    ),
    "absent: regexp before the line": ("a\nb\n", {"regexp": "b", "line": "a"}, "a\n"),
    "absent: firstmatch changes nothing in that": ("a1\na2\n", {"regexp": "a", "firstmatch": True}, ""),
    "absent: a place to insert changes nothing in that": ("a\nb\n", {"line": "a", "insertafter": "b"}, "b\n"),
    "absent: all with search_string": ("x.y\nxzy\nx.y z\n", {"search_string": "x.y"}, "xzy\n"),
    "absent: search_string before the line": ("a\nb\n", {"search_string": "b", "line": "a"}, "a\n"),
    "absent: regexp that matches nothing": ("a\n", {"regexp": "x"}, "a\n"),
}

CASES = (
    PRESENT | REPLACED | INSERTED
    | {name: (text, {"backrefs": True, **given}, then) for name, (text, given, then) in BACKREFS.items()}
    | {name: (text, {"state": "absent", **given}, then) for name, (text, given, then) in ABSENT.items()}
)  # fmt: skip


def asked(**given):
    return EditLine(path="/etc/x", **given)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_line_is_had_as_lineinfile_documents(case):
    text, given, then = case

    assert edited(text, asked(**given)) == then


REPEATING = {
    "regexp: the last match, though the line is above",
    "regexp: ^ is every line, of which the last",
    "backrefs: the last match",
    "backrefs: what a group has is not expanded again",
    "backrefs: a digit after a group",
    "backrefs: the ending is no part of a group",
    "backrefs: CR LF is no part of a group, and kept",
    "search_string: the last is",
    "search_string: with firstmatch the first is",
    "backrefs: with firstmatch the first",
}
"""A line that its own regexp does not match, with more matches above; or one that refers to itself."""


@pytest.mark.parametrize("name", CASES.keys() - REPEATING)
def test_a_second_time_nothing_changes(name):
    _, given, then = CASES[name]

    assert edited(then, asked(**given)) == then


WRONG = [
    ({"line": "a", "regexp": "a", "search_string": "a"}, "search_string: not together with regexp"),
    ({"line": "a", "insertafter": "a", "insertbefore": "b"}, "insertbefore: not together with insertafter"),
    ({"line": "a", "insertafter": "EOF", "insertbefore": "BOF"}, "insertbefore: not together with insertafter"),
    ({}, "line: missing; only with state absent it may be"),
    ({"regexp": "a"}, "line: missing; only with state absent it may be"),
    ({"state": "absent"}, "line: missing; or regexp, or search_string"),
    ({"state": "absent", "insertafter": "a"}, "line: missing; or regexp, or search_string"),
    ({"state": "absent", "regexp": "a", "backrefs": True}, "backrefs: not with state absent"),
    ({"line": "a", "backrefs": True}, "backrefs: only with regexp, whose groups it is about"),
    ({"line": "a", "search_string": "a", "backrefs": True}, "backrefs: only with regexp, whose groups it is about"),
    ({"line": "a", "regexp": "a", "backrefs": True, "insertafter": "b"}, "backrefs: inserts nothing, so not with"),
    ({"line": "a", "regexp": "a", "backrefs": True, "insertbefore": "BOF"}, "backrefs: inserts nothing, so not with"),
    ({"line": "a", "regexp": ""}, "regexp: empty, which every line matches"),
    ({"line": "a", "search_string": ""}, "search_string: empty, which every line matches"),
    ({"line": "a", "insertafter": ""}, "insertafter: empty, which every line matches"),
    ({"line": "a", "insertbefore": ""}, "insertbefore: empty, which every line matches"),
    ({"state": "absent", "regexp": ""}, "regexp: empty, which every line matches"),
    ({"line": "a\nb"}, "line: has a line break"),
    ({"line": "a\r"}, "line: has a line break"),
    ({"line": "a\0"}, "line: has a line break"),
    ({"line": "a", "regexp": "(a"}, r"regexp: '\(a' is no regular expression: missing \)"),
    ({"line": "a", "regexp": "a**"}, "regexp: .* is no regular expression: multiple repeat"),
    ({"line": "a", "regexp": "(" * 4000}, "regexp: .* is no regular expression"),
    ({"line": "a", "insertafter": "[a"}, "insertafter: .* is no regular expression"),
    ({"line": "a", "insertbefore": "*a"}, "insertbefore: .* is no regular expression"),
    ({"state": "absent", "regexp": "a)"}, "regexp: .* is no regular expression"),
    ({"line": "a", "regexp": "a{999999999}"}, "regexp: .* repeats too much"),
    ({"line": "a", "regexp": "(?:(?:a{1000}){1000}){1000}"}, "regexp: .* repeats too much"),
    ({"line": r"\2", "regexp": "(a)", "backrefs": True}, r"line: '\\\\2' does not fit regexp '\(a\)'"),
    ({"line": r"\g<b>", "regexp": "(a)", "backrefs": True}, "line: .* does not fit regexp"),
    ({"line": "\\", "regexp": "(a)", "backrefs": True}, "line: .* does not fit regexp"),
    ({"line": r"\1\n* * * * * root x", "regexp": "(a)", "backrefs": True}, "line: .* becomes more than one line"),
    ({"line": r"\r", "regexp": "(a)", "backrefs": True}, "line: .* becomes more than one line"),
    ({"line": r"\0", "regexp": "(a)", "backrefs": True}, "line: .* becomes more than one line"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_what_does_not_go_together_is_refused_by_name(given, message):
    with pytest.raises(BadInput, match=message) as refused:
        edited("a\n", asked(**given))

    assert refused.value.field == message.partition(":")[0]


def test_a_line_that_would_fill_the_memory_is_refused():
    with pytest.raises(BadInput, match=r"^line: it could become over 1000000 characters long"):
        edited("x" * 10_000, asked(line=r"\1" * 1000, regexp="(.*)", backrefs=True))


def test_bytes_that_are_not_utf_8_are_kept():
    after = edit(b"gr\xfc\xdfe\n\xff\xfe\nk=1\n", asked(line="k=ü", regexp="^k="))

    assert after == b"gr\xfc\xdfe\n\xff\xfe\nk=\xc3\xbc\n"


TEXT = st.text(alphabet="ab#= \r\n", max_size=30)
ONE = st.text(alphabet="ab#= ", max_size=5)
REGEXP = st.sampled_from(["^a", "b$", "#", "=", "^$", "a|b", "^#?a"])
PLACE = st.one_of(
    st.just({}),
    st.builds(lambda value: {"insertafter": value}, st.sampled_from(["EOF", "BOF", "^a", "b", "#"])),
    st.builds(lambda value: {"insertbefore": value}, st.sampled_from(["BOF", "^a", "b", "#"])),
)


def bodies(text):
    return [line.rstrip("\r\n") for line in re.findall(r"[^\n]*\n|[^\n]+", text)]


@given(TEXT, ONE, PLACE, st.booleans(), st.none() | REGEXP)
@example("x\r", "a", {}, False, None)
def test_the_line_is_there_after_it_was_made_present_and_all_others_are_as_they_were(
    text, line, place, first, regexp
):
    assume(regexp is None or re.search(regexp, line))
    p = asked(line=line, regexp=regexp, firstmatch=first, **place)

    after = edited(text, p)

    had = bodies(text)
    now = bodies(after)
    assert line in now
    assert edited(after, p) == after
    if len(now) > len(had):
        now.remove(line)
        assert now == had
    else:
        differing = [old for old, new in zip(had, now, strict=True) if old != new]
        assert len(differing) <= 1
        assert all(re.search(regexp, old) for old in differing)


@given(TEXT, ONE, PLACE)
def test_what_was_added_can_be_taken_away_again(text, line, place):
    assume(line not in bodies(text))

    after = edited(edited(text, asked(line=line, **place)), asked(line=line, state="absent"))

    assert bodies(after) == bodies(text)


@given(TEXT, REGEXP)
def test_none_of_what_regexp_matches_is_left_after_absent_and_all_else_is(text, regexp):
    after = edited(text, asked(regexp=regexp, state="absent"))

    assert bodies(after) == [body for body in bodies(text) if not re.search(regexp, body)]
