"""A backup against a real broker: what fails half way leaves nothing."""

from datetime import UTC, datetime

import attrs
import pytest

from osapi.backup.archive import Archive, Manifest, Writer
from osapi.backup.contents import streams
from osapi.backup.keys import Keyring
from osapi.backup.restoring import plan, restore
from osapi.backup.taking import take
from osapi.bus.layout import specs
from osapi.config import Config
from osapi.errors import ConfigError, Conflict, Error

SPECS = specs(Config(), "")


def silent(_name, _done):
    """Nobody hears."""


@pytest.fixture
async def file(bus, tmp_path):
    """A backup of two buckets with something in them, which are gone after it."""
    path = tmp_path / "a.backup"
    for spec in (SPECS.jobs, SPECS.state):
        await (await bus.bucket(spec)).put("key", b"value")
    await take(bus, SPECS, path, told=silent)
    for name in ("KV_job-queue", "KV_agent-state"):
        await bus.streams.remove(name)
    return path


@pytest.fixture
def ring(tmp_path):
    return Keyring({"state": tmp_path / "state"})


async def there(bus):
    return [name for name in streams(SPECS, frozenset()) if await bus.streams.find(name)]


async def put_back(bus, file, ring, **how):
    with Archive(file, lambda: "") as archive:
        found = await plan(bus, SPECS, archive, ring, silent)
        await restore(bus, SPECS, archive, ring, found, **{"saved": None, "told": silent, **how})


def respelled(file, change):
    """The same backup, whose manifest says something else."""
    with Archive(file, lambda: "") as archive, Writer(file.with_name("b.backup"), None) as writer:
        parts = []
        for part in archive.manifest.parts:
            writer.begin(part.name)
            for piece in archive.pieces(part.name):
                writer.write(piece)
            parts.append(change(writer.end(config=part.config, state=part.state)))
        writer.finish(Manifest(made=datetime.now(UTC), version="1", parts=parts))
    return file.with_name("b.backup")


async def test_it_comes_back_as_it_was(bus, file, ring):
    await put_back(bus, file, ring)

    assert await there(bus) == ["KV_job-queue", "KV_agent-state"]
    assert (await (await bus.bucket(SPECS.state)).get("key")).value == b"value"


async def test_where_a_later_stream_fails_the_earlier_ones_are_removed_again(bus, file, ring):
    def refuse_state(part):
        return (
            attrs.evolve(part, config=part.config | {"num_replicas": 1, "storage": "tape"})
            if "state" in part.name
            else part
        )

    with pytest.raises(Error):
        await put_back(bus, respelled(file, refuse_state), ring)

    assert await there(bus) == []


async def test_where_it_fails_what_was_there_is_in_a_file_that_can_be_restored(bus, file, ring, tmp_path):
    saved = tmp_path / "before.backup"
    await (await bus.bucket(SPECS.jobs)).put("other", b"before")

    def refuse(part):
        return attrs.evolve(part, state=part.state | {"last_seq": 99})

    with pytest.raises(Conflict, match="--force saves them to a file"):
        await put_back(bus, respelled(file, refuse), ring)
    with pytest.raises(Error, match=r"what was there is in .*before.backup"):
        await put_back(bus, file.with_name("b.backup"), ring, saved=saved)
    await put_back(bus, saved, ring)

    assert (await (await bus.bucket(SPECS.jobs)).get("other")).value == b"before"


async def test_a_backup_of_other_names_is_refused(bus, file, ring):
    elsewhere = specs(Config(), "other")

    with (
        Archive(file, lambda: "") as archive,
        pytest.raises(ConfigError, match="KV_job-queue, KV_agent-state is in it"),
    ):
        await plan(bus, elsewhere, archive, ring, silent)


async def test_nothing_is_restored_under_agents_that_beat(bus, file, ring):
    await (await bus.bucket(SPECS.registry)).put("agents.machine-1", b"{}")

    with pytest.raises(Conflict, match=r"agents.machine-1: still there. They must be stopped"):
        await put_back(bus, file, ring)

    assert await there(bus) == ["KV_agent-registry"]
