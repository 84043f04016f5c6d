"""Files in the object store: listed, uploaded, downloaded and deleted; which deployments are behind them."""

from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from hashlib import sha256

from quart import Response

from controller import uploads
from controller.access import Caller
from controller.context import Context, answers
from osapi.bus import ObjectDraft, ObjectInfo, Objects, Stale, layout
from osapi.calls import file
from osapi.errors import BadInput, Conflict, NoSpace, NotAllowed, NotFound

RAW = "raw"


@answers(file.List)
async def list_files(context: Context, _call: file.List, _caller: Caller) -> file.FileList:
    found = [info(each) for each in await stored(context)]
    return file.FileList(files=found, total=len(found))


async def stored(context: Context) -> list[ObjectInfo]:
    """All objects that are files, sorted by name."""
    return [each for each in await context.buckets.objects.list() if not layout.job_of_result(each.name)]


def info(found: ObjectInfo) -> file.FileInfo:
    return file.FileInfo(
        name=found.name,
        sha256=found.sha256,
        size=found.size,
        content_type=found.headers.get(file.CONTENT_TYPE, ""),
        source="osapi" if found.name.startswith(file.RESERVED) else "user",
    )


@answers(file.Upload)
async def upload(context: Context, call: file.Upload, _caller: Caller) -> file.FileUploaded:
    theirs(call.name)
    try:
        return await store(context, call, uploads.incoming())
    except NoSpace as error:
        raise NoSpace(f"{error}; delete files, or raise nats.objects.max_bytes") from None


def theirs(name: str) -> None:
    """Refuse what is not the users' to change."""
    if name.startswith(file.RESERVED):
        raise NotAllowed(f"{name}: files under {file.RESERVED} are OSAPI's own; choose another name")


async def store(context: Context, call: file.Upload, pieces: AsyncIterator[bytes]) -> file.FileUploaded:
    """Put a file into the object store, unless it is there; `Conflict` where other content is, without force."""
    digest, size = sha256(), 0
    async with context.buckets.objects.draft() as draft:
        async for piece in pieces:
            digest.update(piece)
            size += len(piece)
            await draft.write(piece)
        if not size:
            raise BadInput(f"{uploads.FILE}: empty; a file needs at least one byte", uploads.FILE)
        changed = await place(context.buckets.objects, draft, digest.hexdigest(), call)
    return file.FileUploaded(
        name=call.name,
        sha256=digest.hexdigest(),
        size=size,
        changed=changed,
        content_type=call.content_type,
    )


async def place(objects: Objects, draft: ObjectDraft, digest: str, call: file.Upload) -> bool:
    """Give a draft its name, unless that file is there; whether anything was changed."""
    headers = {file.CONTENT_TYPE: call.content_type}
    if call.force:
        await draft.commit(call.name, headers=headers)
        return True
    while differs(there := await objects.describe(call.name), digest, call):
        with suppress(Stale):  # somebody else was quicker: look at what is there now
            await draft.commit(call.name, headers=headers, revision=there.revision if there else 0)
            return True
    return False


def differs(there: ObjectInfo | None, digest: str, call: file.Upload) -> bool:
    """Whether a file is not stored yet, as what it is; `Conflict` where other content is."""
    if there is None:
        return True
    if there.sha256 != digest:
        raise Conflict(
            f"{call.name} is in the object store with other content: SHA-256 {there.sha256}, not {digest}; "
            "upload it with force=true to replace it"
        )
    return there.headers.get(file.CONTENT_TYPE, RAW) != call.content_type


@answers(file.Stale)
async def stale(context: Context, _call: file.Stale, _caller: Caller) -> file.StaleDeployments:
    current = {each.name: each.sha256 for each in await stored(context)}

    def hostname(machine_id: str) -> str:
        host = context.hosts.by_id.get(machine_id)
        return host.hostname if host else machine_id

    found = context.deployments.stale(current, hostname)
    return file.StaleDeployments(stale=found, total=len(found))


@answers(file.Get)
async def get(context: Context, call: file.Get, _caller: Caller) -> file.FileInfo:
    return info(await find(context, call.name))


async def find(context: Context, name: str) -> ObjectInfo:
    """What is known of a file; `NotFound` where there is none."""
    found = None if layout.job_of_result(name) else await context.buckets.objects.describe(name)
    if found is None:
        raise NotFound(
            f"no file {name!r} is in the object store; `osapi client file list` shows those that are"
        )
    return found


@answers(file.Download)
async def download(context: Context, call: file.Download, _caller: Caller) -> Response:
    found = await find(context, call.name)
    return uploads.download(
        nullcontext(context.buckets.objects.read(found)),
        size=found.size,
        sha256=found.sha256,
        filename=call.name.rpartition("/")[2] or call.name,
    )


@answers(file.DeleteObject)
async def delete(context: Context, call: file.DeleteObject, _caller: Caller) -> file.FileDeleted:
    theirs(call.name)
    await find(context, call.name)
    await context.buckets.objects.delete(call.name)
    return file.FileDeleted(name=call.name, deleted=True)
