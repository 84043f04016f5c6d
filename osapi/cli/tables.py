"""The table of a declaration's results: the one that is named for it, or what is read off their type."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

import attrs
from msgspec import inspect

from osapi.cli import alerting, formats
from osapi.cli.columns import TABLES, Column, Show, Table
from osapi.cli.commands import bare
from osapi.wire import is_list

RESULTS = {
    "FileChanged": Table((Column("PATH", "path"), Column("BACKUP", "backup"))),
    "DockerChanged": Table((Column("MESSAGE", "message"),)),
}
"""Those of all declarations with that result."""

SIZES = {"total", "used", "free", "size", "bytes", "max_bytes", "mem_bytes", "mem_rss"}
OUTER = {"hostname", "changed"}
"""Members of a result that the first columns show."""


def table(name: str, returns: Any, *, wide: bool = False) -> Table:
    """The table of a declaration's results; a wide one has every field.

    A result that is a list is one as `wire.gathered` has it.
    """
    if is_list(returns):
        return attrs.evolve(_table(name, *get_args(returns), wide=wide, split=False), rows="entries")
    return _table(name, returns, wide=wide, split=True)


def _table(name: str, returns: Any, *, wide: bool, split: bool) -> Table:
    known = TABLES.get(name) or alerting.TABLES.get(name) or RESULTS.get(getattr(returns, "__name__", ""))
    if known is None:
        return derive(returns, split=split)
    if not wide:
        return known
    shown = {column.path for column in known.columns}
    every = derive(returns, split=known.rows is not None).columns
    columns = known.columns + tuple(new for new in every if new.path not in shown)
    return attrs.evolve(known, columns=tuple(map(unabridged, columns)))


def unabridged(column: Column) -> Column:
    """The same, with digests in full."""
    return attrs.evolve(column, show=formats.text) if column.show is formats.digest else column


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
    if name == "sha256":
        return formats.digest
    return formats.size if name in SIZES else formats.text
