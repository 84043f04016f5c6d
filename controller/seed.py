"""OSAPI's own files: what lies in controller/objects, put into the object store under `osapi/`."""

from hashlib import sha256
from importlib.resources import files

import structlog
import trio

from osapi.bus import Objects, Stale
from osapi.calls.file import CONTENT_TYPE, RESERVED

TEMPLATE = ".tmpl"
"""How the name of a file ends that is rendered where it is deployed."""

log = structlog.get_logger()


async def seed(objects: Objects, task_status: trio.TaskStatus[None]) -> None:
    """Bring OSAPI's own files up to date; a store that takes none keeps nothing else from working."""
    task_status.started()
    for name, content in (await trio.to_thread.run_sync(shipped)).items():
        await bring(objects, name, content)


def shipped() -> dict[str, bytes]:
    """The contents of the files that come with this version, by their names in the object store."""
    folder = files("controller") / "objects"
    return {f"{RESERVED}{each.name}": each.read_bytes() for each in folder.iterdir()}


async def bring(objects: Objects, name: str, content: bytes) -> None:
    """Put a file into the object store, where it is not there or another is."""
    digest, kind = sha256(content).hexdigest(), "template" if name.endswith(TEMPLATE) else "raw"
    there = await objects.describe(name)
    if there and (there.sha256, there.headers.get(CONTENT_TYPE)) == (digest, kind):
        return
    async with objects.draft() as draft:
        await draft.write(content)
        try:
            await draft.commit(name, headers={CONTENT_TYPE: kind}, revision=there.revision if there else 0)
        except Stale:
            return  # another controller has done it meanwhile
    log.info("put a file of its own into the object store", name=name, sha256=digest)
