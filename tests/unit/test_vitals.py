"""When a component beats, and what it tells of its process."""

from functools import partial

import psutil
import pytest
import trio

from osapi.errors import Unavailable
from osapi.vitals import Meter, keep_beating


@pytest.fixture
def beats():
    """When a beat was sent, in seconds since the first."""
    return []


async def test_it_beats_now_and_then_and_at_once_where_there_is_something_to_tell(
    nursery, autojump_clock, beats
):
    news = trio.Event()

    async def beat():
        beats.append(trio.current_time())

    async def sooner():
        if len(beats) == 2:
            await news.wait()
        else:
            await trio.sleep_forever()

    nursery.start_soon(partial(keep_beating, beat, 10.0, sooner))
    await trio.sleep(13)
    news.set()
    await trio.sleep(25)

    assert [at - beats[0] for at in beats] == [0, 10, 13, 23, 33]
    nursery.cancel_scope.cancel()


async def test_while_the_broker_is_away_it_tries_every_second_whatever_there_is_to_tell(
    nursery, autojump_clock, beats
):
    async def beat():
        beats.append(trio.current_time())
        if len(beats) < 4:
            raise Unavailable("the broker is away")
        await trio.sleep_forever()

    nursery.start_soon(keep_beating, beat, 10.0, trio.lowlevel.checkpoint)
    await trio.sleep(5)
    nursery.cancel_scope.cancel()

    assert [at - beats[0] for at in beats] == [0, 1, 2, 3]


def test_what_is_asked_again_at_once_is_told_the_same():
    meter = Meter(psutil.Process())

    first, second = meter.usage(), meter.usage()

    assert first.rss_bytes > 0
    assert first.cpu_percent == second.cpu_percent == 0.0
