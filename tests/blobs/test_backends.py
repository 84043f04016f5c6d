"""What holds of blobs in every backend; each test is run against the three of them, with real servers."""

import os
from contextlib import suppress
from hashlib import sha256

import attrs
import pytest
import trio

from osapi.errors import Error, NotFound, OperationError

SIZES = [0, 1, 256 * 1024, 5_000_001, 20_000_000]


def digest(data):
    return sha256(data).hexdigest()


async def nothing_is_left(shelf, of=()):
    """Neither drafts nor other blobs than those."""
    assert await shelf.behind.stored() == {digest(data) for data in of}
    assert await shelf.behind.drafts() == 0


async def test_a_content_of_any_size_is_read_back_by_its_sha256(shelf):
    for size in SIZES:
        data = os.urandom(size)

        added = await shelf.add(data)

        assert added.changed
        assert (added.sha256, added.size, added.source) == (digest(data), size, "managed")
        assert await shelf.read(await shelf.blobs.find(added.sha256)) == data


async def test_what_is_stored_already_is_not_stored_anew(shelf):
    data = os.urandom(300_000)
    first = await shelf.add(data, filename="one.txt")

    again = await shelf.add(data, filename="two.txt")

    assert again == attrs.evolve(first, changed=False)
    await nothing_is_left(shelf, [data])


async def test_what_is_not_there_is_not_found(shelf):
    blob = await shelf.add(b"a")
    await shelf.blobs.delete(blob.sha256)

    assert await shelf.blobs.describe(blob.sha256) is None
    with pytest.raises(NotFound, match=blob.sha256):
        await shelf.blobs.find(blob.sha256)
    with pytest.raises(NotFound, match=blob.sha256):
        await shelf.blobs.delete(blob.sha256)
    with pytest.raises(NotFound, match=blob.sha256):
        await shelf.read(blob)


async def test_a_deleted_blob_leaves_nothing_and_can_be_stored_again(shelf):
    data = os.urandom(300_000)
    blob = await shelf.add(data)

    await shelf.blobs.delete(blob.sha256)

    await nothing_is_left(shelf)
    assert (await shelf.add(data)).changed
    assert await shelf.read(blob) == data


async def test_an_upload_that_breaks_off_leaves_nothing(shelf):
    async def breaking():
        for _ in range(120):
            yield b"x" * 100_000
        raise OperationError("the client has gone")

    with pytest.raises(OperationError, match=r"^the client has gone$"):
        await shelf.blobs.add(breaking())

    await nothing_is_left(shelf)


async def test_an_upload_that_is_cancelled_leaves_nothing(shelf):
    with trio.CancelScope() as scope:

        async def stopping():
            for _ in range(120):
                yield b"x" * 100_000
            scope.cancel()
            await trio.sleep_forever()

        await shelf.blobs.add(stopping())

    assert scope.cancelled_caught
    await nothing_is_left(shelf)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (b"y" * 600_000, "has SHA-256 .*, not "),
        (b"x" * 599_999, "has 599999 bytes, not 600000"),
        (b"x" * 600_001, "has more than 600000 bytes"),
        (b"", "has 0 bytes, not 600000"),
    ],
)
async def test_a_damaged_blob_is_never_read_to_its_end(shelf, other, said):
    blob = await shelf.add(b"x" * 600_000)
    await shelf.behind.replace(blob.sha256, other)

    with pytest.raises(OperationError, match=f"^blob {blob.sha256[:12]}… .managed. {said}"):
        await shelf.read(blob)


async def test_of_what_is_too_long_no_more_is_read(shelf):
    blob = await shelf.add(b"x")
    await shelf.behind.replace(blob.sha256, b"x" * 30_000_000)
    async with shelf.blobs.read(blob) as pieces:
        with pytest.raises(OperationError, match="has more than 1 bytes"):
            await anext(pieces)


async def test_bytes_that_were_lost_are_stored_anew(shelf):
    data = os.urandom(300_000)
    blob = await shelf.add(data)
    await shelf.behind.lose(blob.sha256)

    again = await shelf.add(data)

    assert again.changed
    assert await shelf.read(blob) == data


async def test_bytes_of_another_size_in_its_place_are_replaced(shelf):
    blob = await shelf.add(b"x" * 1000)
    await shelf.behind.replace(blob.sha256, b"x")

    await shelf.add(b"x" * 1000)

    assert await shelf.read(blob) == b"x" * 1000


async def test_what_a_crash_left_half_stored_or_half_deleted_is_put_right(shelf):
    blob = await shelf.add(b"x" * 1000)
    await shelf.blobs.index.delete(blob.sha256)  # as if its bytes had just been stored

    assert (await shelf.add(b"x" * 1000)).changed
    assert await shelf.read(blob) == b"x" * 1000

    await shelf.behind.lose(blob.sha256)  # as if they had just been deleted
    await shelf.blobs.delete(blob.sha256)

    await nothing_is_left(shelf)


async def test_of_uploads_at_once_each_succeeds_and_one_is_kept(shelf):
    data, added = os.urandom(3_000_000), []

    async def add():
        added.append(await shelf.add(data))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(add)

    assert {each.sha256 for each in added} == {digest(data)}
    assert await shelf.read(added[0]) == data
    await nothing_is_left(shelf, [data])


async def test_a_reader_may_go_before_the_end(shelf):
    blob = await shelf.add(os.urandom(5_000_000))

    async with shelf.blobs.read(blob) as pieces:
        assert await anext(pieces)

    assert len(await shelf.read(blob)) == 5_000_000


async def test_a_blob_that_is_deleted_while_it_is_read_is_read_whole_or_fails(shelf):
    data = os.urandom(20_000_000)
    blob = await shelf.add(data)

    found = b""
    with suppress(Error):
        async with shelf.blobs.read(blob) as pieces:
            found = await anext(pieces)
            await shelf.blobs.delete(blob.sha256)
            found += b"".join([piece async for piece in pieces])

    assert found == data or len(found) < 1_000_000


async def test_what_is_left_of_uploads_that_were_killed_is_swept_once_it_is_old(shelf):
    data = os.urandom(1000)
    await shelf.add(data)
    await shelf.behind.litter()

    assert await shelf.blobs.sweep(3600) == 0
    assert await shelf.blobs.sweep(-3600) == 1

    await nothing_is_left(shelf, [data])
