"""Making a backup: from a broker to a file."""

from collections.abc import Callable, Iterable
from pathlib import Path

import trio

from osapi import __version__
from osapi.backup.archive import Manifest, Part, Writer
from osapi.backup.contents import FOLDER, streams
from osapi.bus import Bus
from osapi.bus.layout import Specs
from osapi.errors import Unavailable
from osapi.jobs import now

Told = Callable[[str, int], object]
"""Hears of the part that is worked at, and how many bytes of it are done."""


async def take(
    bus: Bus,
    specs: Specs,
    path: Path,
    *,
    keys: Iterable[tuple[str, bytes]] = (),
    passphrase: str | None = None,
    told: Told,
) -> Manifest:
    """Write a backup to a file, which must not be there; sealed where there is a passphrase.

    Nothing is left of a backup that fails. Who uses the broker meanwhile notices nothing.
    """
    present = [name for name in streams(specs) if await bus.streams.find(name) is not None]
    if not present:
        raise Unavailable(
            "the broker has nothing of this installation: no controller has been started with it"
        )
    made = now()
    with await trio.to_thread.run_sync(Writer, path, passphrase) as writer:
        parts = [await _copy(bus, writer, name, told) for name in present]
        parts += [writer.add(name, data) for name, data in keys]
        manifest = Manifest(made=made, version=__version__, parts=parts)
        await trio.to_thread.run_sync(writer.finish, manifest)
    return manifest


async def _copy(bus: Bus, writer: Writer, name: str, told: Told) -> Part:
    done = 0
    async with bus.streams.take(name) as snapshot:
        writer.begin(f"{FOLDER}{name}")
        async for piece in snapshot.pieces:
            await trio.to_thread.run_sync(writer.write, piece)
            done += len(piece)
            told(name, done)
        held = snapshot.held
        return writer.end(config=dict(held.config), state=dict(held.state))
