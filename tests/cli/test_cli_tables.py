"""Tables on terminals of different widths."""

import io

import pytest
from rich.console import Console

from osapi.cli.columns import TABLES, Column, Table
from osapi.cli.render import rows

ENTRY = {
    "id": "00000000-04d2-8abc-9d11-5a6b7c8d9e0f",
    "timestamp": "2026-01-01T12:00:00Z",
    "user": "alice",
    "method": "PUT",
    "path": "/api/node/_all/timezone",
    "response_code": 200,
    "duration_ms": 1234,
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
}


def drawn(table, found, width, *, terminal=True):
    written = io.StringIO()
    rows(
        Console(file=written, width=width, force_terminal=terminal, no_color=True, soft_wrap=True),
        table,
        found,
    )
    return written.getvalue()


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(80, {"ID", "DURATION", "TRACE ID"}), (110, {"TRACE ID"}), (160, set())],
)
def test_a_narrow_terminal_has_fewer_columns_and_each_of_them_legible(width, left_out):
    table = TABLES["audit.list"]

    lines = drawn(table, [ENTRY], width).splitlines()

    headers = {column.header for column in table.columns if column.header in lines[0]}
    assert max(len(line) for line in lines) <= width + len("\x1b[1m\x1b[0m") * len(table.columns)
    assert headers == {column.header for column in table.columns} - left_out
    assert "…" not in lines[1] or width == 110


def test_what_is_no_terminal_gets_every_column():
    lines = drawn(TABLES["audit.list"], [ENTRY], 80, terminal=False).splitlines()

    assert all(column.header in lines[0] for column in TABLES["audit.list"].columns)


def test_a_table_without_rows_says_so():
    assert drawn(Table((Column("NAME", "name"),)), [], 80).strip() == "none"
