"""Fixtures of the fuzz tests: one installation for all of them, looked at after each."""

from collections.abc import Iterator

import pytest
from fuzzed import Careful, EXPECTED_LEVELS, Fuzzed, fuzzed
from rehearsal import rehearse


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
