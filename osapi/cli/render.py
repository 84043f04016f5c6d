"""Answers on the screen: tables, their footer, and what a dry run would do. Colours on a terminal only."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from osapi.cli import formats
from osapi.cli.tables import Table

WIDEST = 79
"""Characters of a cell at most, where a table has to fit a terminal."""

STYLES = {
    "ok": "green", "changed": "yellow", "would change": "yellow", "skip": "cyan", "err": "red",
    "failed": "red", "completed": "green", "processing": "yellow", "partial_failure": "red",
    "Ready": "green", "NotReady": "red", "degraded": "red",
}  # fmt: skip
DIFF = {"+": "green", "-": "red", "@": "cyan"}


def console() -> Console:
    """Standard output; NO_COLOR and TERM=dumb are honoured."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)


def pairs(screen: Console, found: Iterable[tuple[str, str]]) -> None:
    """Lines of names and values, those without a value left out."""
    shown = [(name, value) for name, value in found if value]
    for name, value in shown:
        screen.print(
            Text.assemble("  ", (f"{name}:", "bold"), " ", (formats.printable(value), STYLES.get(value, "")))
        )
    if shown:
        screen.print()


def rows(screen: Console, table: Table, found: Iterable[Any], title: str = "") -> None:
    """A table of plain rows, with a title where it is one of several."""
    cells = [[column.cell(row) for column in table.columns] for row in found]
    if title:
        screen.print(Text(f"  {title}", "bold"))
    draw(screen, [column.header for column in table.columns], cells)
    screen.print()


def draw(screen: Console, headers: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Aligned columns; on a terminal the widest are cut until a line fits."""
    used = [i for i in range(len(headers)) if i < 2 or any(row[i] for row in cells)]
    widths = [max(cell_len(line[i]) for line in (headers, *cells)) for i in used]
    if screen.is_terminal:
        widths = _fit([min(width, WIDEST) for width in widths], screen.width - 1)
    for number, line in enumerate((headers, *cells)):
        drawn = Text("  ")
        for width, i in zip(widths, used, strict=True):
            drawn.append(_cut(line[i], width), "bold" if number == 0 else STYLES.get(line[i], ""))
            drawn.append("  ")
        drawn.rstrip()
        screen.print(drawn)


def results(screen: Console, table: Table, body: dict[str, Any], *, wide: bool = False) -> None:
    """The answers of hosts: a table, how many there are of each kind, what went wrong, and what was planned."""
    items = sorted(body.get("results") or [], key=lambda item: str(item.get("hostname")))
    if job_id := body.get("job_id"):
        screen.print()
        pairs(screen, [("Job ID", job_id)])
    headers = ["HOSTNAME", "STATUS", *(column.header for column in table.columns)]
    draw(screen, headers, _grouped(table, items, wide=wide))
    screen.print()
    screen.print(f"  {_footer(items)}")
    _details(screen, items)
    if any(item.get("code") == "timeout" for item in items):
        screen.print(f"\n  A host may still come to it: osapi client job get --job-id {job_id}")
    _plans(screen, items)


def word(item: dict[str, Any]) -> str:
    """How it went on a host, in a word."""
    if item.get("status") in {"skipped", "skip"}:
        return "skip"
    if item.get("status") == "failed" or item.get("error"):
        return "err"
    if item.get("changed"):
        return "would change" if item.get("plan") else "changed"
    return "ok"


def _grouped(table: Table, items: Sequence[dict[str, Any]], *, wide: bool) -> list[list[str]]:
    """The rows of each host; of hosts that answer the same, unless it is `wide`, only once."""
    groups: dict[Any, list[str]] = {}
    for i, item in enumerate(items):
        found = table.of(item) if item.get("status") == "ok" else []
        cells = tuple(tuple(column.cell(row) for column in table.columns) for row in found)
        key = (word(item), cells or (("",) * len(table.columns),), i if wide else None)
        groups.setdefault(key, []).append(str(item.get("hostname")))
    return [
        [formats.fold(hosts), status, *row] for (status, cells, _), hosts in groups.items() for row in cells
    ]


def _footer(items: Sequence[dict[str, Any]]) -> str:
    found = [word(item) for item in items]
    names = {
        "ok": "ok",
        "changed": "changed",
        "would change": "would change",
        "skip": "skipped",
        "err": "failed",
    }
    counts = ", ".join(f"{found.count(key)} {name}" for key, name in names.items() if key in found)
    return f"{len(items)} host{'' if len(items) == 1 else 's'}: {counts or 'none answered'}"


def _details(screen: Console, items: Sequence[dict[str, Any]]) -> None:
    errors: dict[str, list[str]] = {}
    for item in items:
        if error := item.get("error"):
            errors.setdefault(error, []).append(str(item.get("hostname")))
    if errors:
        screen.print()
        screen.print("  Details:")
    for error, hosts in errors.items():
        screen.print(Text.assemble("    ", (formats.fold(hosts), "bold"), f": {formats.printable(error)}"))


def _plans(screen: Console, items: Sequence[dict[str, Any]]) -> None:
    """What a dry run would do, once for all hosts where it is the same."""
    plans: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for item in items:
        if plan := item.get("plan"):
            plans.setdefault(repr(plan), (plan, []))[1].append(str(item.get("hostname")))
    for plan, hosts in plans.values():
        screen.print()
        intent = "would do:" if plan.get("files") or plan.get("commands") else "would do nothing"
        screen.print(Text.assemble("  ", (formats.fold(hosts), "bold"), f" {intent}"))
        for file in plan.get("files") or ():
            screen.print(f"    {file['action']} {file['path']}")
            for line in file.get("diff", "").splitlines():
                screen.print(Text(f"    {formats.printable(line)}", DIFF.get(line[:1], "")))
        for argv in plan.get("commands") or ():
            screen.print(Text(f"    $ {shlex.join(argv)}", "magenta"))


def _fit(widths: Sequence[int], width: int) -> list[int]:
    """Widths that fit a line of `width`, with two spaces before each; the widest give way first."""
    fitting = list(widths)
    while sum(fitting) + 2 * len(fitting) > width:
        widest = max(range(len(fitting)), key=fitting.__getitem__)
        if fitting[widest] <= 6:
            break
        fitting[widest] -= 1
    return fitting


def _cut(text: str, width: int) -> str:
    safe = formats.printable(text)
    return set_cell_size(safe, width) if cell_len(safe) <= width else set_cell_size(safe, width - 1) + "…"
