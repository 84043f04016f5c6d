"""What an agent takes from a real broker for a job, and leaves there."""

from datetime import UTC, datetime

import attrs
import pytest
import trio
import trio.testing

from agent.broker import BrokerStore
from agent.buckets import Buckets
from osapi.blobs.store import Blobs
from osapi.bus import layout
from osapi.config import Config
from osapi.deployments import Deployment
from osapi.errors import Error, NotFound

PATH = "/etc/app/app.conf"
DEPLOYMENT = Deployment(
    object_name="app.conf",
    path=PATH,
    sha256="a" * 64,
    source_sha256="b" * 64,
    content_type="template",
    deployed_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    mode="0640",
    metadata={"interval": "daily"},
)


@pytest.fixture
async def store(bus):
    buckets = await Buckets.open(bus, layout.specs(Config(), ""))
    return BrokerStore("machine-1", buckets, await Blobs.open(bus, Config(), ""))


async def read(pieces):
    return b"".join([piece async for piece in pieces])


async def test_an_object_is_found_by_its_name_and_read_in_pieces(store):
    data = bytes(range(256)) * 4096
    await store.buckets.objects.put("app.img", data)

    found = await store.object("app.img")

    assert (found.name, found.size) == ("app.img", len(data))
    async with store.read_object(found) as pieces:
        assert await read(pieces) == data


async def test_an_object_that_is_not_there_is_named_with_what_puts_it_there(store):
    with pytest.raises(NotFound, match=r"there is no object app\.conf .*osapi client file upload"):
        await store.object("app.conf")


async def test_an_object_that_was_replaced_is_not_read_as_if_it_had_not_been(store):
    await store.buckets.objects.put("app.conf", b"old")
    found = await store.object("app.conf")
    await store.buckets.objects.put("app.conf", b"new")

    with pytest.raises(Error, match=r"app\.conf"):
        async with store.read_object(found) as pieces:
            await read(pieces)


async def test_a_blob_is_found_and_read(store):
    async def pieces():
        yield b"one"
        yield b"two"

    added = await store.blobs.add(pieces())

    found = await store.blob(added.sha256)

    async with store.read_blob(found) as pieces:
        assert await read(pieces) == b"onetwo"


async def test_a_blob_that_is_not_there_is_named(store):
    with pytest.raises(NotFound, match="c" * 64):
        await store.blob("c" * 64)


async def test_a_deployment_is_on_record_of_its_machine_and_path(store):
    await store.record(DEPLOYMENT)

    assert await store.deployment(PATH) == DEPLOYMENT
    assert await store.deployment("/etc/other") is None
    assert await attrs.evolve(store, machine_id="machine-2").deployment(PATH) is None


async def test_a_record_travels_with_the_members_that_existing_installations_have(store):
    await store.record(DEPLOYMENT)

    entry = await store.buckets.file_state.get(layout.deployment("machine-1", PATH))

    assert b'"deployed_at":"2026-01-02T03:04:05Z"' in entry.value
    assert b'"mode":"0640"' in entry.value
    assert b"owner" not in entry.value


async def test_a_record_is_written_over_the_one_before_by_many_at_once(store):
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(store.record, attrs.evolve(DEPLOYMENT, mode=f"06{number}0"))

    assert (await store.deployment(PATH)).mode in {f"06{number}0" for number in range(5)}


async def test_a_record_that_cannot_be_read_is_none(store):
    await store.buckets.file_state.put(layout.deployment("machine-1", PATH), b"garbage")

    assert await store.deployment(PATH) is None
    await store.record(DEPLOYMENT)
    assert await store.deployment(PATH) == DEPLOYMENT


async def test_a_record_waits_for_a_broker_that_is_away(store, broker, nursery, until):
    await broker.kill()
    recorded = trio.Event()

    async def record():
        await store.record(DEPLOYMENT)
        recorded.set()

    nursery.start_soon(record)
    await trio.testing.wait_all_tasks_blocked()
    assert not recorded.is_set()
    await broker.start()

    with trio.fail_after(30):
        await recorded.wait()
    assert await store.deployment(PATH) == DEPLOYMENT
