"""Files on hosts: read, written, edited, copied, deleted; `agent.providers.file_deploy` has the deployed ones."""

from base64 import b64encode
from contextlib import suppress
from functools import partial
from pathlib import PurePosixPath

import attrs

from agent.dispatch import performs
from agent.editing import edit
from agent.excerpt import Excerpt, is_text
from agent.files import KEPT, Attributes, Stat
from agent.host import MIB, Host
from agent.replacement import RIGHTS, Stream, put
from agent.versions import canonical, keep
from osapi.errors import BadInput, Conflict, NotFound, Refused
from osapi.operations import file

EDITABLE = 4 * MIB
"""Bytes of a file whose lines are edited; it is in memory then, and each line is searched on its own."""


@performs(file.Stat)
async def stat(host: Host, p: file.Stat) -> file.FileStat:
    """Without a checksum where the agent may not read the file."""
    await host.allowed(p.path)
    found = await existing(host, p.path, follow=p.follow)
    checksum = None
    if found.kind == "file":
        with suppress(Refused):  # the agent sees it, and may not read it
            checksum = await host.digest(p.path)
    return file.FileStat(
        path=p.path,
        type="directory" if found.kind == "folder" else found.kind,
        size=found.size,
        mode=f"{found.mode:04o}",
        owner=await host.user_name(found.uid),
        group=await host.group_name(found.gid),
        uid=found.uid,
        gid=found.gid,
        modified=found.moment,
        is_dir=found.kind == "folder",
        is_link=found.kind == "link",
        target=await host.link(p.path) if found.kind == "link" else None,
        checksum=checksum,
    )


@performs(file.Read)
async def read(host: Host, p: file.Read) -> file.FileContent:
    await host.allowed(p.path)
    found = await regular(host, p.path)
    if p.encoding == "base64":
        return await encoded(host, p, found)
    excerpt = Excerpt(p.path, found.size, p.offset, p.limit, MIB)
    async with host.pieces(p.path) as pieces:
        async for piece in pieces:
            excerpt.add(piece)
            if excerpt.more:
                break
    return file.FileContent(
        path=p.path,
        content=excerpt.text(),
        encoding="utf-8",
        size=found.size,
        binary=False,
        first=p.offset + 1,
        lines=excerpt.lines,
        more=excerpt.more,
    )


@performs(file.Write)
async def write(host: Host, p: file.Write) -> file.FileChanged:
    await host.allowed(p.path)
    match p.content, p.source_sha256:
        case str(content), None:
            source: bytes | Stream = content.encode()
        case None, str(sha256):
            blob = await host.store.blob(sha256)
            source = Stream(blob.sha256, blob.size, partial(host.store.read_blob, blob))
        case _:
            raise BadInput("content: either that or source_sha256 is needed, and not both", "content")
    wanted = await attributes(host, p)
    async with host.turns.at(canonical(p.path)):
        return await put(host, p.path, source, wanted, parents=p.parents, backup=p.backup)


@performs(file.EditLine)
async def edit_line(host: Host, p: file.EditLine) -> file.FileChanged:
    await host.allowed(p.path)
    async with host.turns.at(canonical(p.path)):
        return await edited(host, p)


async def edited(host: Host, p: file.EditLine) -> file.FileChanged:
    if (found := await host.stat(p.path)) and found.size > EDITABLE:
        raise Refused(f"{p.path} has {found.size} bytes; lines are edited in up to {EDITABLE}")
    before = await host.read_bytes(p.path)
    after = await host.in_thread(lambda: edit(before or b"", p), p.path)
    if before is None and p.state == "present" and not p.create:
        raise NotFound(f"there is no file {p.path}; with create, it is made")
    if before is None and not after:
        return file.FileChanged(path=p.path, changed=False)
    wanted = await attributes(host, p)
    return await put(host, p.path, after, wanted, backup=p.backup, over=before)


@performs(file.Permissions)
async def permissions(host: Host, p: file.Permissions) -> file.FileChanged:
    await host.allowed(p.path, tree=p.recursive)
    files = await attributes(host, p)
    folders = attrs.evolve(files, mode=int(p.directory_mode, 8)) if p.directory_mode else files
    if KEPT == files == folders:
        raise BadInput("mode: at least one of mode, directory_mode, owner and group is needed", "mode")
    if (top := await existing(host, p.path, follow=False)).kind == "link":
        raise Refused(f"{p.path} is a link to {await host.link(p.path)}; give the name of that")
    below = await host.walk(p.path) if p.recursive and top.kind == "folder" else []
    changed = False
    for name in (*reversed(below), p.path):  # a folder after what is in it, as it may be closed then
        found = await host.stat(name, follow=False)
        if found and found.kind != "link":
            changed |= await host.set_attributes(name, folders if found.kind == "folder" else files)
    return file.FileChanged(path=p.path, changed=changed)


@performs(file.Directory)
async def directory(host: Host, p: file.Directory) -> file.FileChanged:
    await host.allowed(p.path)
    for name in (p.path, *map(str, PurePosixPath(p.path).parents)):
        found = await host.stat(name)
        if found and found.kind != "folder":
            raise Conflict(f"{name} is there already, and is no folder")
    return file.FileChanged(path=p.path, changed=await host.make_folder(p.path, await attributes(host, p)))


@performs(file.Delete)
async def delete(host: Host, p: file.Delete) -> file.FileChanged:
    """A file is kept for `undo`; a link goes, and what it leads to stays."""
    await host.allowed(p.path, tree=p.recursive)
    found = await host.stat(p.path, follow=False)
    if found and found.kind == "folder":
        changed = await (host.remove_tree if p.recursive else host.remove_folder)(p.path)
        return file.FileChanged(path=p.path, changed=changed)
    if found and found.kind == "file":
        async with host.turns.at(canonical(p.path)), keep(host, p.path):
            return file.FileChanged(path=p.path, changed=await host.remove(p.path))
    return file.FileChanged(path=p.path, changed=await host.remove(p.path))


@performs(file.Copy)
async def copy(host: Host, p: file.Copy) -> file.FileChanged:
    await host.allowed(p.source)
    await host.allowed(p.destination)
    found = await regular(host, p.source)
    digest = await host.digest(p.source)
    source = Stream(digest or "", found.size, partial(host.pieces, p.source))
    wanted = await attributes(host, p)
    if wanted.mode is None and await host.stat(p.destination) is None:
        wanted = attrs.evolve(wanted, mode=found.mode & RIGHTS)
    async with host.turns.at(canonical(p.destination)):
        return await put(host, p.destination, source, wanted, parents=p.parents, backup=p.backup)


async def existing(host: Host, path: str, *, follow: bool = True) -> Stat:
    if found := await host.stat(path, follow=follow):
        return found
    raise NotFound(f"there is no {path}")


async def regular(host: Host, path: str) -> Stat:
    if (found := await existing(host, path)).kind == "file":
        return found
    raise Refused(f"{path} is no regular file, but a {found.kind}")


async def encoded(host: Host, p: file.Read, found: Stat) -> file.FileContent:
    """A whole file as base64."""
    if p.offset or p.limit is not None:
        raise BadInput("offset: lines are of text; as base64, a file is read as a whole", "offset")
    if found.size > MIB:
        raise Refused(f"{p.path} has {found.size} bytes, and an answer {MIB} at most")
    content = await host.read_bytes(p.path) or b""
    text, binary = b64encode(content).decode(), not is_text(content)
    return file.FileContent(path=p.path, content=text, encoding="base64", size=len(content), binary=binary)


async def attributes(
    host: Host, p: file.Write | file.EditLine | file.Permissions | file.Directory | file.Copy
) -> Attributes:
    """Mode and owner that are asked for; an empty text is nothing."""
    return Attributes(
        mode=int(p.mode, 8) if p.mode else None,
        uid=await host.user_id(p.owner) if p.owner else None,
        gid=await host.group_id(p.group) if p.group else None,
    )
