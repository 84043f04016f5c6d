"""Audit entries on the screen."""

from typing import Any

from rich.console import Console

from osapi import wire
from osapi.cli import formats
from osapi.cli.columns import Column, Table
from osapi.cli.render import pairs, rows
from osapi.cli.session import Session

Body = dict[str, Any]

ENTRY = (
    Column("ID", "id"),
    Column("Number", "number"),
    Column("Phase", "phase"),
    Column("Timestamp", "timestamp", formats.moment),
    Column("User", "user"),
    Column("Roles", "roles"),
    Column("Method", "method"),
    Column("Path", "path"),
    Column("Status", "", formats.ended),
    Column("Duration", "duration_ms", formats.milliseconds),
    Column("Source IP", "source_ip"),
    Column("Operation", "operation_id"),
    Column("Target", "target"),
    Column("Hosts", "hosts"),
    Column("Job ID", "job_id"),
    Column("Outcome", "outcome"),
    Column("Requests", "count"),
    Column("Detail", "detail"),
    Column("Trace ID", "trace_id"),
    Column("Request ID", "request_id"),
    Column("Controller", "controller"),
)


def entries(screen: Console, found: Table, body: Body, said: Session) -> None:
    pairs(screen, [("Total", str(body["total_items"]))])
    rows(screen, found, body["items"], wide=said.output == "wide")
    if after := body.get("next_cursor"):
        pairs(screen, [("Go on with", f"--cursor {after}")])


def entry(screen: Console, _: Table, body: Body, __: Session) -> None:
    found = body["entry"]
    pairs(screen, [(column.header, column.cell(found)) for column in ENTRY])
    if params := found.get("params"):
        screen.print("  Parameters", style="bold")
        screen.print_json(wire.encode(params).decode(), indent=2)
