"""Contents of any size on a real broker."""

import hashlib
import os
from contextlib import suppress

import attrs
import pytest
import trio

from osapi.bus import BucketSpec, Stale, Unconfirmed
from osapi.bus.objects import NatsObjects
from osapi.bus.streams import Full, Stream
from osapi.errors import Error, NoSpace, Unavailable

CHUNK = BucketSpec(name="").chunk


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


async def whole(pieces):
    return b"".join([piece async for piece in pieces])


async def test_contents_of_any_size_are_read_back_and_named_by_their_sha256(objects):
    for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3_500_000):
        data = os.urandom(size)

        digest = await objects.put(f"of {size} bytes/ä", data)

        assert digest == sha256(data)
        assert await objects.get(f"of {size} bytes/ä") == data


async def test_a_draft_takes_pieces_of_any_size_and_is_nothing_until_it_is_committed(objects):
    data = os.urandom(1_000_000)

    async with objects.draft() as draft:
        for start in range(0, len(data), 77_777):
            await draft.write(data[start : start + 77_777])
        await draft.write(b"")
        assert await objects.describe("a") is None
        assert await objects.list() == []
        committed = await draft.commit("a", headers={"Kind": "raw"})

    found = await objects.describe("a")
    assert (found.name, found.size, found.sha256) == ("a", 1_000_000, sha256(data))
    assert (dict(found.headers), found.revision) == ({"Kind": "raw"}, committed.revision)
    assert abs((found.modified - committed.modified).total_seconds()) < 5
    assert await whole(objects.read(found)) == data


async def test_a_draft_that_is_not_committed_leaves_nothing(objects, stored):
    async with objects.draft() as draft:
        await draft.write(b"x" * 3_000_000)

    async def break_off():
        async with objects.draft() as draft:
            await draft.write(b"x" * 3_000_000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()

    assert await stored() == 0


async def test_a_draft_that_is_cancelled_leaves_nothing(objects, stored, until):
    async def half_there():
        return await stored() > 1_000_000

    with trio.CancelScope() as scope:

        async def cancel_soon():
            await until(half_there)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel_soon)
            await objects.put("a", b"x" * 200_000_000)

    assert await objects.get("a") is None
    assert await stored() == 0


async def test_of_what_is_committed_over_nothing_by_two_one_is_stale(objects, stored):
    async with objects.draft() as one, objects.draft() as other:
        await one.write(b"1" * 500_000)
        await other.write(b"2" * 500_000)

        first = await one.commit("a", revision=0)
        with pytest.raises(Stale, match="object a of files was changed meanwhile"):
            await other.commit("a", revision=0)
        second = await other.commit("a", revision=first.revision)

    assert second.revision > first.revision
    assert await objects.get("a") == b"2" * 500_000
    assert await stored() < 600_000


async def test_over_a_deleted_object_a_commit_over_nothing_is_right(objects):
    await objects.put("a", b"1")
    await objects.delete("a")

    async with objects.draft() as draft:
        await draft.write(b"2")
        await draft.commit("a", revision=0)

    assert await objects.get("a") == b"2"


async def test_many_who_put_at_once_leave_the_chunks_of_one(objects, stored):
    async with trio.open_nursery() as nursery:
        for letter in b"abcdef":
            nursery.start_soon(objects.put, "a", bytes([letter]) * 300_000)

    assert len(set(await objects.get("a"))) == 1
    assert await stored() < 400_000


async def test_what_was_never_put_or_was_deleted_is_none(objects, stored):
    await objects.put("a", b"x" * 300_000)

    await objects.delete("a")
    await objects.delete("a")
    await objects.delete("never")

    assert await objects.get("a") is None
    assert await objects.describe("a") is None
    assert await objects.get("never") is None
    assert await stored() < 1000


async def test_a_new_content_replaces_the_old_and_its_chunks(objects):
    await objects.put("a", b"x" * 1_000_000)

    await objects.put("a", b"y" * 200_000)

    assert await objects.get("a") == b"y" * 200_000
    usage = await objects.usage()
    assert usage.keys == 1
    assert usage.bytes < 300_000


async def test_all_objects_are_listed_by_name_without_those_that_were_deleted(objects):
    names = [f"{number:03}/ä" for number in range(150)]
    async with trio.open_nursery() as nursery:
        for name in reversed(names):
            nursery.start_soon(objects.put, name, name.encode())
    await objects.delete("017/ä")

    found = await objects.list()

    assert [each.name for each in found] == [name for name in names if name != "017/ä"]
    assert all(each.sha256 == sha256(each.name.encode()) for each in found)


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


@pytest.mark.parametrize("begun", [False, True])
async def test_a_reader_is_told_that_the_object_was_replaced(objects, begun):
    await objects.put("a", b"x" * 5_000_000)
    found = await objects.describe("a")
    reader = objects.read(found)
    if begun:
        assert set(await anext(reader)) == {ord("x")}

    await objects.put("a", b"y" * 5_000_000)

    with pytest.raises(Error, match="object a of files was replaced or deleted while it was read"):
        await whole(reader)


async def test_an_object_that_was_put_again_with_the_same_content_can_be_read_on_from_its_beginning(objects):
    await objects.put("a", b"x" * 5_000_000)
    found = await objects.describe("a")

    await objects.put("a", b"x" * 5_000_000)

    assert await whole(objects.read(found)) == b"x" * 5_000_000


@pytest.mark.parametrize("chunks", [2, 20])
async def test_a_damaged_object_is_an_error_and_its_end_is_not_handed_over(bus, objects, chunks):
    await objects.put("a", b"x" * (chunks * CHUNK))
    nuid = (await objects.find("a")).description.nuid

    await bus.publish(objects.chunks(nuid), b"more" * (CHUNK // 4))
    await bus.flush()
    await objects.stream.ask(
        f"STREAM.PURGE.{objects.stream.name}", {"filter": objects.chunks(nuid), "keep": chunks}, dict
    )

    with pytest.raises(Error, match="object a of files is damaged"):
        await objects.get("a")
    reader, read = objects.read(await objects.describe("a")), []

    async def read_on():
        async for piece in reader:
            read.append(piece)  # noqa: PERF401 - what comes before the error counts

    with pytest.raises(Error, match="damaged"):
        await read_on()
    assert len(read) < chunks


async def test_a_full_store_refuses_what_does_not_fit_and_keeps_what_it_has(bus):
    objects = await bus.objects(BucketSpec(name="small", max_bytes=2_000_000))
    await objects.put("a", b"x" * 1_000_000)
    before = await objects.usage()

    for size in (1_200_000, 40_000_000):
        with pytest.raises(NoSpace, match="object store small is full: maximum bytes exceeded"):
            await objects.put("b", b"y" * size)

    assert await objects.usage() == before
    assert await objects.get("a") == b"x" * 1_000_000
    assert await objects.get("b") is None


async def test_there_is_always_room_for_deleting(bus):
    objects = await bus.objects(BucketSpec(name="small", max_bytes=300_000))
    async with objects.draft() as draft:
        await draft.write(b"x" * 100_000)
        await draft.commit("a")
    with suppress(Full):
        while True:
            await objects.stream.write(objects.chunks("filling"), b"x" * 100)

    await objects.delete("a")

    assert await objects.get("a") is None
    assert set((await objects.stream.info(objects.chunks(">"))).state.subjects) == {objects.chunks("filling")}


async def test_chunks_are_no_larger_than_the_broker_takes(bus):
    objects = await bus.objects(BucketSpec(name="big", chunk=64_000_000))
    data = os.urandom(5_000_000)

    await objects.put("a", data)

    assert (await objects.find("a")).description.chunks == 5
    assert await objects.get("a") == data


async def test_a_store_that_the_broker_has_lost_is_made_again(objects):
    await objects.put("a", b"1")
    await objects.stream.ask(f"STREAM.DELETE.{objects.stream.name}", {}, dict)

    assert await objects.get("a") is None
    await objects.stream.ask(f"STREAM.DELETE.{objects.stream.name}", {}, dict)
    await objects.put("a", b"2" * 300_000)

    assert await objects.get("a") == b"2" * 300_000


async def test_a_broker_that_goes_away_in_the_middle_ends_a_draft_and_a_sweep_removes_what_is_left(
    broker, bus, objects, stored, until
):
    await objects.put("kept", b"k" * 400_000)

    async def draft_until_it_is_away():
        async with objects.draft() as draft:
            await draft.write(b"x" * 3_000_000)
            await broker.kill()
            await draft.write(b"x" * 30_000_000)

    with pytest.raises(Unavailable):
        await draft_until_it_is_away()
    await broker.start()
    await until(lambda: bus.connected)
    assert await stored() > 400_000

    assert await objects.sweep(3600) == 0
    assert await objects.sweep(-3600) == 1

    assert await stored() < 500_000
    assert await objects.get("kept") == b"k" * 400_000


@attrs.frozen(eq=False)
class Unheard(Stream):
    """A stream of whose acknowledgements none arrives; what is written may do so, or not."""

    arrives: bool

    async def write(self, subject, data, headers=None):
        if self.arrives:
            await super().write(subject, data, headers)
        raise Unconfirmed("no answer within 5 s")


async def test_a_commit_that_is_not_confirmed_and_has_arrived_is_one(objects):
    await objects.put("a", b"1" * 300_000)
    stream = objects.stream
    unheard = NatsObjects(objects.spec, Unheard(stream.connection, stream.config, arrives=True))

    async with unheard.draft() as draft:
        await draft.write(b"2" * 300_000)
        committed = await draft.commit("a")

    assert await objects.get("a") == b"2" * 300_000
    assert (await objects.describe("a")).revision == committed.revision
    assert set((await stream.info(objects.chunks(">"))).state.subjects) == {
        objects.chunks((await objects.find("a")).description.nuid)
    }


async def test_of_a_commit_of_which_nothing_is_known_nothing_is_removed_but_by_a_sweep(objects, stored):
    stream = objects.stream
    unheard = NatsObjects(objects.spec, Unheard(stream.connection, stream.config, arrives=False))

    async def commit():
        async with unheard.draft() as draft:
            await draft.write(b"2" * 300_000)
            await draft.commit("a")

    with pytest.raises(Unconfirmed):
        await commit()

    assert await stored() > 300_000
    assert await objects.sweep(-3600) == 1
    assert await stored() == 0
