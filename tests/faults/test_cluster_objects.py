"""Objects in a cluster of three brokers, by way of each of them: nothing is missed, and of those who race one wins."""

import os
from contextlib import suppress

import pytest
import trio
from cluster import cluster

from osapi.bus import BucketSpec, Stale
from osapi.bus.bridge import NatsBus


@pytest.fixture
async def stores(tmp_path, nursery):
    """One object store on all three, as each of them shows it."""
    with cluster(tmp_path) as brokers:
        found = []
        for broker in brokers.brokers.values():
            bus = NatsBus([f"nats://127.0.0.1:{broker.port}"], name="test")
            await nursery.start(bus.run)
            found.append(await bus.objects(BucketSpec(name="files", replicas=3)))
        yield found
        nursery.cancel_scope.cancel()


async def test_what_is_stored_by_way_of_one_broker_is_read_whole_from_each(stores):
    for number in range(10):
        name, data = f"file {number}", os.urandom(700_000)

        await stores[number % 3].put(name, data)

        for store in stores:
            assert await store.get(name) == data


async def test_of_those_who_commit_over_the_same_object_at_once_one_wins(stores):
    won = [0]

    async def race(store, number):
        async with store.draft() as draft:
            await draft.write(b"%d" % number * 1000)
            with suppress(Stale):
                won.append((await draft.commit("contended", revision=before)).revision)

    for contest in range(1, 6):
        before = won[-1]
        async with trio.open_nursery() as nursery:
            for number, store in enumerate(stores * 2):
                nursery.start_soon(race, store, number)
        assert len(won) == contest + 1

    assert len((await stores[0].stream.info(stores[0].chunks(">"))).state.subjects) == 1


async def test_all_who_put_at_once_succeed_and_the_chunks_of_one_are_left(stores):
    async with trio.open_nursery() as nursery:
        for number, store in enumerate(stores * 3):
            nursery.start_soon(store.put, "contended", b"%d" % number * 300_000)

    assert len(set(await stores[0].get("contended"))) == 1
    assert len((await stores[0].stream.info(stores[0].chunks(">"))).state.subjects) == 1
