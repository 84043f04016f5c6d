"""Images of Docker, through the Engine's API."""

from typing import Any

from agent.dispatch import performs
from agent.docker import Engine
from agent.docker_objects import Reference, moment
from agent.host import Host
from osapi.errors import Conflict, NotFound
from osapi.operations.container import docker


@performs(docker.Images)
async def images(host: Host, _: docker.Images) -> docker.DockerImages:
    async with host.docker() as engine:
        found = await engine.call("GET", "/images/json")
    return docker.DockerImages(
        images=[
            docker.DockerImage(
                id=one["Id"],
                tags=[tag for tag in one["RepoTags"] or () if tag != "<none>:<none>"],
                size=one["Size"],
                created=moment(one["Created"]),
            )
            for one in found
        ]
    )


@performs(docker.Pull)
async def pull(host: Host, p: docker.Pull) -> docker.DockerPulled:
    image = Reference.parse(p.image)
    async with host.docker() as engine:
        before = await engine.image(p.image)
        if before and await is_current(engine, p.image, image, before):
            return pulled(image, before, changed=False)
        return await host.act(
            ("docker", "pull", p.image),
            lambda: fetch(engine, p.image, image, before),
            docker.DockerPulled(tag=image.version),
        )


@performs(docker.ImageRemove)
async def image_remove(host: Host, p: docker.ImageRemove) -> docker.DockerChanged:
    async with host.docker() as engine:
        found = await engine.image(p.image)
        if found is None:
            return docker.DockerChanged(id=p.image, changed=False, message="there is none")
        if not p.force and len(found["RepoTags"] or ()) < 2:
            await check_unused(engine, p.image, found["Id"])
        await host.act(
            ("docker", "rmi", *(["--force"] if p.force else []), p.image),
            lambda: engine.call("DELETE", f"/images/{p.image}", query={"force": int(p.force)}),
            None,
        )
    return docker.DockerChanged(id=p.image, message="it is removed")


async def is_current(engine: Engine, name: str, image: Reference, found: dict[str, Any]) -> bool:
    """Whether an image is what its registry has; where that does not tell, it may not be."""
    digest = image.digest or await engine.digest(name)
    return digest is not None and any(one.endswith(f"@{digest}") for one in found["RepoDigests"] or ())


async def fetch(
    engine: Engine, name: str, image: Reference, before: dict[str, Any] | None
) -> docker.DockerPulled:
    await engine.pull(image)
    after = await engine.image(name)
    if after is None:
        raise NotFound(f"image {name} was fetched, and is gone again")
    return pulled(image, after, changed=before is None or before["Id"] != after["Id"])


def pulled(image: Reference, found: dict[str, Any], *, changed: bool) -> docker.DockerPulled:
    return docker.DockerPulled(
        image_id=found["Id"], tag=image.version, size=found.get("Size"), changed=changed
    )


async def check_unused(engine: Engine, name: str, id: str) -> None:
    """`Conflict` where a container needs an image."""
    users = [
        each["Names"][0].lstrip("/") if each["Names"] else each["Id"][:12]
        for each in await engine.call("GET", "/containers/json", query={"all": 1})
        if each["ImageID"] == id
    ]
    if users:
        raise Conflict(f"image {name} is needed by container {', '.join(users)}; remove that first")
