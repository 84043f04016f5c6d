"""Many messages to or from one stream in little time: some are in flight, so that nobody waits for each.

Source: NATS ADR-31 (direct get, in batches).
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import attrs
import msgspec

from osapi.bus import Message
from osapi.bus.ordered import Mailbox
from osapi.bus.streams import STATUS, TIMEOUT, Connection, Stream

AHEAD = 1024 * 1024
"""Bytes in flight at once, or one message where that is longer."""

END_OF_BATCH = "204"


@attrs.define(eq=False)
class Pipeline:
    """Requests that are sent in order, at most `most` of them unanswered; see `pipeline`."""

    _connection: Connection
    _most: int
    _inbox: str
    _mailbox: Mailbox
    _unanswered: int = attrs.field(default=0, init=False)

    async def ask(self, subject: str, data: bytes) -> list[Message]:
        """Send one as soon as there is room for it; the answers that have come meanwhile."""
        answers: list[Message] = []
        while self._unanswered >= self._most:
            answers += await self._take()
        await self._connection.publish(subject, data, reply=self._inbox)
        self._unanswered += 1
        return answers

    async def rest(self) -> list[Message]:
        """The answers that are still awaited; `Unavailable` where they do not come."""
        answers: list[Message] = []
        while self._unanswered:
            answers += await self._take()
        return answers

    async def _take(self) -> list[Message]:
        answers = await self._mailbox.receive(TIMEOUT)
        self._unanswered -= len(answers)
        return answers


@contextmanager
def pipeline(connection: Connection, most: int) -> Generator[Pipeline]:
    """A pipeline to any subjects; once the broker was away, it ends with `Unavailable`."""
    mailbox, inbox = Mailbox(), connection.inbox()
    with connection.listening(inbox, mailbox.deliver, mailbox.interrupt):
        yield Pipeline(connection, most, inbox, mailbox)


async def following(stream: Stream, subject: str, sequence: int) -> list[Message]:
    """The next messages of a subject at or after a sequence, of AHEAD bytes together; none where there is none.

    Any replica answers; what that one has not got yet, the leader has.
    """
    query = {"seq": sequence, "next_by_subj": subject}
    found = await _batch(stream, query)
    if not found and stream.config["num_replicas"] > 1:
        message = await stream.of_the_leader(query)
        found = [] if message is None else [message]
    return found


async def _batch(stream: Stream, query: Mapping[str, object]) -> list[Message]:
    mailbox, inbox = Mailbox(), stream.connection.inbox()
    asked = msgspec.json.encode({**query, "batch": AHEAD, "max_bytes": AHEAD})
    found: list[Message] = []
    with stream.connection.listening(inbox, mailbox.deliver, mailbox.interrupt):
        await stream.connection.publish(f"$JS.API.DIRECT.GET.{stream.name}", asked, reply=inbox)
        while True:
            for answer in await mailbox.receive(TIMEOUT):
                if answer.headers.get(STATUS) == END_OF_BATCH:
                    return found
                message = stream.direct(answer)
                if message is None:
                    return found
                found.append(message)
