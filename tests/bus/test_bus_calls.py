"""Messages on a real broker: published, asked, answered, shared out; and calls that end before their answer."""

import asyncio

import pytest
import trio
from structlog.testing import capture_logs

from osapi.bus import BucketSpec, NoResponders
from osapi.bus.bridge import UNREAD
from osapi.errors import BadInput, TooLarge, Unavailable


async def test_what_is_published_arrives_with_reply_and_headers(bus):
    async with bus.subscribe("jobs.*") as messages:
        await bus.publish("jobs.a", b"hello", reply="answers.1", headers={"Trace": "x y"})

        message = await messages.receive()

    assert (message.subject, message.data, message.reply) == ("jobs.a", b"hello", "answers.1")
    assert message.headers["Trace"] == "x y"


async def test_a_request_gets_its_answer(bus, nursery):
    async def answer(task_status):
        async with bus.subscribe("ask.*") as requests:
            task_status.started()
            async for request in requests:
                await bus.publish(request.reply, request.data.upper())

    await nursery.start(answer)
    answers = {}

    async def ask(word):
        answers[word] = (await bus.request(f"ask.{word}", word.encode(), timeout=5)).data

    async with trio.open_nursery() as asking:
        for i in range(200):
            asking.start_soon(ask, f"word{i}")

    assert answers == {f"word{i}": f"WORD{i}".encode() for i in range(200)}


async def test_a_request_to_nobody_fails_at_once(bus):
    with pytest.raises(NoResponders, match="nobody listens to nowhere"), trio.fail_after(10):
        await bus.request("nowhere", b"", timeout=60)


async def test_a_request_that_is_not_answered_ends_in_time(bus):
    async with bus.subscribe("silent"):
        with pytest.raises(Unavailable, match=r"silent: no answer within 0\.2 s"):
            await bus.request("silent", b"", timeout=0.2)


async def test_a_message_goes_to_one_of_a_queue_group_and_to_each_other_subscriber(bus, until):
    async with (
        bus.subscribe("work", queue="agents") as first,
        bus.subscribe("work", queue="agents") as second,
        bus.subscribe("work") as witness,
    ):
        for i in range(200):
            await bus.publish("work", b"%d" % i)
        await bus.flush()
        await until(lambda: witness.statistics().current_buffer_used == 200)
        await until(lambda: _buffered(first) + _buffered(second) == 200)

        taken = sorted(int(channel.receive_nowait().data) for channel in _each(first, second))

    assert taken == list(range(200))
    assert _buffered(first) + _buffered(second) == 0


def _buffered(channel):
    return channel.statistics().current_buffer_used


def _each(*channels):
    return [channel for channel in channels for _ in range(_buffered(channel))]


async def test_messages_of_one_publisher_stay_in_order(bus):
    async with bus.subscribe("log") as messages:
        for i in range(5000):
            await bus.publish("log", b"%d" % i)

        received = [int((await messages.receive()).data) for _ in range(5000)]

    assert received == list(range(5000))


async def test_a_slow_subscriber_loses_messages_and_that_is_said(bus, until):
    many = UNREAD + 10
    async with bus.subscribe("flood") as messages:
        with capture_logs() as logs:
            for _ in range(many):
                await bus.publish("flood", b"")
            await bus.flush()
            await until(lambda: logs)

        assert _buffered(messages) == UNREAD
    assert [(entry["event"], entry["subject"]) for entry in logs] == [
        ("a slow subscriber loses messages", "flood")
    ]


async def test_subjects_and_headers_cannot_smuggle_commands(bus):
    for subject in ("", "a b", "a\r\nPUB b 0", "a..b", ".a", "a."):
        with pytest.raises(BadInput, match="is no subject"):
            await bus.publish(subject, b"")
    with pytest.raises(BadInput, match="is no name of a header"):
        await bus.publish("a", b"", headers={"A\r\nB": "c"})
    with pytest.raises(BadInput, match="is no subject"):
        async with bus.subscribe("a b"):
            pass

    await bus.publish("a", b"", headers={"A": "b\r\nC: d"})
    await bus.flush()
    assert bus.connected


async def test_a_message_above_the_limit_is_refused_and_the_connection_stays(bus):
    with pytest.raises(TooLarge, match="the broker takes at most"):
        await bus.publish("a", b"x" * (bus.server.max_payload + 1))
    with pytest.raises(TooLarge, match="the broker takes at most"):
        await bus.publish("a", b"x" * bus.server.max_payload, headers={"A": "b"})

    await bus.publish("a", b"x" * bus.server.max_payload)
    await bus.flush()
    assert bus.connected


async def test_two_thousand_cancelled_requests_leave_nothing(bus, until):
    bucket = await bus.bucket(BucketSpec(name="things"))
    async with bus.subscribe("silent"):
        await bus.flush()
        tasks = len(asyncio.all_tasks(bus._connection._loop))

        async with trio.open_nursery() as nursery:
            for _ in range(2000):
                nursery.start_soon(lambda: bus.request("silent", b"x", timeout=60))
            await until(lambda: len(bus._calls) == 2000)
            nursery.cancel_scope.cancel()

        assert bus._calls == {}
        await bus.flush()
        assert bus._connection.unsent == 0
        assert len(asyncio.all_tasks(bus._connection._loop)) == tasks
        assert bus._connection.client._resp_map == {}
    assert await bucket.put("works", b"still") == 1


async def test_a_call_cancelled_before_it_was_sent_is_not_sent(bus):
    async with bus.subscribe("work") as work:
        with trio.CancelScope() as scope:
            scope.cancel()
            await bus.request("work", b"too late", timeout=5)
        await bus.publish("work", b"in time")

        assert (await work.receive()).data == b"in time"


async def test_cancelling_a_flush_does_no_harm(bus):
    for _ in range(20):
        with trio.move_on_after(0):
            await bus.flush()

    await bus.flush()
    async with bus.subscribe("a") as messages:
        await bus.publish("a", b"x")
        assert (await messages.receive()).data == b"x"
