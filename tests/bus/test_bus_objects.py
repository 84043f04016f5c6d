"""Contents of any size on a real broker."""

import hashlib
import os

import pytest
import trio

from osapi.bus import BucketSpec
from osapi.bus.objects import CHUNK
from osapi.errors import Error


@pytest.fixture
async def objects(bus):
    return await bus.objects(BucketSpec(name="files"))


async def test_contents_of_any_size_are_read_back_and_named_by_their_sha256(objects):
    for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3_500_000):
        data = os.urandom(size)

        digest = await objects.put(f"of {size} bytes/ä", data)

        assert digest == hashlib.sha256(data).hexdigest()
        assert await objects.get(f"of {size} bytes/ä") == data


async def test_what_was_never_put_or_was_deleted_is_none(objects):
    await objects.put("a", b"x" * 300_000)

    await objects.delete("a")
    await objects.delete("a")
    await objects.delete("never")

    assert await objects.get("a") is None
    assert await objects.get("never") is None
    assert (await objects.usage()).bytes < 1000


async def test_a_new_content_replaces_the_old_and_its_chunks(objects):
    await objects.put("a", b"x" * 1_000_000)

    await objects.put("a", b"y" * 200_000)

    assert await objects.get("a") == b"y" * 200_000
    usage = await objects.usage()
    assert usage.keys == 1
    assert usage.bytes < 300_000


async def test_an_object_that_is_replaced_while_it_is_read_is_read_whole(objects):
    contents = [bytes([letter]) * 1_000_000 for letter in b"abcdef"]
    await objects.put("a", contents[0])

    async def replace():
        for data in contents[1:]:
            await objects.put("a", data)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(replace)
        read = {await objects.get("a") for _ in range(20)}

    assert read <= set(contents)
    assert await objects.get("a") == contents[-1]


async def test_a_damaged_object_is_an_error(bus, objects):
    await objects.put("a", b"x" * (2 * CHUNK))
    found = await objects._describe("a")

    await bus.publish(objects._chunks(found.nuid), b"more")
    await bus.flush()
    await objects.stream.ask(
        f"STREAM.PURGE.{objects.stream.name}", {"filter": objects._chunks(found.nuid), "keep": 2}, dict
    )

    with pytest.raises(Error, match="object a of files is damaged"):
        await objects.get("a")


async def test_a_put_that_is_cancelled_leaves_nothing(objects, until):
    async def half_there():
        return (await objects.usage()).bytes > 1_000_000

    with trio.CancelScope() as scope:

        async def cancel_soon():
            await until(half_there)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel_soon)
            await objects.put("a", b"x" * 60_000_000)

    assert await objects.get("a") is None
    assert (await objects.usage()).bytes == 0
