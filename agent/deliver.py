"""Answers on their way to the broker: again and again until it has them, in the object store where they are big."""

import attrs
import structlog
import trio

from agent.buckets import Buckets
from agent.journal import Journal
from osapi import wire
from osapi.bus import layout
from osapi.errors import Error, TooLarge, Unavailable
from osapi.jobs import NOTHING, Answer, State
from osapi.supervise import Backoff

log = structlog.get_logger()

RETRY = Backoff(first=0.2, most=10.0)


async def deliver(buckets: Buckets, journal: Journal, answer: Answer, *, journalled: bool) -> None:
    """Put an answer into the bucket of responses, however long the broker is away."""
    tries = 0
    while True:
        try:
            await put(buckets, answer)
            break
        except Unavailable as error:
            log.info("an answer waits for the broker", job=answer.job_id, reason=str(error))
        except Error as error:
            log.error("an answer was refused", job=answer.job_id, reason=str(error))
            answer = too_big(answer, str(error))
        tries += 1
        await trio.sleep(RETRY.after(min(tries, 10)))
    if journalled:
        await journal.mark_sent(answer.job_id)


async def put(buckets: Buckets, answer: Answer) -> None:
    key = layout.answer(answer.job_id, answer.machine_id)
    try:
        await buckets.responses.put(key, wire.encode(answer))
    except TooLarge:
        if answer.data == NOTHING:
            raise
        name = layout.result(answer.job_id, answer.machine_id)
        digest = await buckets.objects.put(name, bytes(answer.data))
        elsewhere = attrs.evolve(answer, data=NOTHING, object=f"{name}@{digest}")
        await buckets.responses.put(key, wire.encode(elsewhere))


def too_big(answer: Answer, reason: str) -> Answer:
    """The same end, without the result that the broker does not take: it did happen, so it is not run again."""
    return attrs.evolve(
        answer,
        state=State.FAILED,
        data=NOTHING,
        object=None,
        plan=None,
        code="too_large",
        error=f"it was done, but the result of {len(bytes(answer.data))} bytes was refused: {reason}",
    )
