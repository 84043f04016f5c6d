"""What holds of every test: it leaves no thread and no child process behind."""

import threading
import time
from collections.abc import Iterator

import psutil
import pytest

IDLE = ("Trio", "trio")
"""Names of the worker threads that trio keeps for a few seconds; they hold nothing."""


def left_over(before: set[object]) -> set[object]:
    return _here() - before


def _here() -> set[object]:
    threads = {thread for thread in threading.enumerate() if not thread.name.startswith(IDLE)}
    children = {(child.pid, child.create_time()) for child in psutil.Process().children(recursive=True)}
    return threads | children


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = _here()
    yield
    end = time.monotonic() + 5
    while left := left_over(before):
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.01)
