"""Keys and values on a real broker."""

import time

import pytest
import trio
from structlog.testing import capture_logs

from osapi.bus import AlreadyExists, BucketSpec, Stale
from osapi.errors import BadInput, ConfigError, TooLarge, Unavailable


async def test_what_was_put_is_read_back_with_its_revision(bucket):
    first = await bucket.put("hosts.a", b"one")
    second = await bucket.put("hosts.a", b"two")

    entry = await bucket.get("hosts.a")

    assert second > first
    assert (entry.key, entry.value, entry.revision) == ("hosts.a", b"two", second)
    assert abs(entry.created - time.time()) < 60


async def test_a_key_that_was_never_put_or_was_deleted_is_none(bucket):
    await bucket.put("gone", b"x")

    await bucket.delete("gone")

    assert await bucket.get("gone") is None
    assert await bucket.get("never") is None


async def test_an_empty_value_is_a_value(bucket):
    await bucket.put("empty", b"")

    assert (await bucket.get("empty")).value == b""


async def test_create_refuses_what_exists_and_takes_what_was_deleted(bucket):
    await bucket.create("lease", b"a")
    with pytest.raises(AlreadyExists, match="lease exists in things"):
        await bucket.create("lease", b"b")

    await bucket.delete("lease")
    await bucket.create("lease", b"c")

    assert (await bucket.get("lease")).value == b"c"


async def test_only_one_of_many_creators_wins(bucket):
    won = []

    async def create(number):
        try:
            await bucket.create("lease", str(number).encode())
        except AlreadyExists:
            return
        won.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(create, number)

    assert [str(number).encode() for number in won] == [(await bucket.get("lease")).value]


async def test_update_needs_the_revision_it_was_read_at(bucket):
    revision = await bucket.put("state", b"a")
    after = await bucket.update("state", b"b", revision)

    with pytest.raises(Stale, match="state"):
        await bucket.update("state", b"c", revision)

    entry = await bucket.get("state")
    assert (entry.value, entry.revision) == (b"b", after)


async def test_a_key_expires_after_the_time_of_its_bucket_and_can_be_created_again(bus, until):
    bucket = await bus.bucket(BucketSpec(name="beats", ttl=1))
    await bucket.create("a", b"x")

    await until(lambda: _is_gone(bucket, "a"))

    assert await bucket.create("a", b"y") > 1


async def _is_gone(bucket, key):
    return await bucket.get(key) is None


async def test_keys_that_are_no_keys_are_refused(bucket):
    for key in ("", "a b", "a..b", ".a", "a.", "a.*", ">", "a\r\nPUB x", "ä"):
        with pytest.raises(BadInput, match="is no key"):
            await bucket.put(key, b"")


async def test_a_value_above_the_limit_of_the_broker_is_refused_before_it_is_sent(bus, bucket):
    most = bus.server.max_payload

    with pytest.raises(TooLarge, match=f"at most {most}"):
        await bucket.put("big", b"x" * (most + 1))

    await bucket.put("fits", b"x" * most)
    assert len((await bucket.get("fits")).value) == most
    assert bus.connected


async def test_a_full_bucket_refuses_or_gives_up_its_oldest(bus):
    strict = await bus.bucket(BucketSpec(name="strict", max_bytes=2000))
    loose = await bus.bucket(BucketSpec(name="loose", max_bytes=2000, evict=True))

    async def fill(bucket):
        for i in range(10):
            await bucket.put(f"k{i}", b"x" * 500)

    with pytest.raises(Unavailable, match="full"):
        await fill(strict)
    await fill(loose)

    assert await strict.get("k0")
    assert not await loose.get("k0")
    assert await loose.get("k9")


async def test_usage_counts_keys_and_bytes(bucket):
    for i in range(5):
        await bucket.put(f"k{i}", b"x" * 100)
    await bucket.put("k0", b"y" * 100)

    usage = await bucket.usage()

    assert (usage.name, usage.keys) == ("things", 5)
    assert 500 < usage.bytes < 2000


async def test_a_bucket_is_changed_only_where_it_differs(bus):
    spec = BucketSpec(name="jobs", ttl=60)
    await (await bus.bucket(spec)).put("a", b"x")
    stream = (await bus.bucket(BucketSpec(name="jobs", ttl=120, max_bytes=1_000_000))).stream

    config = (await stream.info()).config

    assert (config["max_age"], config["max_bytes"]) == (120_000_000_000, 1_000_000)
    assert config["allow_direct"]
    assert config["subject_delete_marker_ttl"] > 0
    assert (await (await bus.bucket(spec)).get("a")).value == b"x"


async def test_a_bucket_with_another_storage_is_kept_and_that_is_said(bus):
    await (await bus.bucket(BucketSpec(name="jobs"))).put("a", b"x")

    with capture_logs() as logs:
        bucket = await bus.bucket(BucketSpec(name="jobs", storage="memory", ttl=60))

    assert [(entry["stream"], entry["storage"], entry["wanted"]) for entry in logs] == [
        ("KV_jobs", "file", "memory")
    ]
    assert (await bucket.get("a")).value == b"x"
    assert (await bucket.stream.info()).config["max_age"] == 60_000_000_000


async def test_a_bucket_the_broker_cannot_have_is_an_error_of_configuration(bus):
    with pytest.raises(ConfigError, match="KV_many"):
        await bus.bucket(BucketSpec(name="many", replicas=3))


async def test_a_bucket_in_memory_is_made_again_after_the_broker_lost_it(broker, bus):
    bucket = await bus.bucket(BucketSpec(name="beats", storage="memory"))
    await bucket.put("a", b"x")
    await broker.restart()
    with trio.fail_after(20):
        await bus.until_connected()

    assert await bucket.get("a") is None
    await bucket.put("a", b"y")

    assert (await bucket.get("a")).value == b"y"
