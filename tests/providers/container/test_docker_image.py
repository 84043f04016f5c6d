"""Images, on Engines that answer what real ones have answered."""

import pytest

from agent.docker_objects import Reference
from osapi.jobs import State
from osapi.operations.container import docker

IMAGE = "10.77.0.1:5000/lab/box:1"
LOOK = f"GET /images/{IMAGE}/json"
REGISTRY = f"GET /distribution/{IMAGE}/json"
PULL = "POST /images/create"
REMOVE = f"DELETE /images/{IMAGE}"


async def test_images_are_listed(ask, engine):
    engine.answers({"GET /images/json": "images"})

    performed = await ask(docker.Images)

    [found] = performed.result.images
    assert (found.id, found.tags) == (engine.described("image")["Id"], [IMAGE])
    assert found.size == engine.described("image")["Size"]


async def test_one_without_a_name_has_no_tags(ask, engine):
    engine.answers({"GET /images/json": "images"})
    engine.captured["images"]["body"][0]["RepoTags"] = None

    performed = await ask(docker.Images)

    assert performed.result.images[0].tags == []


async def test_one_is_fetched_that_is_not_there(ask, engine, told):
    engine.answers({LOOK: ["no image", "image"], PULL: "pull"})

    performed = await ask(docker.Pull, image=IMAGE)

    assert performed.changed
    assert performed.result.image_id == engine.described("image")["Id"]
    assert (performed.result.tag, performed.result.size) == ("1", engine.described("image")["Size"])
    assert engine.asked[1][2] == {"fromImage": "10.77.0.1:5000/lab/box", "tag": "1"}
    assert told[0] == ("stdout", "Pulling from lab/box\n")
    assert told[-1] == ("stdout", f"Status: Downloaded newer image for {IMAGE}\n")


async def test_one_that_is_what_the_registry_has_is_not_fetched(ask, engine):
    engine.answers({LOOK: "image", REGISTRY: "distribution"})

    performed, rehearsed = await ask(docker.Pull, image=IMAGE), await ask(docker.Pull, dry=True, image=IMAGE)

    assert (performed.changed, rehearsed.changed, engine.changes) == (False, False, [])
    assert rehearsed.plan.commands == []


async def test_one_is_fetched_when_the_registry_has_another(ask, engine):
    engine.answers({LOOK: "image", REGISTRY: "distribution", PULL: "pull again"})
    engine.captured["distribution"]["body"]["Descriptor"]["digest"] = "sha256:" + "0" * 64

    rehearsed = await ask(docker.Pull, dry=True, image=IMAGE)
    assert engine.changes == []
    performed = await ask(docker.Pull, image=IMAGE)

    assert (rehearsed.changed, rehearsed.plan.commands) == (True, [["docker", "pull", IMAGE]])
    assert engine.changes == [PULL]
    assert not performed.changed, "the id is what it was"


async def test_one_with_a_digest_is_never_asked_for_again(ask, engine):
    digest = engine.described("image")["RepoDigests"][0].partition("@")[2]
    engine.answers({f"GET /images/{IMAGE}@{digest}/json": "image"})

    performed = await ask(docker.Pull, image=f"{IMAGE}@{digest}")

    assert (performed.changed, len(engine.asked)) == (False, 1)


async def test_one_that_the_registry_tells_nothing_of_is_fetched_all_the_same(ask, engine):
    engine.answers({LOOK: "image", REGISTRY: "distribution unknown", PULL: "pull again"})

    performed = await ask(docker.Pull, image=IMAGE)

    assert (performed.state, performed.changed, engine.changes) == (State.COMPLETED, False, [PULL])


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ("pull unknown", "not_found", "manifest unknown"),
        ("pull away", "failed", "connection refused"),
        ("pull breaks", "failed", "verification failed"),
    ],
)
async def test_what_goes_wrong_is_an_error_also_in_the_middle(ask, engine, answer, code, words):
    engine.answers({LOOK: "no image", PULL: answer})

    performed = await ask(docker.Pull, image=IMAGE)

    assert (performed.state, performed.code) == (State.FAILED, code)
    assert words in performed.error


async def test_one_that_is_unknown_in_the_middle_is_not_found(ask, engine):
    engine.answers({LOOK: "no image", PULL: "pull breaks"})
    engine.captured["pull breaks"]["body"] = '{"errorDetail":{"message":"image lab/box not found"}}\r\n'

    performed = await ask(docker.Pull, image=IMAGE)

    assert performed.code == "not_found"


async def test_one_is_removed_where_it_is_there(ask, engine):
    engine.answers({LOOK: ["image", "image", "no image"], "GET /containers/json": "containers"})
    engine.answers({REMOVE: "image removed"})
    engine.captured["containers"]["body"] = []

    rehearsed = await ask(docker.ImageRemove, dry=True, image=IMAGE)
    assert engine.changes == []
    first, again = [await ask(docker.ImageRemove, image=IMAGE) for _ in range(2)]

    assert (rehearsed.changed, rehearsed.plan.commands) == (True, [["docker", "rmi", IMAGE]])
    assert (first.changed, again.changed, engine.changes) == (True, False, [REMOVE])


async def test_one_that_a_container_needs_stays(ask, engine):
    engine.answers({LOOK: "image", "GET /containers/json": "containers", REMOVE: "image in use"})

    performed = await ask(docker.ImageRemove, image=IMAGE)
    before = engine.changes
    forced = await ask(docker.ImageRemove, image=IMAGE, force=True)

    assert (performed.code, before) == ("conflict", [])
    assert "needed by container web" in performed.error
    assert forced.code == "conflict", "Docker has the last word"
    assert engine.asked[-1][2] == {"force": "1"}


async def test_only_a_name_goes_of_one_that_has_another(ask, engine):
    engine.answers({LOOK: "image", REMOVE: "image removed"})
    engine.captured["image"]["body"]["RepoTags"].append("box:1")

    performed = await ask(docker.ImageRemove, image=IMAGE)

    assert (performed.changed, engine.changes) == (True, [REMOVE])


@pytest.mark.parametrize(
    ("image", "name", "version"),
    [
        ("nginx", "nginx", "latest"),
        ("nginx:1.27", "nginx", "1.27"),
        ("registry.example.org:5000/a/b", "registry.example.org:5000/a/b", "latest"),
        ("registry.example.org:5000/a/b:c", "registry.example.org:5000/a/b", "c"),
        ("nginx@sha256:0f", "nginx", "sha256:0f"),
        ("[::1]:5000/nginx:1.27@sha256:0f", "[::1]:5000/nginx", "sha256:0f"),
    ],
)
def test_a_name_has_a_version_after_its_last_part(image, name, version):
    assert Reference.parse(image) == Reference(name, version)
