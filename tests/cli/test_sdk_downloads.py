"""Downloads with the SDK, on trio and on asyncio: a file is there as a whole, or as it was."""

import hashlib
import os
import stat
import threading

import pytest

from osapi import errors
from osapi.calls import file
from osapi.transfers import Downloaded, download

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "folder" / "target.conf"


@pytest.fixture
def content(controller, target):
    """What there is to download, and a folder to put it in."""
    target.parent.mkdir()
    return controller.says("GET", "/api/file/a/content", CONTENT, ETag=f'"{SHA256}"')


get = file.Download(name="a")


def test_a_file_is_there_once_all_of_it_has_come(content, both, target):
    told = []

    done = both(download, get, target, told=lambda *come: told.append(come))

    assert done == Downloaded(sha256=SHA256, size=len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_is_there_is_not_written_again(content, both, target):
    target.write_bytes(CONTENT)
    before = target.stat()

    done = both(download, get, target)

    assert done == Downloaded(sha256=SHA256, size=len(CONTENT), changed=False)
    assert target.stat() == before


def test_other_content_is_replaced_only_by_force_and_keeps_its_mode(content, both, target):
    target.write_bytes(b"other")
    target.chmod(0o640)

    with pytest.raises(errors.Conflict, match=r"target.conf: has other content; force replaces it"):
        both(download, get, target)
    assert target.read_bytes() == b"other"

    done = both(download, get, target, force=True)
    assert done.changed
    assert target.read_bytes() == CONTENT
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_link_stays_one(content, both, target):
    link = target.with_name("link")
    link.symlink_to(target)

    both(download, get, link)

    assert link.is_symlink()
    assert target.read_bytes() == CONTENT


def test_what_is_no_file_is_written_to(content, both, target):
    os.mkfifo(target)
    found = []
    reader = threading.Thread(target=lambda: found.append(target.read_bytes()))
    reader.start()

    both(download, get, target)
    reader.join()

    assert found == [CONTENT]


def test_a_download_may_go_to_an_open_file(content, both, target):
    with target.open("wb") as opened:
        assert both(download, get, opened).sha256 == SHA256

    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"ETag": f'"{"0" * 64}"'}, errors.Error, f"damaged: its SHA-256 is {SHA256}, not 0000"),
        ({"Content-Length": str(len(CONTENT) + 1)}, errors.Unavailable, "the connection to .* broke"),
    ],
    ids=["damaged", "cut short"],
)
def test_what_does_not_come_as_it_should_leaves_the_file_as_it_was(
    controller, both, target, change, kind, message
):
    target.parent.mkdir()
    target.write_bytes(b"before")
    frames = [CONTENT]
    controller.streams("/api/file/a/content", *frames)
    controller.answers["GET", "/api/file/a/content"][0].headers = change

    with pytest.raises(kind, match=message):
        both(download, get, target, force=True)

    assert target.read_bytes() == b"before"
    assert list(target.parent.iterdir()) == [target]


def test_what_is_not_there_is_not_downloaded(both, target):
    target.parent.mkdir()

    with pytest.raises(errors.NotFound, match="nothing is at GET"):
        both(download, get, target)

    assert list(target.parent.iterdir()) == []


def test_a_download_that_is_given_up_leaves_nothing(controller, both, target):
    more = threading.Event()
    target.parent.mkdir()
    controller.streams("/api/file/a/content", CONTENT, more)

    with pytest.raises(KeyError):
        both(download, get, target, told=lambda *_: {}["give up"])
    more.set()

    assert list(target.parent.iterdir()) == []
