"""What a controller does with the object store by itself, on a real broker: its own files, and what nobody needs."""

import socket

import pytest
import trio

from agent.templates import Context, render
from controller.seed import bring, seed, shipped
from controller.sweep import sweep_results
from osapi.bus import BucketSpec, layout
from osapi.bus.bridge import NatsBus
from osapi.bus.server import ServerSettings, serve
from osapi.calls.file import CONTENT_TYPE

MOTD = "osapi/motd.tmpl"
JOB, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


@pytest.fixture
async def objects(nursery, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = ServerSettings(host="127.0.0.1", port=port, store_dir=tmp_path)
    await nursery.start(lambda task_status: serve(settings, task_status))
    bus = NatsBus([f"nats://127.0.0.1:{port}"], name="test")
    await nursery.start(bus.run)
    return await bus.objects(BucketSpec(name="files"))


async def seeded(objects):
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: seed(objects, task_status))


async def test_its_own_files_are_put_into_the_store_once(objects):
    await seeded(objects)
    before = await objects.list()
    await seeded(objects)

    assert [each.name for each in before] == sorted(shipped())
    assert await objects.list() == before
    assert (await objects.describe(MOTD)).headers[CONTENT_TYPE] == "template"
    assert await objects.get(MOTD) == shipped()[MOTD]


@pytest.mark.parametrize(
    ("facts", "variables", "shown"),
    [
        ({"primary_interface": "eth0"}, {}, b"eth0"),
        ({}, {"notice": "Down on Friday."}, b"\nDown on Friday.\n"),
    ],
)
async def test_the_message_of_the_day_is_rendered_with_what_a_host_always_knows(facts, variables, shown):
    always = {"kernel_version": "6.8.0", "architecture": "x86_64", "cpu_count": 4}

    rendered = await render(shipped()[MOTD], Context("web-01", always | facts, variables), name="motd.tmpl")

    assert rendered.startswith(b"web-01 is managed by OSAPI")
    assert shown in rendered


async def test_a_file_of_another_version_is_replaced(objects):
    await objects.put(MOTD, b"of another version")

    await seeded(objects)

    assert await objects.get(MOTD) == shipped()[MOTD]


async def test_several_controllers_that_start_at_once_do_no_harm(objects):
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(bring, objects, "osapi/a", b"a" * 300_000)

    assert await objects.get("osapi/a") == b"a" * 300_000
    assert (await objects.usage()).bytes < 310_000


async def test_a_file_that_is_no_template_is_raw(objects):
    await bring(objects, "osapi/a.conf", b"a")

    assert (await objects.describe("osapi/a.conf")).headers[CONTENT_TYPE] == "raw"


async def test_results_of_jobs_that_are_not_known_are_removed_once_they_are_old(objects):
    kept, gone, a_file = layout.result(JOB, "m"), layout.result(OTHER, "m"), f"{OTHER}/m"
    for name in (kept, gone, a_file):
        await objects.put(name, b"x")

    await sweep_results(objects, {JOB})
    assert len(await objects.list()) == 3
    await sweep_results(objects, {JOB}, age=-60)

    assert [each.name for each in await objects.list()] == [a_file, kept]
