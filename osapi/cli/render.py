"""Answers on the screen: tables, their footer, and what a dry run would do. Colours on a terminal only."""

import shlex
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from osapi import wire
from osapi.cli import formats
from osapi.cli.columns import Column, Table
from osapi.results import Status

NARROWEST, LEGIBLE, WIDEST = 6, 20, 79
"""Characters of a cell, where a table has to fit a terminal."""

STYLES = {
    "ok": "green", "changed": "yellow", "would change": "yellow", "skip": "cyan", "err": "red",
    "failed": "red", "completed": "green", "processing": "yellow", "partial_failure": "red",
    "Ready": "green", "NotReady": "red", "degraded": "red",
    "in-sync": "green", "drifted": "yellow", "missing": "yellow",
}  # fmt: skip
FIRST = (Column("HOSTNAME", "hostname"), Column("STATUS", "status"))
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


def rows(screen: Console, table: Table, found: Iterable[Any], title: str = "", *, wide: bool = False) -> None:
    """A table of plain rows, with a title where it is one of several; without rows, that there are none."""
    cells = [[column.cell(row) for column in table.columns] for row in found]
    if title:
        screen.print(Text(f"  {title}", "bold"))
    if cells:
        draw(screen, table.columns, cells, wide=wide)
    else:
        screen.print("  none")
    screen.print()


def draw(screen: Console, columns: Sequence[Column], cells: Sequence[Sequence[str]], *, wide: bool) -> None:
    """Aligned columns; on a terminal some are left out and the widest cut until a line fits, unless it is `wide`."""
    lines = [[column.header for column in columns], *cells]
    used = [i for i in range(len(columns)) if i < 2 or any(row[i] for row in cells)]
    widths = {i: max(cell_len(line[i]) for line in lines) for i in used}
    if screen.is_terminal and not wide:
        used = _leave_out(columns, widths, screen.width - 1)
        _fit(widths, {i for i in used if columns[i].whole}, screen.width - 1)
    for number, line in enumerate(lines):
        drawn = Text("  ")
        for i in used:
            drawn.append(_cut(line[i], widths[i]), "bold" if number == 0 else STYLES.get(line[i], ""))
            drawn.append("  ")
        drawn.rstrip()
        screen.print(drawn)


def results(screen: Console, table: Table, body: dict[str, Any], *, wide: bool = False) -> None:
    """The answers of hosts: a table, how many there are of each kind, what went wrong, and what was planned."""
    items = sorted(body.get("results") or [], key=lambda item: formats.natural(str(item.get("hostname"))))
    if job_id := body.get("job_id"):
        screen.print()
        pairs(screen, [("Job ID", job_id)])
    draw(screen, (*FIRST, *table.columns), _grouped(table, items, wide=wide), wide=wide)
    screen.print()
    screen.print(f"  {_footer(items)}")
    _details(screen, items)
    _plans(screen, items)


def word(item: dict[str, Any]) -> str:
    """How it went on a host, in a word."""
    status = wire.status(item)
    if status is not Status.OK:
        return "skip" if status is Status.SKIPPED else "err"
    if item.get("changed"):
        return "would change" if item.get("plan") else "changed"
    return "ok"


def _grouped(table: Table, items: Sequence[dict[str, Any]], *, wide: bool) -> list[list[str]]:
    """The rows of each host; of hosts that answer the same, unless it is `wide`, only once."""
    groups: dict[Any, list[str]] = {}
    for i, item in enumerate(items):
        found = table.of(item) if wire.status(item) is Status.OK else []
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
        if (plan := item.get("plan")) and wire.status(item) is Status.OK:
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


def _leave_out(columns: Sequence[Column], widths: dict[int, int], width: int) -> list[int]:
    """Take out what can be spared, the last first, until what is left is legible; the columns that stay."""
    for i in sorted(widths, reverse=True):
        if (
            sum(w if columns[j].whole else min(w, LEGIBLE) for j, w in widths.items()) + 2 * len(widths)
            <= width
        ):
            break
        if columns[i].spare:
            del widths[i]
    return list(widths)


def _fit(widths: dict[int, int], whole: Collection[int], width: int) -> None:
    """Let columns give way, the widest first, until a line has `width` characters, with two before each."""
    giving = [i for i in widths if i not in whole]
    for i in giving:
        widths[i] = min(widths[i], WIDEST)
    while sum(widths.values()) + 2 * len(widths) > width:
        widest = max(giving, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1


def _cut(text: str, width: int) -> str:
    safe = formats.printable(text)
    return set_cell_size(safe, width) if cell_len(safe) <= width else set_cell_size(safe, width - 1) + "…"
