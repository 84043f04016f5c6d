"""Durations, as Go writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osapi.durations import Duration, nanoseconds, parse


@given(st.integers(-(2**52), 2**52))
def test_what_is_written_is_read_back(total):
    duration = Duration(total / 1e9)

    again = parse(str(duration))

    assert nanoseconds(again) == total
    assert str(again) == str(duration)


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("0", 0, "0s"),
        ("-0", 0, "0s"),
        ("90s", 90, "1m30s"),
        ("1h30m", 5400, "1h30m0s"),
        ("250ms", 0.25, "250ms"),
        ("1.5h", 5400, "1h30m0s"),
        (".5s", 0.5, "500ms"),
        ("1.s", 1, "1s"),
        ("1us", 1e-6, "1µs"),
        ("1µs", 1e-6, "1µs"),
        ("1.5μs", 1.5e-6, "1.5µs"),
        ("3ns", 3e-9, "3ns"),
        ("-1m", -60, "-1m0s"),
        ("+1m0.000000001s", 60.000000001, "1m0.000000001s"),
        ("7d", 604800, "168h0m0s"),
        ("1m1ms", 60.001, "1m0.001s"),
    ],
)
def test_durations_of_go_are_understood(text, seconds, shown):
    duration = parse(text)

    assert duration == pytest.approx(seconds, abs=1e-12)
    assert str(duration) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "s",
        ".s",
        "1 h",
        "1h 30m",
        "1y",
        "--1s",
        "1e3s",
        "∞",
        "9999999h",
        "٣s",
        "1s\n",
        "5" * 5000 + "h",
    ],
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"duration|longer|digits"):
        parse(text)
