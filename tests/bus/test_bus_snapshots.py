"""Copies of streams, as the broker itself makes them and takes them back."""

import os

import pytest
import trio

from osapi.bus import BucketSpec
from osapi.bus.snapshots import CHUNK
from osapi.errors import Error

NAME = "KV_things"


async def copied(bus, name=NAME):
    async with bus.streams.take(name) as snapshot:
        return snapshot.held, [piece async for piece in snapshot.pieces]


async def each(pieces):
    for piece in pieces:
        yield piece


@pytest.fixture
async def filled(bus, bucket):
    """A bucket with more in it than fits one message, something changed and something deleted."""
    for number in range(20):
        await bucket.put(f"key.{number}", os.urandom(100_000))
    await bucket.put("key.7", b"new")
    await bucket.delete("key.3")
    return bucket


async def entries(bucket):
    found = [await bucket.get(f"key.{number}") for number in range(20)]
    return [entry and (entry.key, entry.value, entry.revision, entry.created) for entry in found]


async def test_a_stream_that_is_made_of_a_copy_has_the_same_entries_revisions_and_times(bus, filled):
    before = await entries(filled)
    held, pieces = await copied(bus)
    await bus.streams.remove(NAME)
    gone = await bus.streams.find(NAME)

    await bus.streams.put_back(held, each(pieces))

    found = await bus.streams.find(NAME)
    assert (gone, await entries(filled)) == (None, before)
    assert (found.last, found.messages) == (held.last, held.messages) == (22, 20)
    assert len(pieces) > 8
    assert max(map(len, pieces)) <= CHUNK
    assert await filled.put("key.new", b"") == 23


async def test_others_write_while_a_stream_is_copied(bus, filled):
    async with trio.open_nursery() as nursery, bus.streams.take(NAME) as snapshot:
        nursery.start_soon(filled.put, "key.later", b"later")
        pieces = [piece async for piece in snapshot.pieces]
    await bus.streams.remove(NAME)
    await bus.streams.put_back(snapshot.held, each(pieces))

    assert (await bus.streams.find(NAME)).last == 22
    assert await filled.get("key.later") is None


async def test_what_is_kept_in_memory_is_copied_too(bus):
    bucket = await bus.bucket(BucketSpec(name="things", storage="memory"))
    await bucket.put("key", b"value")
    held, pieces = await copied(bus)
    await bus.streams.remove(NAME)

    await bus.streams.put_back(held, each(pieces))

    assert (await bucket.get("key")).value == b"value"


async def test_looking_makes_nothing(bus):
    found, account = await bus.streams.find(NAME), await bus.streams.account()
    with pytest.raises(Error, match="stream not found"):
        await copied(bus)

    assert found is None
    assert (account.streams, account.bytes) == (0, 0)


async def test_the_broker_tells_its_time(bus, bucket):
    assert abs((await bus.streams.find(NAME)).time - (await entry_now(bucket))) < 60


async def entry_now(bucket):
    await bucket.put("now", b"")
    return (await bucket.get("now")).created


async def test_what_is_there_is_not_written_over(bus, filled):
    held, pieces = await copied(bus)

    with pytest.raises(Error, match="stream name already in use"):
        await bus.streams.put_back(held, each(pieces))

    assert (await bus.streams.find(NAME)).last == 22


@pytest.mark.parametrize("spoil", [lambda _: [], lambda pieces: [b"no copy", *pieces[1:]]])
async def test_of_what_is_no_copy_no_stream_is_made(bus, filled, spoil):
    held, pieces = await copied(bus)
    await bus.streams.remove(NAME)

    with pytest.raises(Error, match="KV_things: the broker cannot put it back"):
        await bus.streams.put_back(held, each(spoil(pieces)))

    assert await bus.streams.find(NAME) is None
