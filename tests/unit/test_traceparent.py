import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from osapi import traceparent
from osapi.traceparent import Traceparent, fresh, parse, within

DIGITS = "0123456789abcdef"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def ids(length: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=length, max_size=length).filter(lambda found: set(found) != {"0"})


@given(trace=ids(32), span=ids(16), flags=st.integers(0, 255))
def test_what_is_well_formed_is_read(trace, span, flags):
    found = parse(f"00-{trace}-{span}-{flags:02x}")

    assert found == Traceparent(trace, span, flags % 2 == 1)
    assert parse(str(found)) == found


@given(text=st.text() | st.text(DIGITS + "-", max_size=80))
def test_anything_else_is_no_place_and_no_error(text):
    found = parse(text)

    assert found is None or str(found)[3:52] == text.strip()[3:52]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"01-{TRACE}-{SPAN}-01-{'x' * 600}",
        f"00-{TRACE}-{SPAN}-01\n00-{TRACE}-{SPAN}-01",
    ],
)
def test_what_the_standard_forbids_is_refused(header):
    assert parse(header) is None


def test_later_versions_are_read_as_far_as_this_one_goes():
    assert parse(f"cc-{TRACE}-{SPAN}-01-more") == Traceparent(TRACE, SPAN, sampled=True)


def test_each_new_trace_is_another_and_valid():
    made = {str(fresh()) for _ in range(100)}

    assert len(made) == 100
    assert all(parse(place) for place in made)


async def test_tasks_begin_where_their_parent_is_and_go_their_own_way():
    first, second = fresh(), fresh()
    seen = []

    async def look(place: Traceparent | None) -> None:
        seen.append(traceparent.current.get())
        if place:
            with within(place):
                await trio.lowlevel.checkpoint()
                seen.append(traceparent.current.get())

    with within(first):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look, second)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look, None)

    assert seen == [first, second, first]
    assert traceparent.current.get() is None
