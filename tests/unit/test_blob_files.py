"""Registered blobs in files of the host: below the folders that are configured, wherever links lead."""

import os
import threading

import pytest

from osapi.blobs import references
from osapi.config.blobs import BlobReferences, Blobs
from osapi.errors import NotFound, OperationError, Refused


async def fetch(url, rules):
    async with references.read(url, Blobs(references=rules)) as pieces:
        return b"".join([piece async for piece in pieces])


@pytest.fixture
def root(tmp_path):
    found = tmp_path / "root"
    (found / "below").mkdir(parents=True)
    (found / "below" / "a b.iso").write_bytes(b"data" * 200_000)
    (tmp_path / "outside").write_text("secret")
    return found


def of(root, name):
    return f"file://{root}/{name}", BlobReferences(file_roots=[str(root)])


async def test_a_file_below_a_root_is_read(root):
    assert await fetch(*of(root, "below/a%20b.iso")) == b"data" * 200_000


async def test_links_within_the_root_are_followed_and_the_root_may_be_one(root, tmp_path):
    (root / "link").symlink_to("below")
    (tmp_path / "mount").symlink_to(root)

    assert len(await fetch(*of(root, "link/a%20b.iso"))) == 800_000
    assert len(await fetch(*of(tmp_path / "mount", "below/a%20b.iso"))) == 800_000


@pytest.mark.parametrize(
    "target", ["../outside", "/etc/passwd", "below/../../outside", "up/outside", "/proc/self/environ"]
)
async def test_a_link_out_of_the_root_is_refused(root, tmp_path, target):
    (root / "up").symlink_to(tmp_path)
    (root / "link").symlink_to(target)

    with pytest.raises(Refused, match="which is not below"):
        await fetch(*of(root, "link"))


async def test_a_file_that_becomes_a_link_after_its_path_was_resolved_is_not_followed(root, tmp_path):
    """The race that a path alone cannot win; here it is lost often, and never to the secret."""
    file, link = root / "file", root / "link"
    file.write_text("public")
    link.symlink_to(tmp_path / "outside")
    done = threading.Event()

    def swap():
        while not done.is_set():
            link.rename(root / "swap")
            file.rename(link)
            (root / "swap").rename(file)
            file.rename(root / "swap")
            link.rename(file)
            (root / "swap").rename(link)

    swapping = threading.Thread(target=swap)
    swapping.start()
    found = set()
    try:
        for _ in range(300):
            try:
                found.add(await fetch(*of(root, "file")))
            except OperationError as error:
                found.add(type(error))
    finally:
        done.set()
        swapping.join()

    assert found <= {b"public", Refused, NotFound, OperationError}


async def test_only_regular_files_are_read(root):
    os.mkfifo(root / "pipe")

    for name in ("pipe", "below"):
        with pytest.raises(Refused, match="not a regular file"):
            await fetch(*of(root, name))


async def test_a_file_that_is_not_there_may_be_on_what_is_not_mounted(root):
    with pytest.raises(NotFound, match="mounted"):
        await fetch(*of(root, "nothing"))
    with pytest.raises(NotFound, match="mounted"):
        await fetch(*of(root / "gone", "nothing"))
