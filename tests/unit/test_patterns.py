"""Regular expressions of users: what `re` makes of them, in a bounded time."""

import re

import pytest
import trio
from hypothesis import assume, example, given
from hypothesis import strategies as st

from agent.patterns import pattern
from osapi.errors import BadInput, TimedOut


@pytest.mark.parametrize(
    ("regexp", "body"), [(r"(.+)+\d{3}$", "x" * 5000), (r"(?:(?:a|b)+)+$", "ab" * 100_000 + "c")]
)
async def test_a_pattern_that_would_search_for_ever_is_given_up_and_nobody_waits_for_it(regexp, body):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await trio.sleep(0.01)
            ticks += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        with pytest.raises(TimedOut, match=r"^regexp: .* took longer than 0.5 s"):
            await trio.to_thread.run_sync(pattern("regexp", regexp, seconds=0.5).search, body)
        nursery.cancel_scope.cancel()

    assert ticks > 2


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(
    st.text(alphabet="ab{}0129,^$|()?*+.\\dwes<=[]-", max_size=12), st.text(alphabet="ab{}1,e-", max_size=8)
)
@example("a{e}", "b")
@example("a{e<=1}", "b")
@example("a{,}b", "aab")
@example("a{}", "a")
@example("a{1", "a")
@example("[{s}]", "s")
@example(r"\{1}", "{")
def test_a_pattern_means_what_it_means_to_re(text, body):
    try:
        theirs = re.compile(text)
    except (re.error, OverflowError):
        assume(False)  # `regex` takes more, such as POSIX classes
    assume("[:" not in text)

    try:
        ours = pattern("regexp", text)
    except BadInput:
        assert re.search(r"\{\d*,?\d{3,}", text)
        return
    found, expected = ours.search(body), theirs.search(body)

    assert (found and found.span()) == (expected and expected.span())


@pytest.mark.parametrize("text", ["[[:space:]]=", r"\p{Lu}=", "[[:digit:]]{1,3}=", r"\N{DIGIT ONE}="])
def test_classes_by_name_are_taken_too(text):
    assert pattern("regexp", text).search("1= =A=")
