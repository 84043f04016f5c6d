"""Files on a host: shown and read."""

import os
import tracemalloc
from base64 import b64decode
from datetime import UTC, datetime

import attrs
import pytest
from deploying import done, failed, on_disk, sha

from agent.host import Host
from osapi.operations import file

MIB = 1024 * 1024
CONF = "/etc/app/app.conf"


@pytest.fixture
def app(host):
    """The host, with a configuration."""
    host.has({CONF: "port = 80\nname = é\n"})
    on_disk(host, CONF).chmod(0o640)
    return host


async def test_stat_shows_a_file(app):
    os.utime(on_disk(app, CONF), (0, 1_700_000_000))

    found = await done(app, file.Stat(path=CONF))

    assert found == file.FileStat(
        path=CONF, type="file", size=20, mode="0640", owner=found.owner, group=found.group,
        uid=os.geteuid(), gid=os.getegid(), modified=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        is_dir=False, is_link=False, checksum=sha(on_disk(app, CONF).read_bytes()),
    )  # fmt: skip
    assert found.owner


async def test_stat_shows_a_folder_with_all_its_bits(app):
    on_disk(app, "/etc/app").chmod(0o2750)

    found = await done(app, file.Stat(path="/etc/app"))

    assert (found.type, found.mode, found.is_dir, found.checksum) == ("directory", "2750", True, None)


async def test_stat_shows_a_link_or_what_it_leads_to(app):
    on_disk(app, "/etc/current").symlink_to("app/app.conf")

    link = await done(app, file.Stat(path="/etc/current"))
    behind = await done(app, file.Stat(path="/etc/current", follow=True))

    assert (link.type, link.is_link, link.target, link.checksum) == ("link", True, "app/app.conf", None)
    assert (behind.type, behind.is_link, behind.target, behind.size) == ("file", False, None, 20)


async def test_stat_of_a_pipe_does_not_wait_for_it(app):
    os.mkfifo(on_disk(app, "/etc/pipe"))

    found = await done(app, file.Stat(path="/etc/pipe"))

    assert (found.type, found.checksum) == ("other", None)


async def test_stat_of_nothing_is_not_found(app):
    on_disk(app, "/etc/nowhere").symlink_to("gone")

    assert "/etc/none" in await failed(app, file.Stat(path="/etc/none"), "not_found")
    assert "/etc/nowhere" in await failed(app, file.Stat(path="/etc/nowhere", follow=True), "not_found")
    assert (await done(app, file.Stat(path="/etc/nowhere"))).target == "gone"


@attrs.frozen(kw_only=True, eq=False)
class Odd(Host):
    """A host whose files are of another time, as some file systems have them."""

    modified: float

    async def stat(self, name, *, follow=True):
        return attrs.evolve(await super().stat(name, follow=follow), modified=self.modified)


@pytest.mark.parametrize(("seconds", "year"), [(-86400, 1969), (-1e18, 1), (2**63, 9999)])
async def test_stat_shows_times_far_away(app, seconds, year):
    found = await done(Odd(root=app.root, modified=seconds), file.Stat(path=CONF))

    assert found.modified.year == year


async def read(host, **given):
    found = await done(host, file.Read(path=CONF, **given))
    return found.content, found.first, found.lines, found.more


async def test_read_tells_a_text_as_it_is(app):
    found = await done(app, file.Read(path=CONF))

    assert found == file.FileContent(
        path=CONF, content="port = 80\nname = é\n", encoding="utf-8", size=20, binary=False, first=1, lines=2
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"limit": 1}, ("a\n", 1, 1, True)),
        ({"offset": 1}, ("b\r\n\nd", 2, 3, False)),
        ({"offset": 1, "limit": 1}, ("b\r\n", 2, 1, True)),
        ({"offset": 2, "limit": 2}, ("\nd", 3, 2, False)),
        ({"limit": 4}, ("a\nb\r\n\nd", 1, 4, False)),
        ({"limit": 3}, ("a\nb\r\n\n", 1, 3, True)),
        ({"offset": 4}, ("", 5, 0, False)),
        ({"offset": 10**18, "limit": 10**18}, ("", 10**18 + 1, 0, False)),
    ],
)
async def test_read_tells_some_lines(app, given, expected):
    on_disk(app, CONF).write_bytes(b"a\nb\r\n\nd")

    assert await read(app, **given) == expected


async def test_read_of_an_empty_file_is_an_empty_text(app):
    on_disk(app, CONF).write_bytes(b"")

    assert await read(app) == ("", 1, 0, False)


@pytest.mark.parametrize(("content", "why"), [(b"a\0b", "NUL"), (b"gr\xfc\xdfe", "not UTF-8 at byte 2")])
async def test_what_is_no_text_is_read_as_base64(app, content, why):
    on_disk(app, CONF).write_bytes(content)

    message = await failed(app, file.Read(path=CONF), "refused")
    found = await done(app, file.Read(path=CONF, encoding="base64"))

    assert why in message
    assert "base64" in message
    assert (b64decode(found.content), found.binary, found.encoding) == (content, True, "base64")
    assert (found.size, found.first, found.lines) == (len(content), None, None)


async def test_a_text_may_be_read_as_base64_as_a_whole(app):
    found = await done(app, file.Read(path=CONF, encoding="base64"))

    assert (b64decode(found.content), found.binary) == (on_disk(app, CONF).read_bytes(), False)
    assert await failed(app, file.Read(path=CONF, encoding="base64", limit=1), "bad_input")
    assert await failed(app, file.Read(path=CONF, encoding="base64", offset=1), "bad_input")


async def test_more_than_an_answer_holds_is_refused_with_its_size(app):
    on_disk(app, CONF).write_bytes(b"x" * MIB)
    assert (await read(app))[1:] == (1, 1, False)

    on_disk(app, CONF).write_bytes(b"x" * (MIB + 1))
    text = await failed(app, file.Read(path=CONF), "refused")
    encoded = await failed(app, file.Read(path=CONF, encoding="base64"), "refused")

    assert "offset and limit" in text
    assert "1048577 bytes" in text
    assert "1048577 bytes" in encoded


async def test_lines_of_a_huge_file_are_read_with_flat_memory(app):
    with on_disk(app, CONF).open("wb") as huge:
        for start in range(0, 2_000_000, 100_000):
            huge.write(b"".join(b"line %d\n" % number for number in range(start, start + 100_000)))

    tracemalloc.start()
    found = await read(app, offset=1_999_997, limit=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found == ("line 1999997\nline 1999998\n", 1_999_998, 2, True)
    assert peak < 8 * MIB


@pytest.mark.parametrize(("path", "code"), [("/etc/none", "not_found"), ("/etc/app", "refused")])
@pytest.mark.parametrize("encoding", ["utf-8", "base64"])
async def test_only_files_are_read(app, path, code, encoding):
    assert path in await failed(app, file.Read(path=path, encoding=encoding), code)
