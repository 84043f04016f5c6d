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
    *(
        f"docs/how-to/{name}.md"
        for name in (
            "audit",
            "backup",
            "contexts",
            "doctor",
            "drain-and-conditions",
            "files",
            "health",
            "look-at-hosts",
            "metrics",
            "notifications",
            "run-commands",
        )
    ),
]
URL = "http://127.0.0.1:8080"
"""Where the pages have a controller."""

BLOCK = re.compile(r"^```sh runnable\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_the_session_of_a_page_works(stack, tmp_path, page):
    blocks = BLOCK.findall((ROOT / page).read_text())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    done = subprocess.run(
        ["sh", "-eux"],
        input="".join(blocks).replace(URL, stack.url),
        cwd=tmp_path,
        env={**os.environ, **stack.env, "PATH": path, "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert blocks
    assert done.returncode == 0, done.stdout + done.stderr
