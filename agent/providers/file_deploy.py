"""Files that are deployed from the object store: put on the disk, compared, removed, and taken back."""

from agent import deploy, versions
from agent.deploy import Wanted
from agent.dispatch import performs
from agent.host import Host
from agent.versions import canonical
from osapi.operations import file
from osapi.results import Changed

PRIVILEGED = (
    ("visudo", "-c", "-f", "-"),
    ("sshd", "-t", "-f", "/dev/stdin"),
    ("nginx", "-t", "-c", "*"),
)
"""The checks of `agent.validate`."""


@performs(file.Deploy)
async def put(host: Host, p: file.Deploy) -> file.Deployed:
    await host.allowed(p.path)
    wanted = Wanted(
        object_name=p.object_name,
        path=canonical(p.path),
        content_type=p.content_type,
        mode=p.mode or None,
        owner=p.owner or None,
        group=p.group or None,
        vars=p.vars,
    )
    return await deploy.deploy(host, wanted)


@performs(file.Undeploy)
async def undeploy(host: Host, p: file.Undeploy) -> Changed:
    await host.allowed(p.path)
    return Changed(changed=await deploy.undeploy(host, canonical(p.path)))


@performs(file.Status)
async def status(host: Host, p: file.Status) -> file.FileStatus:
    await host.allowed(p.path)
    path = canonical(p.path)
    record, found = await host.store.deployment(path), await host.stat(path)
    if record is None or not record.present or found is None or found.kind != "file":
        return file.FileStatus(path=path, status="missing")
    differs = await deploy.differences(host, record)
    return file.FileStatus(
        path=path,
        status="drifted" if differs else "in-sync",
        sha256=await host.digest(path),
        differs=differs or None,
    )


@performs(file.Undo)
async def undo(host: Host, p: file.Undo) -> file.FileChanged:
    await host.allowed(p.path)
    path = canonical(p.path)
    changed = await versions.undo(host, path)
    return file.FileChanged(path=path, sha256=await host.digest(path), changed=changed)
