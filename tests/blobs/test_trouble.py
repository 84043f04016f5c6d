"""What is said where a backend is full, away, or not what it is meant to be."""

import os
import signal
import stat
import subprocess

import attrs
import pytest
import trio

from osapi.config.blobs import BlobFs, BlobNats, BlobS3
from osapi.errors import Error, NoSpace, NotFound, Unavailable


@attrs.define
class Zeros:
    """So many bytes, of which not all need be taken."""

    left: int

    def __aiter__(self):
        return self

    async def __anext__(self):
        await trio.lowlevel.checkpoint()
        if self.left <= 0:
            raise StopAsyncIteration
        self.left -= 100_000
        return bytes(100_000)


async def test_the_files_of_a_folder_are_for_its_owner_and_group_whatever_the_umask(shelves):
    shelf = await shelves("fs")
    folder = shelf.behind.folder
    before = os.umask(0o077)
    try:
        blob = await shelf.add(b"data")
    finally:
        os.umask(before)

    file = folder / blob.sha256[:2] / blob.sha256
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / ".incoming").stat().st_mode) == 0o750


async def test_a_folder_that_is_missing_may_not_be_mounted_and_is_not_made(open_blobs, tmp_path, shelves):
    missing = tmp_path / "mnt" / "blobs"
    blobs = await open_blobs(backend="fs", fs=BlobFs(path=str(missing)))
    blob = await (await shelves("fs")).add(b"data")
    said = (
        rf"blobs\.fs\.path: {missing} cannot be used: No such file or directory .*mount what is shared there"
    )

    with pytest.raises(Unavailable, match=said):
        await blobs.add(Zeros(100_000))
    with pytest.raises(Unavailable, match=said):
        async with blobs.read(blob):
            pass

    assert not missing.exists()


async def test_a_folder_in_the_place_of_a_file_is_said_to_be_unusable(open_blobs, tmp_path):
    (tmp_path / "blobs").write_text("")
    blobs = await open_blobs(backend="fs", fs=BlobFs(path=str(tmp_path / "blobs")))

    with pytest.raises(Unavailable, match="Not a directory"):
        await blobs.add(Zeros(100_000))


async def test_a_blob_that_is_not_in_the_folder_asks_whether_it_is_the_right_one(shelves):
    shelf = await shelves("fs")
    blob = await shelf.add(b"data")
    await shelf.behind.lose(blob.sha256)

    with pytest.raises(NotFound, match=f"is not in {shelf.behind.folder}; is that what the controller has"):
        await shelf.read(blob)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_folder_that_is_full_says_so_and_is_left_as_it_was(open_blobs, small_disk):
    blobs = await open_blobs(backend="fs", fs=BlobFs(path=str(small_disk)))

    with pytest.raises(NoSpace, match=rf"blobs\.fs\.path: {small_disk} is full"):
        await blobs.add(Zeros(5_000_000))

    assert [file for file in small_disk.rglob("*") if file.is_file()] == []


async def test_an_object_store_that_is_full_says_so_and_is_left_as_it_was(shelves):
    shelf = await shelves("nats", nats=BlobNats(max_bytes=2_000_000))
    kept = await shelf.add(b"data")

    with pytest.raises(NoSpace):
        await shelf.blobs.add(Zeros(5_000_000))

    assert await shelf.read(kept) == b"data"
    assert await shelf.behind.stored() == {kept.sha256}
    assert await shelf.behind.drafts() == 0


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
async def test_s3_without_credentials_says_which_are_missing(shelves, monkeypatch, missing):
    shelf = await shelves("s3")
    monkeypatch.delenv(missing)

    with pytest.raises(Unavailable, match=f"S3 needs credentials: {missing} must be in the environment"):
        await shelf.add(b"data")


async def test_s3_that_refuses_the_credentials_is_unavailable(shelves, monkeypatch):
    shelf = await shelves("s3")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")

    with pytest.raises(Unavailable, match="SignatureDoesNotMatch"):
        await shelf.add(b"data")


async def test_s3_that_is_away_is_unavailable_soon(open_blobs, credentials):
    blobs = await open_blobs(backend="s3", s3=BlobS3(endpoint="http://127.0.0.1:1"))

    with trio.fail_after(20), pytest.raises(Unavailable, match=r"^bucket osapi-blobs of S3: "):
        await blobs.add(Zeros(100_000))


async def test_a_bucket_that_is_not_there_is_the_operators_concern(shelves):
    shelf = await shelves("s3")
    blob = await (await shelves("nats")).add(b"data")

    async def read():
        async with shelf.behind.bucket.read(blob.sha256):
            pass

    with pytest.raises(Unavailable, match="NoSuchBucket"):
        await read()


async def test_other_addresses_in_the_environment_do_not_lead_s3_elsewhere(shelves, monkeypatch):
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    shelf = await shelves("s3")

    assert await shelf.read(await shelf.add(b"data")) == b"data"


async def test_the_parts_of_an_upload_that_breaks_off_are_discarded(shelves):
    """They were there: else it would not have been an upload in parts."""
    shelf = await shelves("s3")
    seen = []

    async def breaking():
        for _ in range(400):
            yield bytes(100_000)
        with trio.fail_after(20):
            while not (found := shelf.behind.server.names(f"{shelf.behind.bucket.name}/.uploads")):  # noqa: ASYNC110 - another process makes it so
                await trio.sleep(0.05)
        seen.extend(found)
        raise Error("broken off")

    with pytest.raises(Error, match="broken off"):
        await shelf.blobs.add(breaking())

    assert len(seen) == 1
    assert await shelf.behind.drafts() == 0


async def test_a_reader_of_s3_that_hangs_can_be_cancelled_at_once(shelves):
    shelf = await shelves("s3")
    blob = await shelf.add(bytes(30_000_000))
    server = shelf.behind.server

    async with shelf.blobs.read(blob) as pieces:
        await anext(pieces)
        server.process.send_signal(signal.SIGSTOP)
        try:
            with trio.move_on_after(1) as scope:
                async for _ in pieces:
                    pass
        finally:
            server.process.send_signal(signal.SIGCONT)

    assert scope.cancelled_caught


async def test_a_library_that_panics_does_not_end_the_daemon(open_blobs, credentials):
    blobs = await open_blobs(backend="s3", s3=BlobS3(endpoint="http://no host"))

    with pytest.raises(Unavailable, match="the library broke"):
        await blobs.add(Zeros(100_000))
