"""A host that netplan configures, and the releases whose programs print what it looks at."""

import pytest
from cabled import RELEASES, connect


@pytest.fixture(params=RELEASES)
def release(request):
    return request.param


@pytest.fixture
def host(host):
    """The host, on a cable to its broker."""
    return connect(host)
