"""What tests of several units need."""

import pytest


@pytest.fixture
def written(tmp_path):
    """A configuration file of that text."""

    def write(text):
        path = tmp_path / "osapi.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write
