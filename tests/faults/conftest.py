"""Fixtures of the fault tests: an installation of one's own, whose logs are read when the test is over."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ledger import Ledger
from processes import Installation, installation


@contextmanager
def calm_installation(folder: Path) -> Iterator[Installation]:
    """One in which nothing may break, whatever is done to it: a fault is no surprise to any daemon."""
    with installation(folder) as found:
        yield found
    for log in folder.rglob("*.log"):
        assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with calm_installation(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with calm_installation(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "effects")
