"""Objects that others have written, and what others make of ours: the official client, and whoever writes garbage."""

import asyncio
import hashlib
import os

import nats
import pytest
import trio
from nats.js.api import ObjectMeta

from osapi.bus import BucketSpec, descriptions
from osapi.errors import Error


@pytest.fixture
async def objects(bus):
    return await bus.objects(BucketSpec(name="files"))


@pytest.fixture
def stored(objects):
    async def stored():
        """Bytes in the stream, descriptions and chunks."""
        return (await objects.usage()).bytes

    return stored


def sha256(data):
    return hashlib.sha256(data).hexdigest()


GARBAGE = [
    b"",
    b"null",
    b"{}",
    b"[]",
    b"{" * 50_000,
    b'{"nuid": "x", "options": {"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    b'{"nuid": "x", "size": "many"}',
    b'{"nuid": "x", "digest": "SHA-256=*"}',
    b'{"nuid": "x", "digest": "SHA-256=\xc3\xa4\xff"}',
    b'{"nuid": "x", "name": "link", "options": {"link": {"bucket": "files", "name": "a"}}}',
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_a_description_that_cannot_be_read_is_no_object_and_may_be_written_over(objects, garbage):
    await objects.put("good", b"1")
    await objects.stream.write(objects._description("bad"), garbage)
    await objects.stream.write("$O.files.M.no-name!", b"x")

    assert await objects.describe("bad") is None
    assert await objects.get("bad") is None
    await objects.delete("bad")
    assert [each.name for each in await objects.list()] == ["good"]
    async with objects.draft() as draft:
        await draft.write(b"2")
        await draft.commit("bad", revision=0)
    assert await objects.get("bad") == b"2"


@pytest.mark.parametrize(("size", "digest"), [(0, sha256(b"x")), (-1, sha256(b"")), (10**15, sha256(b""))])
async def test_a_description_that_lies_is_an_error_on_reading(objects, size, digest):
    encoded = digest_of(digest)
    lie = f'{{"nuid": "none", "name": "a", "size": {size}, "chunks": 0, "digest": "{encoded}"}}'
    await objects.stream.write(objects._description("a"), lie.encode())

    with pytest.raises(Error, match="object a of files is damaged"):
        await objects.get("a")


def digest_of(hexadecimal):
    return descriptions.digest(bytes.fromhex(hexadecimal))


async def with_the_official_client(broker, work):
    """Do something with nats-py's own object store, on asyncio."""

    async def connected():
        client = await nats.connect(broker.url)
        try:
            return await work(await client.jetstream().object_store("files"))
        finally:
            await client.close()

    return await trio.to_thread.run_sync(lambda: asyncio.run(connected()))


async def test_objects_of_the_official_client_are_read_and_replaced(broker, objects, stored):
    data = os.urandom(400_000)
    meta = ObjectMeta(name="a", description="of another", headers={"Osapi-Content-Type": ["template"]})

    async def put(store):
        await store.put("a", data, meta)
        await store.put("empty", b"")
        await store.put("gone", data)
        await store.delete("gone")

    await with_the_official_client(broker, put)

    found = await objects.describe("a")
    assert (found.size, found.sha256, dict(found.headers)) == (
        400_000,
        sha256(data),
        {"Osapi-Content-Type": "template"},
    )
    assert await objects.get("a") == data
    assert await objects.get("empty") == b""
    assert [each.name for each in await objects.list()] == ["a", "empty"]
    await objects.put("a", b"1")
    assert await stored() < 2000


async def test_our_objects_are_read_and_deleted_by_the_official_client(broker, objects, stored):
    data = os.urandom(400_000)
    async with objects.draft() as draft:
        await draft.write(data)
        await draft.commit("a", headers={"Osapi-Content-Type": "template"})
    await objects.put("empty", b"")
    await objects.put("gone", b"1")
    await objects.delete("gone")

    async def look(store):
        found = {info.name: info for info in await store.list(ignore_deletes=True)}
        contents = {name: (await store.get(name)).data for name in found}
        await store.delete("a")
        return found, contents

    found, contents = await with_the_official_client(broker, look)

    assert contents == {"a": data, "empty": b""}
    assert found["a"].headers == {"Osapi-Content-Type": ["template"]}
    assert [each.name for each in await objects.list()] == ["empty"]
    assert await stored() < 2000
