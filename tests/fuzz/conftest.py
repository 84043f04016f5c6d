"""Fixtures of the fuzz tests: one installation for all of them, looked at after each."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

pytest.register_assert_rewrite("fuzzed", "rehearsal")

from fuzzed import EXPECTED_LEVELS, Careful, Fuzzed, fuzzed  # noqa: E402 - after they are registered
from rehearsal import rehearse, spring  # noqa: E402 - the same


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """Before anything is fuzzed, the traps are tried, and every modification is seen to keep to a dry run."""
    with fuzzed(tmp_path_factory.mktemp("fuzz")) as found:
        spring(found)
        rehearse(found)
        yield found


@pytest.fixture(scope="session")
def unread(installed: Fuzzed) -> Iterator[socket.socket]:
    """A client that asks for more than the kernel buffers, and never reads; there from the first test on."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", installed.site.port))
        client.settimeout(1)
        with suppress(TimeoutError):
            client.sendall(b"GET /api/docs HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        yield client


@pytest.fixture
def target(installed: Fuzzed, unread: socket.socket) -> Iterator[Fuzzed]:
    """The installation; after the test it is unharmed, works, and has logged nothing worse than a warning."""
    installed.logged()
    yield installed
    installed.unharmed()
    installed.works()
    lines = installed.logged()
    assert [line for line in lines if line["level"] not in EXPECTED_LEVELS or "exception" in line] == []


@pytest.fixture
def http(target: Fuzzed) -> Iterator[Careful]:
    with target.client() as found:
        yield found
