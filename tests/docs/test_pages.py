"""The documentation: it is what the code says, its links lead somewhere, and its proofs exist."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!`)\[[^\]]+\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What headings can be linked to as, by GitHub's rule."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page

        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_found_from_the_index():
    found, open_ends = set(), {ROOT / "docs/README.md"}

    while open_ends:
        page = open_ends.pop()
        found.add(page)
        links = {(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(page.read_text())}
        open_ends |= {link for link in links if link.suffix == ".md" and link.exists()} - found

    assert set(PAGES) <= found


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_has_one_title_and_no_line_that_waits_to_be_written(page):
    text = FENCED.sub("", page.read_text())

    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert not re.search(r"\b(TODO|TBD|FIXME|coming soon)\b", text, re.IGNORECASE)


def test_generated_pages_are_what_the_code_says():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


PROOFS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/explanation/guarantees.md").read_text())


@pytest.mark.parametrize(("path", "test"), PROOFS, ids=[test for _, test in PROOFS])
def test_a_promise_has_its_proof(path, test):
    tree = ast.parse((ROOT / path).read_text())

    assert test in {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_the_operation_that_is_written_as_an_example_works(tmp_path):
    for folder in ("osapi", "agent", "tests/providers"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    page = (ROOT / "docs/how-to/write-an-operation.md").read_text()
    files = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", page, re.DOTALL))
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "trio_mode=true", "tests/providers/test_motd.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(files) == 3
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
