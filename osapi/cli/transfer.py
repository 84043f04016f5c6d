"""Files to and from a controller; on a terminal, standard error tells how far it is."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from osapi import wire
from osapi.calls import blob, file
from osapi.cli import formats
from osapi.cli.ask import show
from osapi.cli.session import Session
from osapi.client import Client
from osapi.errors import BadInput, Error
from osapi.multipart import Told
from osapi.operation import Declaration
from osapi.transfers import Source, download, silent, upload, upload_blob, upload_file

STANDARD = "-"
"""Stands for standard input or output."""

TICK = 0.1
"""Seconds between two looks at the bar."""


async def transfer(asked: Declaration[Any], given: Mapping[str, Any], said: Session) -> int:
    """Upload the file that `source` is among what is given, or download one to `target`."""
    move = _upload if asked.spec.uploads else _download
    try:
        async with said.client() as osapi:
            return await move(osapi, asked, given, said)
    except BrokenPipeError:
        raise
    except OSError as error:
        named = given.get("source") or given.get("target") or error.filename
        raise Error(f"{named}: {error.strerror or error}") from error


async def _upload(osapi: Client, asked: Any, given: Mapping[str, Any], said: Session) -> int:
    path = given["source"]
    source: Source = FileIO(sys.stdin.fileno(), closefd=False) if path == STANDARD else path
    with progress("Uploading") as told:
        found: Any
        if isinstance(asked, file.Upload):
            found = await upload_file(
                osapi, asked.name, source, asked.content_type, force=asked.force, told=told
            )
        elif isinstance(asked, blob.Upload):
            found = await upload_blob(
                osapi, source, filename=asked.filename, mime_type=asked.mime_type, told=told
            )
        else:
            found = await upload(osapi, asked, source, told=told)
    show(asked, wire.encode(wire.plain(found)), said)
    return 0


async def _download(osapi: Client, asked: Any, given: Mapping[str, Any], said: Session) -> int:
    if given["target"] == STANDARD:
        with progress("Downloading", shown=not sys.stdout.isatty()) as told:
            await download(osapi, asked, sys.stdout.buffer, told=told)
        return 0
    path = _place(given["target"], asked)
    with progress("Downloading") as told:
        found = await download(osapi, asked, path, force=given["force"], told=told)
    show(asked, wire.encode({"path": str(path), **wire.plain(found)}), said)
    return 0


def _place(target: str | None, asked: Declaration[Any]) -> Path:
    """Where to write what is downloaded: in a folder under its own name, which is the last thing that names it."""
    own = Path(list(wire.given(asked).values())[-1]).name
    if target is not None and not Path(target).is_dir():
        return Path(target)
    if own in {"", ".."}:
        raise BadInput("--to: what is downloaded has no name for a file; say where to write it", "to")
    return Path(target or "", own)


@contextmanager
def progress(title: str, *, shown: bool = True) -> Iterator[Told]:
    """A bar on standard error, where that is a terminal, until all is done."""
    if not shown or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(f"  {title}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
    task, due = bar.add_task(title, total=None, amount=""), 0.0

    def told(done: int, total: int) -> None:
        nonlocal due
        bar.update(task, completed=done, total=total or None)
        if done == total or time.monotonic() >= due:
            bar.update(task, amount=_amount(done, total, bar.tasks[task].speed))
            bar.start()
            bar.refresh()
            due = time.monotonic() + TICK

    try:
        yield told
    finally:
        bar.live.stop()


def _amount(done: int, total: int, speed: float | None) -> str:
    amount = f"{formats.size(done)} of {formats.size(total)}" if total else formats.size(done)
    return f"{amount}, {formats.size(speed)}/s" if speed else amount
