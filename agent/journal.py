"""What this agent has begun and done, on its own disk, so that a crash never makes it do a thing twice.

One SQLite file, `journal.db` in the agent's state directory. A row is written (and fsynced) before a
modification begins and again, with the answer, when it has ended; `sent` says that the broker has the answer.
Rows are kept for a while after their job has expired: until then the job could still be dispatched.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import attrs
import structlog
import trio

from osapi import wire
from osapi.errors import OperationError
from osapi.jobs import Answer, Job, now

T = TypeVar("T")

log = structlog.get_logger()

KEPT = timedelta(days=1)

SCHEMA = """
create table if not exists journal (
    id text primary key, job blob not null, expires real not null, answer blob, sent integer not null default 0
) strict
"""


@attrs.frozen
class Begun:
    """A modification that was begun; `answer` is None where the agent died in the middle of it."""

    job: Job
    answer: Answer | None
    sent: bool


@attrs.define
class Journal:
    """An open journal; one writer at a time, each write on disk when the call returns."""

    _database: sqlite3.Connection
    _limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))

    @staticmethod
    @contextmanager
    def open(path: Path) -> Iterator["Journal"]:
        """The journal at `path`, made where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = full")
            database.execute(SCHEMA)
            forgotten = (now() - KEPT).timestamp()
            database.execute("delete from journal where expires < ?", (forgotten,))
            yield Journal(database)
        finally:
            database.close()

    async def begin(self, job: Job) -> None:
        """Note that a modification begins. `OperationError` where that cannot be written: then it must not."""
        row = (job.id, wire.encode(job), job.expires.timestamp())
        statement = "insert or replace into journal (id, job, expires) values (?, ?, ?)"
        await self._in_thread(lambda: self._database.execute(statement, row))

    async def finish(self, answer: Answer) -> None:
        """Note how it ended; where that cannot be written, and the agent dies, it is told to be unknown."""
        await self._note("update journal set answer = ? where id = ?", wire.encode(answer), answer.job_id)

    async def mark_sent(self, job_id: str) -> None:
        """Note that the broker has the answer; where that cannot be written, it is sent again some day."""
        await self._note("update journal set sent = 1 where id = ?", job_id)

    async def find(self, job_id: str) -> Begun | None:
        """What is known of a job, if it was begun here."""
        found = await self._select("where id = ?", job_id)
        return found[0] if found else None

    async def unsent(self) -> list[Begun]:
        """What was begun before this agent started, and has no answer on the broker."""
        return await self._select("where sent = 0")

    async def _select(self, where: str, *values: str) -> list[Begun]:
        statement = f"select job, answer, sent from journal {where}"  # noqa: S608 - `where` is one of the two above
        rows = await self._in_thread(lambda: self._database.execute(statement, values).fetchall())
        return [
            Begun(wire.decode(Job, job), wire.decode(Answer, answer) if answer else None, bool(sent))
            for job, answer, sent in rows
        ]

    async def _note(self, statement: str, *row: bytes | str) -> None:
        try:
            await self._in_thread(lambda: self._database.execute(statement, row))
        except OperationError as error:
            log.error("something was not noted", job=row[-1], reason=str(error))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(work, limiter=self._limiter)
        except sqlite3.Error as error:
            raise OperationError(f"the journal of the agent cannot be used: {error}") from None
