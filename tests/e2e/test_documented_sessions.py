"""The commands of the documentation, run as a user would: what a page marks as runnable, in its order, in one shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "docs/tutorial/first-host.md",
    "docs/how-to/files.md",
    "docs/how-to/look-at-hosts.md",
    "docs/how-to/run-commands.md",
]
BLOCK = re.compile(r"^```sh runnable\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_the_session_of_a_page_works(stack, page):
    blocks = BLOCK.findall((ROOT / page).read_text())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    done = subprocess.run(
        ["sh", "-eux"],
        input="".join(blocks),
        env={**os.environ, **stack.env, "PATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert blocks
    assert done.returncode == 0, done.stdout + done.stderr
