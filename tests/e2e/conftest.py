"""Fixtures of the end-to-end tests: nothing in them is simulated."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from processes import Installation, installation


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """`osapi start` with nothing but a state directory and free ports; shared by tests that only ask."""
    with installation(tmp_path_factory.mktemp("stack")) as found:
        found.everything()
        yield found


@pytest.fixture
def http(stack: Installation) -> Iterator[httpx.Client]:
    with stack.http() as client:
        yield client


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    """An installation of one's own, in which daemons are started, killed and started again."""
    with installation(tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A broker, a controller and three agents: web-01 and web-02 in group web, db-01 in group db."""
    with installation(tmp_path_factory.mktemp("fleet")) as found:
        found.broker()
        found.controller()
        for name, labels in (
            ("web-01", "group=web.dev.eu"),
            ("web-02", "group=web.prod"),
            ("db-01", "group=db"),
        ):
            found.agent(name, labels=labels)
        yield found
