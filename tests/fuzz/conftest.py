"""Fixtures of the fuzz tests: one installation for all of them, looked at after each."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("fuzzed", "rehearsal")

from fuzzed import EXPECTED_LEVELS, Careful, Fuzzed, fuzzed  # noqa: E402 - after they are registered
from rehearsal import rehearse  # noqa: E402 - the same


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """Before anything is fuzzed, every modification is seen to keep to a dry run."""
    with fuzzed(tmp_path_factory.mktemp("fuzz")) as found:
        rehearse(found)
        yield found


@pytest.fixture
def target(installed: Fuzzed) -> Iterator[Fuzzed]:
    """The installation; after the test it is unharmed, works, and has logged nothing worse than a warning."""
    installed.logged()
    yield installed
    installed.unharmed()
    installed.works()
    assert [line for line in installed.logged() if line["level"] not in EXPECTED_LEVELS] == []


@pytest.fixture
def http(target: Fuzzed) -> Iterator[Careful]:
    with target.client() as found:
        yield found
