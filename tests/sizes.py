"""Whether modules and functions are small: `python tests/sizes.py` says which are not, and exits with 1."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MODULE, PROVIDER, FUNCTION = 400, 200, 40
ROOT = Path(__file__).parent.parent
FOLDERS = ["osapi", "agent", "controller", "tests", "docs", "bench"]


def too_long(path: Path) -> Iterator[str]:
    """What is too long in a module, a line each."""
    source = path.read_text()
    name = path.relative_to(ROOT)
    most = PROVIDER if name.parts[:2] == ("agent", "providers") else MODULE
    if (length := len(source.splitlines())) > most:
        yield f"{name}: {length} lines; at most {most}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines; at most {FUNCTION}"


def main() -> int:
    modules = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    found = [line for path in modules for line in too_long(path)]
    for line in found:
        sys.stdout.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
