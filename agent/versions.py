"""The version before of each file that OSAPI has changed, in a folder that only the agent's user can read.

`<versions>/<SHA-256 of the path>/` holds `version.json`, and beside it the content under its own SHA-256. The content
is there before anything names it: an agent that is killed leaves the version it had kept, or the new one.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import PurePosixPath

import attrs
import trio

from agent.files import Attributes
from agent.host import Host
from agent.policy import components
from osapi import wire
from osapi.deployments import Deployment
from osapi.errors import Conflict, NotFound
from osapi.jobs import now
from osapi.results import Time

LARGEST = 16 * 1024 * 1024
"""Bytes of a file that is kept."""

DESCRIPTION = "version.json"
OWN_FOLDER, OWN_FILE = Attributes(mode=0o700), Attributes(mode=0o600)


@attrs.frozen(kw_only=True)
class Content:
    """A regular file as it was; `sha256` is None where it was too large to be kept."""

    size: int
    mode: int
    uid: int
    gid: int
    sha256: str | None = None


@attrs.frozen(kw_only=True)
class Version:
    """What lay at a path: a file or nothing, reached through a link or not; and what was on record of it."""

    path: str
    kept_at: Time
    content: Content | None = None
    link: str | None = None
    deployment: Deployment | None = None


def canonical(path: str) -> str:
    """A path without empty parts and dots, so that a file goes by one name here and on record."""
    return "/" + "/".join(components(path))


@asynccontextmanager
async def keep(host: Host, path: str) -> AsyncGenerator[None]:
    """Keep what lies at a path while it is changed, and if it was, in the place of what was kept of it.

    A file of more than 16 MiB is only noted, as what cannot be brought back. A dry run keeps nothing: it changes
    nothing either, and this is none of what it would do to the host.
    """
    version = await _present(host, canonical(path))
    if not host.dry:
        await _copy(host, version)
    yield
    if not host.dry:
        with trio.CancelScope(shield=True):
            await _note(host, version)


async def undo(host: Host, path: str) -> bool:
    """Have the version that was kept and the one that is there change places; True if they differ.

    Content, mode, owner and what is on record; or absence. `NotFound` where nothing was kept, `Conflict` where it
    was too large for that.
    """
    async with host.turns.at(canonical(path)):
        return await _undo(host, await _kept(host, canonical(path)))


async def _undo(host: Host, kept: Version) -> bool:
    if kept.content and kept.content.sha256 is None:
        raise Conflict(
            f"the version of {kept.path} before was not kept: it had {kept.content.size} bytes; at most {LARGEST} are"
        )
    present = await host.store.deployment(kept.path)
    async with keep(host, kept.path):
        changed = await _restore(host, kept)
    await _restore_record(host, kept, present)
    return changed


async def _present(host: Host, path: str) -> Version:
    """What is there now."""
    found = await host.stat(path)
    content = None
    if found and found.kind == "file":
        small = found.size <= LARGEST
        content = Content(
            size=found.size,
            mode=found.mode,
            uid=found.uid,
            gid=found.gid,
            sha256=await host.digest(path) if small else None,
        )
    elif found:
        raise Conflict(f"{path} is not a regular file")
    return Version(
        path=path,
        kept_at=now(),
        content=content,
        link=await host.link(path),
        deployment=await host.store.deployment(path),
    )


async def _kept(host: Host, path: str) -> Version:
    noted = await host.read_bytes(f"{_folder(host, path)}/{DESCRIPTION}")
    if noted is None:
        raise NotFound(f"no version of {path} was kept: OSAPI has not changed it on this host")
    return wire.decode(Version, noted)


async def _copy(host: Host, version: Version) -> None:
    """Put the content beside what is kept, under its own name."""
    folder = _folder(host, version.path)
    await host.make_folder(folder, OWN_FOLDER)
    if version.content and (digest := version.content.sha256):
        read = partial(host.pieces, version.path)
        await host.receive(f"{folder}/{digest}", read, digest, OWN_FILE, size=version.content.size)


async def _note(host: Host, version: Version) -> None:
    """Make it the version that is kept; the one before goes."""
    folder = _folder(host, version.path)
    await host.replace(f"{folder}/{DESCRIPTION}", wire.encode(wire.plain(version)), OWN_FILE)
    named = {DESCRIPTION, version.content.sha256 if version.content else None}
    for name in await host.walk(folder):
        if PurePosixPath(name).name not in named:
            await host.remove(name)


async def _restore(host: Host, kept: Version) -> bool:
    """Make the disk as it was, a link first, through which its file is written then."""
    path, linked = kept.path, await host.link(kept.path)
    changed = False
    if linked != kept.link:
        changed = await (host.symlink(path, kept.link) if kept.link else host.remove(path))
    if kept.content is None:
        return (kept.link is None and await host.remove(path)) or changed
    content, digest = kept.content, kept.content.sha256
    assert digest
    read = partial(host.pieces, f"{_folder(host, path)}/{digest}")
    wanted = Attributes(mode=content.mode, uid=content.uid, gid=content.gid)
    return await host.receive(path, read, digest, wanted, size=content.size) or changed


async def _restore_record(host: Host, kept: Version, held: Deployment | None) -> None:
    """Have on record what was; where nothing was, that it is undeployed."""
    wanted = kept.deployment
    if wanted is None and held and held.present:
        wanted = attrs.evolve(held, undeployed_at=now())
    if wanted and wanted != held:
        await host.remember(wanted)


def _folder(host: Host, path: str) -> str:
    return f"{host.versions}/{sha256(path.encode()).hexdigest()}"
