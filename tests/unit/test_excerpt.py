"""Lines that are picked out of a file as it comes in pieces."""

import re
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.excerpt import Excerpt, is_text
from osapi.errors import Refused


def excerpt(content, skip=0, limit=None, pieces=(), most=1000):
    found = Excerpt("/x", len(content), skip, limit, most)
    cuts = [0, *sorted(cut for cut in pieces if cut < len(content)), len(content)]
    for start, end in pairwise(cuts):
        found.add(content[start:end])
        if found.more:
            break
    return found


@given(
    st.binary(max_size=40).map(lambda data: bytes(b"ab\r\n\n"[byte % 5] for byte in data)),
    st.integers(0, 12),
    st.none() | st.integers(1, 12),
    st.lists(st.integers(0, 40), max_size=6),
)
def test_an_excerpt_has_the_lines_that_are_asked_for_however_the_file_comes(content, skip, limit, pieces):
    found = excerpt(content, skip, limit, pieces)

    lines = re.findall(rb"[^\n]*\n|[^\n]+", content)
    end = len(lines) if limit is None else skip + limit
    assert found.text() == b"".join(lines[skip:end]).decode()
    assert found.lines == len(lines[skip:end])
    assert found.more == (len(lines) > end)
    assert found.before == sum(map(len, lines[:skip]))


def test_a_nul_byte_in_what_was_passed_over_is_found_and_one_behind_is_not_looked_for():
    with pytest.raises(Refused, match=r"^/x is binary.*base64"):
        excerpt(b"a\0\nb\n", skip=1)

    assert excerpt(b"a\nb\n\0", limit=1).text() == "a\n"


def test_what_is_not_utf_8_is_told_with_its_place_in_the_file():
    with pytest.raises(Refused, match=r"^/x is not UTF-8 at byte 7.*base64"):
        excerpt(b"line\nab\xff\n", skip=1).text()


def test_a_character_in_two_pieces_is_one():
    assert excerpt("a€b".encode(), pieces=(2, 3)).text() == "a€b"


def test_more_than_an_answer_holds_is_refused_however_long_what_was_passed_over_is():
    content = b"x" * 5000 + b"\n" + b"y" * 10 + b"\n"

    assert excerpt(content, skip=1, most=11).text() == "y" * 10 + "\n"
    with pytest.raises(Refused, match=r"^/x has 5012 bytes, and an answer 10 at most"):
        excerpt(content, skip=1, most=10)
    with pytest.raises(Refused, match=r"^/x has 5012 bytes, and an answer 1000 at most"):
        excerpt(content, pieces=tuple(accumulate([100] * 50)))


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", True), ("é".encode(), True), (b"a\0", False), (b"\xff", False), ("é".encode()[:1], False)],
)
def test_text_is_utf_8_without_nul(content, text):
    assert is_text(content) is text
