"""What Docker streams, however it is cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.docker_streams import ENGINE, STDERR, STDOUT, Frames, Lines, Pull

WORDS = st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=50)))
SIZES = st.lists(st.integers(1, 20), min_size=1)


def frame(stream, content):
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4) + content


def cut(data, sizes):
    """Data in pieces of these sizes, over and over."""
    number = 0
    while data:
        size = sizes[number % len(sizes)]
        yield data[:size]
        data, number = data[size:], number + 1


def taken(data, sizes=(7,)):
    """What frames hold, by stream, and what is wrong with them."""
    found = {STDOUT: bytearray(), STDERR: bytearray()}
    frames = Frames({stream: kept.extend for stream, kept in found.items()})
    for piece in cut(data, sizes):
        frames.feed(piece)
    return {stream: bytes(kept) for stream, kept in found.items()}, frames.end()


@given(words=WORDS, sizes=SIZES)
def test_frames_hold_what_was_put_into_them(words, sizes):
    data = b"".join(frame(stream, content) for stream, content in words)

    found, wrong = taken(data, sizes)

    assert wrong == ""
    assert found == {
        wanted: b"".join(content for stream, content in words if stream == wanted)
        for wanted in (STDOUT, STDERR)
    }


@given(words=WORDS, missing=st.integers(1, 8), content=st.binary(min_size=1, max_size=20), sizes=SIZES)
def test_frames_that_end_too_early_say_so(words, missing, content, sizes):
    data = b"".join(frame(stream, content) for stream, content in words)

    _, wrong = taken(data + frame(STDOUT, content)[:-missing], sizes)

    assert wrong == "it ended in the middle of a frame"


@given(data=st.binary(), sizes=SIZES)
def test_whatever_comes_is_taken_or_is_wrong(data, sizes):
    found, wrong = taken(data, sizes)

    assert wrong or sum(map(len, found.values())) <= len(data)


def test_nothing_is_taken_after_a_stream_that_is_none():
    found, wrong = taken(frame(STDOUT, b"good") + frame(9, b"bad") + frame(STDOUT, b"more"))

    assert (found[STDOUT], wrong) == (b"good", "there is no stream 9")


def test_what_the_engine_complains_of_is_what_is_wrong():
    _, wrong = taken(frame(STDOUT, b"good") + frame(ENGINE, b"the log is gone\n"))

    assert wrong == "the log is gone"


class Clock:
    time = 0.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def pull(told, clock):
    return Pull(told.append, clock)


def layer(name, status, **detail):
    return json.dumps({"status": status, "progressDetail": detail, "id": name}).encode() + b"\r\n"


def test_progress_is_told_once_a_second(pull, told, clock):
    for come in range(20):
        clock.time = come / 8
        pull.feed(layer("a", "Downloading", current=come * 1_000_000, total=20_000_000))

    assert told == ["0 of 1 layers, 8.0 of 20.0 MB\n", "0 of 1 layers, 16.0 of 20.0 MB\n"]


def test_progress_is_that_of_all_layers(pull):
    for one in ("a", "b", "c"):
        pull.feed(layer(one, "Pulling fs layer"))
    pull.feed(layer("a", "Already exists"))
    pull.feed(layer("b", "Downloading", current=1_000_000, total=4_000_000))
    pull.feed(layer("c", "Downloading", current=1_000_000, total=2_000_000))
    pull.feed(layer("c", "Download complete"))
    pull.feed(layer("c", "Extracting", current=500_000, total=2_000_000))

    assert pull.line() == "1 of 3 layers, 3.0 of 6.0 MB"


@given(sizes=SIZES)
def test_what_is_said_of_the_whole_is_told_and_an_error_is_found_however_it_is_cut(sizes):
    told = []
    pull = Pull(told.append, lambda: 0.0)
    data = (
        b'{"status":"Pulling from lab/box","id":"1"}\r\n'
        + layer("a", "Downloading", current=1, total=2)
        + b'{"errorDetail":{"message":"unknown blob"},"error":"unknown blob"}\r\n'
    )

    for piece in cut(data, sizes):
        pull.feed(piece)

    assert (told, pull.error) == (["Pulling from lab/box\n"], "unknown blob")


@given(data=st.binary())
def test_what_is_no_progress_is_an_error_and_raises_nothing(data):
    pull = Pull(lambda _: None, lambda: 0.0)

    pull.feed(data + b"\n[]\n")

    assert pull.error


@given(
    lines=st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.text("ab", max_size=9))), sizes=SIZES
)
def test_lines_come_as_they_were_written(lines, sizes):
    kept = Lines(10_000)

    for stream, line in lines:
        for piece in cut(f"{line}\n".encode(), sizes):
            kept.take(stream, piece)

    assert (kept.end(), kept.omitted) == (lines, 0)


def test_of_too_many_lines_the_newest_stay():
    kept = Lines(20)

    for number in range(1000):
        kept.take("stdout", b"line %03d\n" % number)
    kept.take("stderr", b"the end")

    assert kept.end() == [("stdout", "line 999"), ("stderr", "the end")]
    assert kept.omitted == 999


def test_of_a_line_that_is_too_long_the_end_stays():
    kept = Lines(20)

    for _ in range(1000):
        kept.take("stdout", b"0123456789")

    assert kept.end() == [("stdout", "1234567890123456789")]
