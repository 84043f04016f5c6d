"""Files of any size that arrive in pieces, are checked, and only then take their place."""

import os
import tracemalloc
from contextlib import aclosing, asynccontextmanager
from functools import partial
from hashlib import sha256

import attrs
import pytest
import trio

from agent.files import PIECE, Attributes
from agent.host import Host
from agent.plan import HELD
from osapi.errors import NotFound, OperationError, Refused, Unavailable

MIB = 1024 * 1024
DATA = os.urandom(3 * PIECE // 2)


@pytest.fixture
def root(tmp_path):
    found = tmp_path / "root"
    (found / "etc").mkdir(parents=True)
    return found


@pytest.fixture
def host(root):
    return Host(root=root)


class Source:
    """What another machine has; counts how often it is asked for it."""

    def __init__(self, *pieces, breaks=None):
        self.pieces, self.breaks, self.opened = pieces, breaks, 0

    @asynccontextmanager
    async def __call__(self):
        self.opened += 1

        async def coming():
            for piece in self.pieces:
                await trio.lowlevel.checkpoint()
                yield piece
            if self.breaks:
                raise self.breaks

        async with aclosing(coming()) as pieces:
            yield pieces

    @property
    def data(self):
        return b"".join(self.pieces)

    async def received(self, host, name="/etc/app", wanted=Attributes(), **more):  # noqa: B008 - frozen
        given = {"size": len(self.data), **more}
        return await host.receive(name, self, sha256(self.data).hexdigest(), wanted, **given)


async def test_what_arrives_in_pieces_is_put_together(host, root):
    source = Source(DATA[:10], b"", DATA[10:PIECE], DATA[PIECE:])

    changed = await source.received(host)

    assert (changed, (root / "etc/app").read_bytes()) == (True, DATA)
    assert await host.digest("/etc/app") == sha256(DATA).hexdigest()


@pytest.mark.parametrize("data", [b"", b"x"])
async def test_what_is_there_already_is_not_asked_for(host, data):
    source = Source(data)
    await source.received(host)

    changes = [await source.received(host), await source.received(host, wanted=Attributes(mode=0o600))]

    assert (changes, source.opened) == ([False, True], 1)
    assert (await host.stat("/etc/app")).mode == 0o600


@pytest.mark.parametrize("dry", [False, True])
@pytest.mark.parametrize(
    ("pieces", "told"),
    [((b"other",), "SHA-256 {other} and 5 bytes, not {wanted} and 5"), ((b"wan",), "not {wanted} and 5")],
)
async def test_what_is_not_what_it_should_be_changes_nothing(host, root, dry, pieces, told):
    await host.write("/etc/app", "before")
    given = attrs.evolve(host, dry=dry)
    digests = {"wanted": sha256(b"wante").hexdigest(), "other": sha256(b"other").hexdigest()}

    with pytest.raises(OperationError) as failed:
        await given.receive("/etc/app", Source(*pieces), digests["wanted"], size=5)

    assert told.format(**digests) in str(failed.value)
    assert [(path.name, path.read_text()) for path in (root / "etc").iterdir()] == [("app", "before")]
    assert not given.plan or not given.plan.files


@pytest.mark.parametrize("dry", [False, True])
async def test_folders_that_were_made_for_nothing_go_again(host, root, dry):
    given = attrs.evolve(host, dry=dry)

    with pytest.raises(OperationError, match="is left as it was"):
        await given.receive("/srv/app/x", Source(b"other"), "0" * 64, size=5)

    assert [path.name for path in root.iterdir()] == ["etc"]
    assert not given.plan or not given.plan.files


async def test_two_at_once_do_not_take_each_others_drafts_for_abandoned(host, root):
    slow = Source(DATA)
    send, receive = trio.open_memory_channel(0)

    @asynccontextmanager
    async def waits():
        yield receive

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(host.receive, "/etc/app", waits, sha256(DATA).hexdigest(), size=len(DATA)))
        await send.send(DATA[:PIECE])
        changed = await slow.received(host, wanted=Attributes(mode=0o600))
        await send.send(DATA[PIECE:])
        await send.aclose()

    assert changed
    assert [(path.name, path.read_bytes()) for path in (root / "etc").iterdir()] == [("app", DATA)]


async def test_more_than_was_told_is_not_taken(host, root):
    source = Source(*[b"x" * PIECE] * 8)
    full = sha256(source.data).hexdigest()

    with pytest.raises(OperationError, match=f"more came than the {PIECE} bytes of SHA-256 {full}"):
        await source.received(host, size=PIECE)

    assert list((root / "etc").iterdir()) == []


@pytest.mark.parametrize("breaks", [Unavailable("the broker is away"), OSError("broken")])
async def test_a_source_that_breaks_off_leaves_the_file_as_it_was(host, root, breaks):
    await host.write("/etc/app", "before")

    with pytest.raises(type(breaks)):
        await Source(DATA, breaks=breaks).received(host)

    assert [(path.name, path.read_text()) for path in (root / "etc").iterdir()] == [("app", "before")]


async def test_being_cancelled_leaves_the_file_as_it_was(host, root):
    await host.write("/etc/app", "before")

    with trio.CancelScope() as scope:

        class Cancels(Source):
            @property
            def pieces(self):
                yield DATA
                scope.cancel()
                yield DATA

            @pieces.setter
            def pieces(self, _): ...

        await host.receive("/etc/app", Cancels(), "0" * 64, size=9 * MIB)

    assert scope.cancelled_caught
    assert [(path.name, path.read_text()) for path in (root / "etc").iterdir()] == [("app", "before")]


@pytest.mark.parametrize(
    ("name", "error"), [("/etc", Refused), ("/none/app", NotFound), ("/etc/../app", Refused)]
)
async def test_nothing_is_asked_for_where_it_cannot_be_put(host, name, error):
    source = Source(DATA)

    with pytest.raises(error):
        await source.received(host, name, parents=False)

    assert source.opened == 0


async def test_memory_stays_flat_for_any_size(host):
    piece = bytes(MIB)
    digest = sha256(piece * 64).hexdigest()
    tracemalloc.start()
    try:
        await host.receive("/etc/app", Source(*[piece] * 64), digest, size=64 * MIB)
        async with host.pieces("/etc/app") as pieces:
            sizes = [len(one) async for one in pieces]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (sum(sizes), max(sizes)) == (64 * MIB, PIECE)
    assert peak < 8 * MIB


async def test_what_is_not_there_has_neither_pieces_nor_a_digest(host):
    assert await host.digest("/etc/app") is None
    with pytest.raises(NotFound, match="there is no file /etc/app"):
        async with host.pieces("/etc/app"):
            pass


@pytest.mark.parametrize("act", ["digest", "dry write"])
async def test_reading_much_can_be_cancelled(host, root, act):
    (root / "etc/app").touch()
    os.truncate(root / "etc/app", 1 << 40)
    dry = attrs.evolve(host, dry=True)

    with trio.move_on_after(0.05) as scope:
        await (host.digest("/etc/app") if act == "digest" else dry.write("/etc/app", "x"))

    assert scope.cancelled_caught


async def test_what_is_read_may_be_left_unread(host):
    await host.write("/etc/app", "x" * PIECE * 3)

    async with host.pieces("/etc/app") as pieces:
        first = await anext(aiter(pieces))

    assert first == b"x" * PIECE


async def test_a_dry_run_receives_and_shows_what_would_change(host, root):
    await host.write("/etc/app", "a\n")
    dry = attrs.evolve(host, dry=True)
    source = Source(b"a\n", b"b\n")

    changes = [await source.received(dry) for _ in range(2)]

    assert (changes, source.opened, (root / "etc/app").read_text()) == ([True, False], 1, "a\n")
    assert await dry.read("/etc/app") == "a\nb\n"
    [plan] = dry.plan.files
    assert plan.diff == "--- /etc/app\n+++ /etc/app\n@@ -1 +1,2 @@\n a\n+b\n"


async def test_a_dry_run_tells_digest_and_size_of_what_is_large(host):
    await host.write("/etc/app", "a\n")
    dry = attrs.evolve(host, dry=True)
    source = Source(*[b"x" * PIECE] * (HELD // PIECE), b"x")

    await source.received(dry)

    [plan] = dry.plan.files
    old, new = sha256(b"a\n").hexdigest(), sha256(source.data).hexdigest()
    assert plan.diff == (
        f"Files /etc/app and /etc/app differ\n-sha256 {old}, 2 bytes\n+sha256 {new}, {HELD + 1} bytes\n"
    )
    assert (await dry.digest("/etc/app"), (await dry.stat("/etc/app")).size) == (new, HELD + 1)
    with pytest.raises(OperationError, match="a dry run does not hold"):
        await dry.read("/etc/app")
