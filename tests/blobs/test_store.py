"""What is known of blobs: what is guessed, what is registered, and what contradicts what is known."""

from hashlib import sha256

import attrs
import pytest

from osapi.bus import CaughtUp
from osapi.calls.blob import Blob
from osapi.config.blobs import BlobFs, BlobReferences, BlobS3
from osapi.errors import BadInput, Conflict, NotFound, OperationError

SHA = sha256(b"data").hexdigest()
SOURCE = "s3://images/data.iso"
ALLOWED = BlobReferences(s3_buckets=["images"], file_roots=["/srv/images"])


async def pieces_of(data):
    yield data


async def whole(blobs, blob):
    async with blobs.read(blob) as pieces:
        return b"".join([piece async for piece in pieces])


@pytest.fixture
async def blobs(open_blobs):
    return await open_blobs(references=ALLOWED)


@pytest.mark.parametrize(
    ("filename", "data", "guessed"),
    [
        ("nginx.conf", b"user www;\n", "text/plain"),
        ("index.html", b"<p>", "text/html"),
        ("logo.png", b"", "image/png"),
        ("backup.tar.gz", b"\x1f\x8b", "application/gzip"),
        ("backup.tar.xz", b"", "application/x-xz"),
        ("backup.Z", b"", "application/octet-stream"),
        (None, b"hello \xc3\xa4", "text/plain"),
        (None, b"x" * 1023 + "ä".encode(), "text/plain"),
        (None, b"\x7fELF\0", "application/octet-stream"),
        (None, b"\xff\xfe", "application/octet-stream"),
        (None, b"", "text/plain"),
    ],
)
async def test_the_media_type_is_guessed_by_the_name_or_by_the_beginning(blobs, filename, data, guessed):
    added = await blobs.add(pieces_of(data), filename=filename)

    assert (added.filename, added.mime_type) == (filename, guessed)


async def test_the_media_type_that_is_told_is_kept(blobs):
    added = await blobs.add(pieces_of(b"data"), filename="a.html", mime_type="text/x-template")

    assert (await blobs.find(added.sha256)).mime_type == "text/x-template"


async def test_what_lies_elsewhere_is_registered_without_a_byte_of_it(blobs):
    added = await blobs.register(SHA, SOURCE, 4_294_967_296)

    found = await blobs.find(SHA)
    assert added.changed
    assert (found.source, found.backend, found.size) == (SOURCE, "external", 4_294_967_296)
    assert found.mime_type == "application/octet-stream"


async def test_what_is_registered_already_is_not_registered_anew(blobs):
    first = await blobs.register(SHA, SOURCE, 4, filename="data.iso")

    again = await blobs.register(SHA, SOURCE, 4)

    assert again == attrs.evolve(first, changed=False)


async def test_what_contradicts_what_is_known_is_a_conflict(blobs):
    await blobs.register(SHA, SOURCE, 4)

    with pytest.raises(Conflict, match=f"registered already, at {SOURCE}; delete it first"):
        await blobs.register(SHA, "file:///srv/images/data.iso", 4)
    with pytest.raises(Conflict, match="has 4 bytes, not 5"):
        await blobs.register(SHA, SOURCE, 5)

    assert (await blobs.find(SHA)).source == SOURCE


async def test_what_is_held_already_stays_held_where_it_is_registered(blobs):
    await blobs.add(pieces_of(b"data"))

    registered = await blobs.register(SHA, SOURCE, 4)

    assert (registered.changed, registered.source) == (False, "managed")
    with pytest.raises(Conflict, match="has 4 bytes, not 5"):
        await blobs.register(SHA, SOURCE, 5)


async def test_what_is_registered_is_held_once_it_is_uploaded(blobs):
    await blobs.register(SHA, SOURCE, 4)

    added = await blobs.add(pieces_of(b"data"))

    assert (added.changed, added.source, added.backend) == (True, "managed", "nats")
    assert await whole(blobs, await blobs.find(SHA)) == b"data"


async def test_a_source_that_is_not_allowed_is_bad_input(blobs):
    for source in ("s3://other/key", "file:///etc/shadow", "https://127.0.0.1/a", "http://files.example/a"):
        with pytest.raises(BadInput, match=r"^source: ") as caught:
            await blobs.register(SHA, source, 4)
        assert caught.value.field == "source"

    assert await blobs.describe(SHA) is None


async def test_to_delete_what_lies_elsewhere_is_to_forget_it(open_blobs, tmp_path):
    file = tmp_path / "data.iso"
    file.write_bytes(b"data")
    blobs = await open_blobs(references=BlobReferences(file_roots=[str(tmp_path)]))
    await blobs.register(SHA, f"file://{file}", 4)

    await blobs.delete(SHA)

    assert file.read_bytes() == b"data"
    with pytest.raises(NotFound):
        await blobs.find(SHA)


async def test_what_lies_elsewhere_is_read_from_there_and_verified(open_blobs, tmp_path):
    file = tmp_path / "data.iso"
    file.write_bytes(b"data")
    blobs = await open_blobs(references=BlobReferences(file_roots=[str(tmp_path)]))
    blob = await blobs.register(SHA, f"file://{file}", 4)

    assert await whole(blobs, blob) == b"data"

    file.write_bytes(b"date")
    with pytest.raises(OperationError, match=f"has SHA-256 {sha256(b'date').hexdigest()}, not {SHA}"):
        await whole(blobs, blob)


async def test_an_object_of_s3_is_read_where_its_bucket_is_allowed(open_blobs, shelves, s3):
    shelf = await shelves("s3")
    data = b"data" * 2_000_000
    added = await shelf.add(data)
    bucket = shelf.behind.bucket.name
    elsewhere = await open_blobs(
        s3=BlobS3(endpoint=s3.endpoint), references=BlobReferences(s3_buckets=[bucket])
    )

    blob = await elsewhere.register(added.sha256, f"s3://{bucket}/blobs/{added.sha256}", len(data))

    assert await whole(elsewhere, blob) == data
    await shelf.behind.lose(added.sha256)
    with pytest.raises(NotFound, match=bucket):
        await whole(elsewhere, blob)


async def test_blobs_are_found_in_the_backend_that_they_were_put_into(open_blobs, tmp_path):
    folder = BlobFs(path=str(tmp_path))
    before = await open_blobs(backend="fs", fs=folder)
    old = await before.add(pieces_of(b"old"))

    after = await open_blobs(backend="nats", fs=folder)
    new = await after.add(pieces_of(b"new"))

    assert (old.backend, new.backend) == ("fs", "nats")
    assert await whole(after, old) == b"old"
    await after.delete(old.sha256)
    assert not list(tmp_path.glob("??/*"))


async def test_what_is_stored_once_more_elsewhere_moves_there(open_blobs, tmp_path):
    folder = BlobFs(path=str(tmp_path))
    await (await open_blobs(backend="nats", fs=folder)).add(pieces_of(b"data"))
    blobs = await open_blobs(backend="fs", fs=folder)

    added = await blobs.add(pieces_of(b"data"))

    assert (added.changed, added.backend) == (True, "fs")
    assert await whole(blobs, await blobs.find(SHA)) == b"data"


async def test_the_index_holds_a_blob_under_its_sha256_as_json(blobs):
    await blobs.add(pieces_of(b"data"), filename="data.txt")

    async with blobs.index.watch() as watch:
        entry = await watch.receive()
        assert await watch.receive() == CaughtUp()

    assert entry.key == SHA
    assert b'"filename":"data.txt"' in entry.value
    assert isinstance(await blobs.find(SHA), Blob)
