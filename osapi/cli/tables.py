"""The columns of tables: read off the type of a result, or named here where that would not do."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
from msgspec import inspect

from osapi.cli import formats
from osapi.cli.commands import bare

Show = Callable[[Any], str]


@attrs.frozen
class Column:
    """One column; `path` leads from a row to its value, through members joined by dots, or is empty.

    What is `whole` is never cut to fit a terminal, as one wants to copy it.
    """

    header: str
    path: str
    show: Show = formats.text
    whole: bool = False

    def cell(self, row: Any) -> str:
        value = row
        for member in self.path.split(".") if self.path else ():
            value = value.get(member) if isinstance(value, dict) else None
        return self.show(value)


@attrs.frozen
class Table:
    """Columns, and the member that holds the rows; without one, an answer is a row."""

    columns: tuple[Column, ...]
    rows: str | None = None

    def of(self, answer: dict[str, Any]) -> list[Any]:
        return [answer] if self.rows is None else answer.get(self.rows) or []


PROCESS = (
    Column("PID", "pid"),
    Column("NAME", "name"),
    Column("USER", "user"),
    Column("STATE", "state"),
    Column("CPU%", "cpu_percent", formats.percent),
    Column("COMMAND", "command"),
)
COMMAND = Table((Column("EXIT", "exit_code"), Column("STDOUT", "stdout", formats.first_line)))

TABLES = {
    "node.status": Table(
        (
            Column("UPTIME", "uptime"),
            Column("LOAD", "load_average", formats.load),
            Column("MEM", "memory", formats.usage),
        )
    ),
    "node.disk": Table(
        (
            Column("MOUNT", "name"),
            Column("TOTAL", "total", formats.size),
            Column("USED", "used", formats.size),
            Column("USAGE", "", formats.usage),
        ),
        rows="disks",
    ),
    "node.memory": Table(
        (
            Column("TOTAL", "memory.total", formats.size),
            Column("USED", "memory.used", formats.size),
            Column("FREE", "memory.free", formats.size),
            Column("USAGE", "memory", formats.usage),
        )
    ),
    "node.load": Table(
        (
            Column("LOAD (1m)", "load_average.1min"),
            Column("LOAD (5m)", "load_average.5min"),
            Column("LOAD (15m)", "load_average.15min"),
        )
    ),
    "node.os": Table((Column("DISTRIBUTION", "os_info.distribution"), Column("VERSION", "os_info.version"))),
    "hostname.get": Table((Column("LABELS", "labels", formats.labels),)),
    "timezone.get": Table((Column("TIMEZONE", "timezone"), Column("UTC_OFFSET", "utc_offset"))),
    "process.list": Table(PROCESS, rows="processes"),
    "process.get": Table(tuple(attrs.evolve(column, path=f"process.{column.path}") for column in PROCESS)),
    "process.signal": Table((Column("PID", "pid"), Column("SIGNAL", "signal"), Column("CHANGED", "changed"))),
    "command.exec": COMMAND,
    "command.shell": COMMAND,
    "agent.list": Table(
        (
            Column("MACHINE ID", "machine_id"),
            Column("HOSTNAME", "hostname"),
            Column("STATUS", "status"),
            Column("CONDITIONS", "conditions", formats.conditions),
            Column("LABELS", "labels", formats.labels),
            Column("AGE", "started_at", formats.age),
            Column("LOAD (1m)", "load_average.1min"),
            Column("OS", "os_info", formats.system),
        ),
        rows="agents",
    ),
    "job.list": Table(
        (
            Column("JOB ID", "id", whole=True),
            Column("STATUS", "status"),
            Column("CREATED", "created", formats.lately),
            Column("TARGET", "target"),
            Column("OPERATION", "operation.type"),
        ),
        rows="items",
    ),
}

SIZES = {"total", "used", "free", "size", "bytes", "max_bytes", "mem_bytes", "mem_rss"}
OUTER = {"hostname", "changed"}
"""Members of a result that the first columns show."""


def table(name: str, returns: Any, *, wide: bool = False) -> Table:
    """The table of a declaration's results; a wide one has every field."""
    known = TABLES.get(name)
    if known is None:
        return derive(returns)
    if not wide:
        return known
    shown = {column.path for column in known.columns}
    every = derive(returns, split=known.rows is not None).columns
    return attrs.evolve(known, columns=known.columns + tuple(new for new in every if new.path not in shown))


def derive(returns: Any, *, split: bool = True) -> Table:
    """The table of a type: what is nested lies flat, and each thing of a list gets a row, if it is `split`."""
    if returns is None or returns is type(None):
        return Table(())
    fields = _fields(inspect.type_info(returns))
    for field in fields if split else ():
        if inner := _items(field):
            return Table(tuple(_columns(inner, "")), rows=field.encode_name)
    return Table(tuple(_columns([field for field in fields if field.name not in OUTER], "")))


def _fields(kind: inspect.Type) -> tuple[inspect.Field, ...]:
    return kind.fields if isinstance(kind, inspect.DataclassType | inspect.StructType) else ()


def _items(field: inspect.Field) -> tuple[inspect.Field, ...]:
    """The fields of the things that a list holds."""
    kind = bare(field.type)
    return _fields(bare(kind.item_type)) if isinstance(kind, inspect.ListType) else ()


def _is_open(kind: inspect.Type) -> bool:
    """Whether anything may be in it, and so as much as would break a table."""
    return isinstance(kind, inspect.AnyType) or (
        isinstance(kind, inspect.DictType) and isinstance(bare(kind.value_type), inspect.AnyType)
    )


def _columns(fields: Iterable[inspect.Field], path: str) -> Iterator[Column]:
    for field in fields:
        kind, name = bare(field.type), field.encode_name
        if inner := _fields(kind):
            yield from _columns(inner, f"{path}{name}.")
        elif not _items(field) and not _is_open(kind):
            yield Column(name.upper().replace("_", " "), f"{path}{name}", _show(name, kind))


def _show(name: str, kind: inspect.Type) -> Show:
    if isinstance(kind, inspect.DateTimeType):
        return formats.moment
    if name.endswith("percent"):
        return formats.percent
    return formats.size if name in SIZES else formats.text
