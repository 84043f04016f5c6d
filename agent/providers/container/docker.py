"""Containers of Docker, through the Engine's API."""

import json
from typing import Any

from agent import docker_objects
from agent.commands import Finished
from agent.dispatch import performs
from agent.docker import Engine
from agent.host import Host
from osapi.errors import Conflict, NotFound
from osapi.operations.container import docker

STATES = {
    "running": ["running", "paused", "restarting"],
    "stopped": ["created", "exited", "dead", "removing"],
    "all": [],
}
"""Which states of the Engine a user means; none are all."""


@performs(docker.List)
async def list(host: Host, p: docker.List) -> docker.DockerContainers:
    filters = json.dumps({"status": STATES[p.state]} if STATES[p.state] else {})
    async with host.docker() as engine:
        found = await engine.call("GET", "/containers/json", query={"all": 1, "filters": filters})
    return docker.DockerContainers(
        containers=[docker_objects.summary(one) for one in found[: p.limit or None]]
    )


@performs(docker.Inspect)
async def inspect(host: Host, p: docker.Inspect) -> docker.DockerDetail:
    async with host.docker() as engine:
        return docker_objects.detail(await engine.container(p.id))


@performs(docker.Logs)
async def logs(host: Host, p: docker.Logs) -> docker.DockerLog:
    async with host.docker() as engine:
        found = await engine.logs(p.id, p.lines)
    lines = found.end()
    return docker.DockerLog(
        entries=[docker.DockerLogEntry(stream=stream, message=line) for stream, line in lines],
        omitted=found.omitted or None,
    )


@performs(docker.Create)
async def create(host: Host, p: docker.Create) -> docker.DockerCreated:
    for mount in map(docker_objects.Mount.parse, p.volumes or ()):
        if mount.type == "bind":
            await host.allowed(mount.source, tree=True)
    async with host.docker() as engine:
        image = await engine.image(p.image)
        if image is None:
            pull = f"osapi client node container docker pull --image {p.image}"
            raise NotFound(f"there is no image {p.image}; `{pull}` fetches it")
        found = await existing(engine, p.name)
        if found is None:
            return await host.act(
                docker_objects.argv(p),
                lambda: make(engine, p),
                docker.DockerCreated(name=p.name, image=p.image),
            )
        if differs := docker_objects.differences(p, image, found):
            raise Conflict(
                f"there is a container {p.name} that differs in {', '.join(differs)}; remove it first, or take "
                "another name"
            )
        changed = p.auto_start and await run(host, engine, str(p.name), found)
        return there(p, await engine.container(found["Id"]), changed=changed)


@performs(docker.Start)
async def start(host: Host, p: docker.Start) -> docker.DockerChanged:
    async with host.docker() as engine:
        changed = await run(host, engine, p.id, await engine.container(p.id))
    return docker.DockerChanged(
        id=p.id, changed=changed, message="it is started" if changed else "it runs already"
    )


@performs(docker.Stop)
async def stop(host: Host, p: docker.Stop) -> docker.DockerChanged:
    async with host.docker() as engine:
        if not (await engine.container(p.id))["State"]["Running"]:
            return docker.DockerChanged(id=p.id, changed=False, message="it does not run")
        await host.act(
            ("docker", "stop", "--time", str(p.timeout), p.id),
            lambda: engine.call("POST", f"/containers/{p.id}/stop", query={"t": p.timeout}, wait=p.timeout),
            None,
        )
    return docker.DockerChanged(id=p.id, message="it is stopped")


@performs(docker.Remove)
async def remove(host: Host, p: docker.Remove) -> docker.DockerChanged:
    async with host.docker() as engine:
        found = await existing(engine, p.id)
        if found is None:
            return docker.DockerChanged(id=p.id, changed=False, message="there is none")
        if found["State"]["Running"] and not p.force:
            raise Conflict(f"container {p.id} is running; stop it first, or use force")
        await host.act(
            ("docker", "rm", *(["--force"] if p.force else []), p.id),
            lambda: engine.call("DELETE", f"/containers/{p.id}", query={"force": int(p.force)}),
            None,
        )
    return docker.DockerChanged(id=p.id, message="it is removed")


@performs(docker.Exec)
async def exec(host: Host, p: docker.Exec) -> docker.DockerExecuted:
    async with host.docker() as engine:
        if not (await engine.container(p.id))["State"]["Running"]:
            raise Conflict(f"container {p.id} is not running; start it first")
        names = [word for each in p.env or () for word in ("--env", each.partition("=")[0])]
        folder = ["--workdir", p.working_dir] if p.working_dir else []
        done = await host.act(
            ("docker", "exec", *names, *folder, p.id, *p.command),
            lambda: engine.execute(p.id, p.command, env=p.env or (), folder=p.working_dir, timeout=p.timeout),
            Finished(),
        )
    return docker.DockerExecuted(stdout=done.stdout, stderr=done.stderr, exit_code=done.exit_code)


async def existing(engine: Engine, id: str | None) -> dict[str, Any] | None:
    """A container; None where there is none."""
    try:
        return await engine.container(id) if id else None
    except NotFound:
        return None


async def run(host: Host, engine: Engine, id: str, found: dict[str, Any]) -> bool:
    """See that a container runs; whether it did not."""
    if found["State"]["Running"]:
        return False
    await host.act(
        ("docker", "start", id), lambda: engine.call("POST", f"/containers/{found['Id']}/start"), None
    )
    return True


async def make(engine: Engine, p: docker.Create) -> docker.DockerCreated:
    id = await engine.make(p.name, docker_objects.body(p), start=p.auto_start)
    return there(p, await engine.container(id), changed=True)


def there(p: docker.Create, found: dict[str, Any], *, changed: bool) -> docker.DockerCreated:
    return docker.DockerCreated(
        changed=changed,
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        image=p.image,
        state=found["State"]["Status"],
        created=found["Created"],
    )
