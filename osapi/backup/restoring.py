"""Bringing back a backup: from a file to a broker that has nothing of the installation, and that nobody uses."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path

import attrs
import trio

from osapi.backup import contents, keys
from osapi.backup.archive import Archive, Part
from osapi.backup.keys import Keyring
from osapi.backup.taking import Told, take
from osapi.bus import BucketSpec, Bus, CaughtUp, Held, LogSpec, buckets
from osapi.bus.layout import Specs
from osapi.errors import BadInput, ConfigError, Conflict, Error

QUIET = "They must be stopped, or they would write to what is being restored"


@attrs.frozen(kw_only=True)
class Plan:
    """What a restore does: the streams it makes, those it removes first, and the keys it writes."""

    parts: list[Part]
    removed: list[Held]
    keys: Mapping[str, bytes]
    replaced: list[Path]
    """Keys that are there and differ."""


async def plan(bus: Bus, specs: Specs, archive: Archive, keyring: Keyring, told: Told) -> Plan:
    """Read all of a backup and look at what is there; nothing is changed.

    `Damaged` where the backup is not as it was written, `ConfigError` where it is of another configuration,
    `Conflict` where controllers or agents are there.
    """
    await trio.to_thread.run_sync(_verify, archive, told)
    parts = [part for part in archive.manifest.parts if part.name.startswith(contents.FOLDER)]
    named = contents.streams(specs)
    if strange := [stream(part) for part in parts if stream(part) not in named]:
        raise ConfigError(
            f"{archive.path}: {', '.join(strange)} is in it, and this configuration has no such stream; "
            "restore with the names of buckets and the namespace that it was made with"
        )
    await _alone(bus, specs)
    found = [held for name in named if (held := await bus.streams.find(name)) is not None]
    secret = {
        part.name: b"".join(archive.pieces(part.name))
        for part in archive.manifest.parts
        if part.name.startswith(keys.FOLDER)
    }
    return Plan(parts=parts, removed=found, keys=secret, replaced=keyring.differing(secret))


async def restore(
    bus: Bus,
    specs: Specs,
    archive: Archive,
    keyring: Keyring,
    plan: Plan,
    *,
    saved: Path | None,
    passphrase: str | None = None,
    told: Told,
) -> None:
    """Carry out a plan.

    What is there goes only where it is `saved` to a file first (sealed with a `passphrase`); without, `Conflict`
    where anything is there. Where something fails, the streams that were made are removed again.
    """
    if saved is None:
        refuse(plan)
    elif plan.removed:
        await take(bus, specs, saved, passphrase=passphrase, told=told)
    for held in plan.removed:
        await bus.streams.remove(held.name)
    named, made = contents.streams(specs), []
    try:
        for part in plan.parts:
            made.append(stream(part))
            held = _held(part, named[stream(part)])
            await bus.streams.put_back(held, _Pieces(archive, part.name, told))
        await trio.to_thread.run_sync(keyring.write, plan.keys)
    except BaseException as error:
        await _undo(bus, made)
        if saved is not None and plan.removed and isinstance(error, Error | OSError):
            raise Error(f"{error}; nothing was restored, and what was there is in {saved}") from error
        raise


def refuse(plan: Plan) -> None:
    """`Conflict` where something is there that would be lost."""
    if full := [held for held in plan.removed if held.messages]:
        raise Conflict(
            f"the broker has {sum(held.messages for held in full)} entries of an installation, in "
            f"{', '.join(held.name for held in full)}; --force saves them to a file and puts the backup in their place"
        )
    if plan.replaced:
        raise Conflict(
            f"{', '.join(map(str, plan.replaced))}: another key than that of the backup; "
            "--force puts that in its place"
        )


def stream(part: Part) -> str:
    """The name of the stream that a part is of."""
    return part.name.removeprefix(contents.FOLDER)


async def _alone(bus: Bus, specs: Specs) -> None:
    """`Conflict` where a controller or an agent beats."""
    if await bus.streams.find(str(buckets.stream_config(specs.registry)["name"])) is None:
        return
    there, registry = [], await bus.bucket(specs.registry)
    async with registry.watch() as entries:
        async for entry in entries:
            if isinstance(entry, CaughtUp):
                break
            if entry.value is not None and not entry.key.startswith("nats."):
                there.append(entry.key)
    if there:
        raise Conflict(
            f"{', '.join(sorted(there)[:5])}{' and others' if len(there) > 5 else ''}: still there. {QUIET}; one that "
            f"was killed is gone {specs.registry.ttl:g} s later"
        )


def _held(part: Part, spec: BucketSpec | LogSpec) -> Held:
    """A stream as it was, with as many replicas as the broker here is to have."""
    if part.config is None or part.state is None:
        raise BadInput(f"{part.name}: its manifest does not describe a stream", "file")
    return Held(name=stream(part), config=part.config | {"num_replicas": spec.replicas}, state=part.state)


def _verify(archive: Archive, told: Told) -> None:
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        trio.from_thread.check_cancelled()
        told("checking", done)

    archive.verify(count)


class _Pieces(AsyncIterator[bytes]):
    """A part of a backup, read in threads."""

    def __init__(self, archive: Archive, name: str, told: Told) -> None:
        self._pieces, self._name, self._told, self._done = archive.pieces(name), name, told, 0

    async def __anext__(self) -> bytes:
        piece = await trio.to_thread.run_sync(next, self._pieces, b"")
        if not piece:
            raise StopAsyncIteration
        self._done += len(piece)
        self._told(self._name.removeprefix(contents.FOLDER), self._done)
        return piece


async def _undo(bus: Bus, made: list[str]) -> None:
    """Remove what was made, as far as the broker can be reached."""
    with trio.move_on_after(10, shield=True), suppress(Error):
        for name in made:
            if await bus.streams.find(name) is not None:
                await bus.streams.remove(name)
