"""Objects of the object store onto the disk of a host: for files, and for every domain that has some of its own."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

import attrs

from agent.files import Attributes
from agent.host import Host
from agent.templates import Context, render
from agent.validate import check_of, validate
from agent.versions import keep
from osapi import wire
from osapi.bus import ObjectInfo
from osapi.calls.file import CONTENT_TYPE
from osapi.deployments import Deployment
from osapi.errors import BadInput, Conflict, Error, TooLarge
from osapi.jobs import now
from osapi.operations.file import Deployed

LARGEST = 4 * 1024 * 1024
"""Bytes of an object that is rendered, or checked by a program; any other may have any size."""

TRIES = 3
"""How often an object is begun that is replaced again while it is read."""


@attrs.frozen(kw_only=True)
class Wanted:
    """What shall lie at a path; an object of the object store, as it is or rendered.

    Without `content_type` it is as it was uploaded. Mode (octal), owner and group (names or numbers) are kept where
    they are not given; a new file is 0644 and the agent's. `vars` are for the template, `metadata` for the
    record. `validate` is a program that checks the content first (see `agent.validate`); for some paths there is
    one anyway. `check` raises what else there is to be said against it.
    """

    object_name: str
    path: str
    content_type: str | None = None
    mode: str | None = None
    owner: str | None = None
    group: str | None = None
    vars: Mapping[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    validate: Sequence[str] | None = None
    check: Callable[[bytes], Awaitable[object]] | None = None


async def deploy(host: Host, wanted: Wanted) -> Deployed:
    """Have it on the disk and on record; what differs there is put right, and the version before kept for `undo`.

    The caller has asked `host.allowed`. Raises `NotFound` where there is no such object, user or group,
    `Conflict` where something else than a file lies there, `Refused` where a check objects; nothing is changed then.
    """
    for _ in range(TRIES):
        source = await host.store.object(wanted.object_name)
        try:
            async with host.turns.at(wanted.path):
                return await _deploy(host, wanted, source)
        except Error:
            if (await host.store.object(wanted.object_name)).revision == source.revision:
                raise
    raise Conflict(f"the object {wanted.object_name} is replaced again and again while it is read")


async def undeploy(host: Host, path: str) -> bool:
    """Remove what was deployed at a path, and note that on record; True if it was there.

    Also what somebody has edited since: it is kept for `undo` as it is. Of a link, the link goes, and what it leads
    to stays. `Conflict` where what lies there was not deployed.
    """
    async with host.turns.at(path):
        return await _undeploy(host, path)


async def differences(host: Host, deployment: Deployment) -> list[str]:
    """How a regular file, if there is one, differs from what is deployed: content, mode, owner, group.

    Mode, owner and group only where they were given.
    """
    found = await host.stat(deployment.path)
    if found is None:
        return ["content"]
    same = {
        "content": await host.digest(deployment.path) == deployment.sha256,
        "mode": deployment.mode is None or int(deployment.mode, 8) == found.mode,
        "owner": deployment.owner in {None, str(found.uid), await host.user_name(found.uid)},
        "group": deployment.group in {None, str(found.gid), await host.group_name(found.gid)},
    }
    return [name for name, is_same in same.items() if not is_same]


async def _deploy(host: Host, wanted: Wanted, source: ObjectInfo) -> Deployed:
    content_type = wanted.content_type or source.headers.get(CONTENT_TYPE) or "raw"
    attributes = await _attributes(host, wanted)
    content = await _content(host, wanted, source, content_type)
    deployment = Deployment(
        object_name=wanted.object_name,
        path=wanted.path,
        sha256=source.sha256 if content is None else sha256(content).hexdigest(),
        source_sha256=source.sha256,
        content_type=content_type,
        deployed_at=now(),
        mode=None if attributes.mode is None else f"{attributes.mode:04o}",
        owner=wanted.owner,
        group=wanted.group,
        metadata=wanted.metadata,
    )
    before = await host.store.deployment(wanted.path)
    await _check_place(host, wanted.path)
    if await host.link(wanted.path) and await host.stat(wanted.path) is None:
        raise Conflict(f"{wanted.path} is a link to where nothing is; delete it, or make what it leads to")
    differs = await differences(host, deployment)
    if differs:
        if "content" in differs and content is not None:
            await validate(host, wanted.path, content, wanted.validate)
            if wanted.check:
                await wanted.check(content)
        async with keep(host, wanted.path):
            await _put(host, deployment, source, content, attributes)
    if differs or before is None or attrs.evolve(before, deployed_at=deployment.deployed_at) != deployment:
        await host.remember(deployment)
    return Deployed(path=wanted.path, sha256=deployment.sha256, changed=bool(differs))


async def _undeploy(host: Host, path: str) -> bool:
    record, found = await host.store.deployment(path), await host.stat(path, follow=False)
    if record is None or not record.present:
        if found:
            raise Conflict(
                f"{path} was not deployed by OSAPI; delete it with `osapi client node file delete`"
            )
        return False
    if found:
        await _check_place(host, path)
        async with keep(host, path):
            await host.remove(path)
    await host.remember(attrs.evolve(record, undeployed_at=now()))
    return found is not None


async def _attributes(host: Host, wanted: Wanted) -> Attributes:
    return Attributes(
        mode=None if wanted.mode is None else int(wanted.mode, 8),
        uid=None if wanted.owner is None else await host.user_id(wanted.owner),
        gid=None if wanted.group is None else await host.group_id(wanted.group),
    )


async def _content(host: Host, wanted: Wanted, source: ObjectInfo, content_type: str) -> bytes | None:
    """What is to be on the disk, where it must be in memory for that: rendered, or to be checked by a program."""
    match content_type:
        case "template":
            facts: dict[str, Any] = wire.plain(host.facts)
            context = Context(hostname=host.hostname, facts=facts, vars=dict(wanted.vars or {}))
            return await render(await _fetch(host, source), context, name=source.name)
        case "raw":
            is_checked = wanted.check or check_of(wanted.path, wanted.validate)
            return await _fetch(host, source) if is_checked else None
    raise BadInput(f"content type {content_type} of {source.name}: expected raw or template", "content_type")


async def _fetch(host: Host, source: ObjectInfo) -> bytes:
    if source.size > LARGEST:
        raise TooLarge(
            f"the object {source.name} has {source.size} bytes; {LARGEST} may be rendered or checked at most"
        )
    async with host.store.read_object(source) as pieces:
        return b"".join([piece async for piece in pieces])


async def _check_place(host: Host, path: str) -> None:
    """`Conflict` where something lies there that is no file."""
    found = await host.stat(path)
    if found and found.kind != "file":
        what = "folder" if found.kind == "folder" else "device, pipe or socket"
        raise Conflict(f"{path} is a {what}, and not a file that could be deployed")


async def _put(
    host: Host, deployment: Deployment, source: ObjectInfo, content: bytes | None, attributes: Attributes
) -> None:
    """Write it, in one step; an object that need not be in memory as it comes."""
    if content is not None:
        await host.replace(deployment.path, content, attributes)
        return
    read = partial(host.store.read_object, source)
    await host.receive(deployment.path, read, source.sha256, attributes, size=source.size)
