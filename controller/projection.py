"""Jobs, indexed in memory: what they are, where they stand, how many of each. Bodies stay on the broker.

Fed by watches of the jobs' and the responses' buckets, and at once by what this controller does itself.
"""

import bisect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

import attrs
import structlog
import trio

from osapi import wire
from osapi.bus import Bucket, CaughtUp, Entry, layout
from osapi.errors import BadInput, NotFound
from osapi.jobs import Answer, Id, Job, Overall, State, overall

log = structlog.get_logger()

KINDS = ("jobs", "cancel", "answers", "lease")
"""What the keys of the two buckets begin with (see `osapi.bus.layout`)."""


@attrs.define(eq=False)
class Record:
    """What is known of one job without reading its bodies.

    `states` has every host it is meant for; of an `_any` job, those that took it. `answers` keeps whole
    answers only while somebody waits for them. `job` is what agents are sent while it is open, `sent` how often they
    were. `done` is set when every state is final. Of an `_any` job, `offered` says that all were asked, `holder` is
    who does it.
    """

    id: str
    operation: str
    target: str
    user: str
    created: datetime
    expires: datetime
    any_host: bool
    revision: int
    hostnames: dict[str, str]
    states: dict[str, State]
    tally: Counter[State]
    job: Job | None = None
    overall: Overall = Overall.SUBMITTED
    updated: datetime | None = None
    cancelled: bool = False
    offered: bool = False
    sent: int = 0
    holder: str | None = None
    answers: dict[str, Answer] | None = None
    done: trio.Event = attrs.field(factory=trio.Event)
    nudge: trio.Event = attrs.field(factory=trio.Event)

    @property
    def order(self) -> tuple[float, str]:
        """By time, then by id: what lists are sorted by and cursors hold."""
        return self.created.timestamp(), self.id

    @property
    def final(self) -> bool:
        return self.done.is_set()

    @property
    def open_hosts(self) -> list[str]:
        """The machine ids of the hosts that have not finished."""
        return [host for host, state in self.states.items() if not state.final]

    def move(self, machine_id: str, state: State) -> None:
        """Note where it is on one host, and so where it is as a whole.

        Counted, not gone through: what the whole is in depends only on which states there are.
        """
        if before := self.states.get(machine_id):
            self.tally[before] -= 1
        self.states[machine_id] = state
        self.tally[state] += 1
        present = {found for found, hosts in self.tally.items() if hosts}
        if self.any_host:
            present = {found for found in present if found.final} or present
        self.overall = overall(present)
        if self.overall not in {Overall.SUBMITTED, Overall.PROCESSING}:
            self.done.set()
            self.job = None
            self.wake()

    def leave(self, machine_id: str) -> None:
        """Forget that a host took it: another is to."""
        if before := self.states.pop(machine_id, None):
            self.tally[before] -= 1

    def wake(self) -> None:
        """Let its driver look at once instead of when its pause is over."""
        self.nudge.set()
        self.nudge = trio.Event()


def record_of(job: Job, revision: int) -> Record:
    hostnames = {host.machine_id: host.hostname for host in job.hosts}
    states = {} if job.any_host else dict.fromkeys(hostnames, State.SUBMITTED)
    return Record(
        id=job.id,
        operation=job.operation,
        target=job.target,
        user=job.user,
        created=job.created,
        expires=job.expires,
        any_host=job.any_host,
        revision=revision,
        hostnames=hostnames,
        states=states,
        tally=Counter(states.values()),
        job=attrs.evolve(job, hosts=[]),  # an agent needs no list of the others, which may be long
    )


@attrs.define
class Jobs:
    """The index. `opened` is called with each record that is not final when it is first seen."""

    records: dict[str, Record] = attrs.field(factory=dict)
    counts: Counter[Overall] = attrs.field(factory=Counter)
    opened: Callable[[Record], None] = attrs.field(default=lambda _: None)
    ended: Callable[[Record], None] = attrs.field(default=lambda _: None)
    answered: Callable[[Record, Answer], None] = attrs.field(default=lambda *_: None)
    _sorted: list[tuple[float, str]] = attrs.field(factory=list)
    loading: bool = True
    """Whether what was on the broker at the start is still being read."""
    applied: dict[str, int] = attrs.field(factory=dict)
    """The revisions up to which definitions (`jobs`) and answers (`responses`) are in here."""

    def find(self, job_id: str) -> Record:
        try:
            return self.records[job_id.lower()]
        except KeyError:
            raise NotFound(
                f"no job {job_id} is known; it was never made, was deleted, or is past its keep"
            ) from None

    def newest(self, status: Overall | None, after: tuple[float, str] | None = None) -> Iterator[Record]:
        """Records from the newest to the oldest, those older than `after`, in one status or all."""
        end = len(self._sorted) if after is None else bisect.bisect_left(self._sorted, after)
        for i in range(end - 1, -1, -1):
            record = self.records[self._sorted[i][1]]
            if status is None or record.overall is status:
                yield record

    def add(self, job: Job, revision: int) -> Record:
        """Take in a definition; the record that is there already, where it is."""
        if job.id in self.records:
            return self.records[job.id]
        record = self.records[job.id] = record_of(job, revision)
        bisect.insort(self._sorted, record.order)
        self.counts[record.overall] += 1
        if not self.loading:
            self.opened(record)
        return record

    def remove(self, job_id: str) -> None:
        record = self.records.pop(job_id, None)
        if record:
            del self._sorted[bisect.bisect_left(self._sorted, record.order)]
            self.counts[record.overall] -= 1
            record.done.set()
            record.wake()

    def apply_answer(self, answer: Answer) -> None:
        """Take in how a job ended on one host; the same answer again changes nothing."""
        record = self.records.get(answer.job_id)
        if record is None or record.states.get(answer.machine_id) is answer.state:
            return
        record.hostnames[answer.machine_id] = answer.hostname
        record.updated = answer.finished
        if record.answers is not None:
            record.answers[answer.machine_id] = answer
        was_final = record.final
        self.move(record, answer.machine_id, answer.state)
        if not self.loading:
            self.answered(record, answer)
            if record.final and not was_final:
                self.ended(record)

    def move(self, record: Record, machine_id: str, state: State) -> None:
        """Note where a job is on one host; a final state is only replaced by another."""
        before = record.states.get(machine_id)
        if before and before.final and not state.final:
            return
        self.counts[record.overall] -= 1
        record.move(machine_id, state)
        self.counts[record.overall] += 1

    def loaded(self) -> None:
        """All that was on the broker has been read: what is open is driven from here on."""
        if not self.loading:
            return
        self.loading = False
        for record in list(self.records.values()):
            if not record.final:
                self.opened(record)

    def apply(self, entry: Entry) -> None:
        """Take in one revision of a key of the jobs' or the responses' bucket."""
        kind, _, rest = entry.key.partition(".")
        try:
            if kind == "jobs":
                self._definition(rest, entry)
            elif kind == "cancel" and entry.value is not None and rest in self.records:
                self.records[rest].cancelled = True
                self.records[rest].wake()
            elif kind == "lease" and rest in self.records:
                self._lease(self.records[rest], entry.value)
            elif kind == "answers" and entry.value is not None:
                self._answer(rest, entry.value)
            elif kind not in KINDS:
                _pass_over(entry, f"no key of ours; those begin with {', '.join(KINDS)}")
        except BadInput as error:
            _pass_over(entry, str(error))

    def _answer(self, key: str, value: bytes) -> None:
        answer = wire.decode(Answer, value)
        if f"{answer.job_id}.{answer.machine_id}" != key:
            raise BadInput(f"it is that of {answer.machine_id} to {answer.job_id}")
        self.apply_answer(answer)

    def _lease(self, record: Record, value: bytes | None) -> None:
        """Note who does an `_any` job; who only offered to does not count from here on."""
        record.holder = wire.convert(Id, value.decode(errors="replace")) if value else None
        if record.holder and not record.final:
            for host in set(record.open_hosts) - {record.holder}:
                record.leave(host)
            if record.holder not in record.states:
                self.move(record, record.holder, State.ACCEPTED)

    def _definition(self, job_id: str, entry: Entry) -> None:
        if entry.value is None:
            self.remove(job_id)
        elif job_id not in self.records:  # else it is one of this controller's own, or seen before
            job = wire.decode(Job, entry.value)
            if job.id != job_id:
                raise BadInput(f"id: {job.id} is not the job of the key", "id")
            if not job.hosts:
                raise BadInput("hosts: empty", "hosts")
            self.add(job, entry.revision)


def _pass_over(entry: Entry, reason: str) -> None:
    log.warning("an entry that cannot be read was passed over", key=entry.key, error=reason)


async def follow_jobs(bucket: Bucket, jobs: Jobs, task_status: trio.TaskStatus[None]) -> None:
    """Feed the index with definitions, for ever; started once all that was there has been read."""
    async with bucket.watch() as watch:
        async for seen in watch:
            if isinstance(seen, CaughtUp):
                task_status.started()
            else:
                jobs.apply(seen)
                jobs.applied["jobs"] = seen.revision


async def follow_answers(
    definitions: Bucket, answers: Bucket, jobs: Jobs, task_status: trio.TaskStatus[None]
) -> None:
    """Feed the index with answers; one to a job that another controller made may come before its definition."""
    async with answers.watch() as watch:
        async for seen in watch:
            if isinstance(seen, CaughtUp):
                jobs.loaded()
                task_status.started()
                continue
            if seen.value is not None and not jobs.loading:
                await know(definitions, jobs, "".join(seen.key.split(".")[1:2]))
                await trio.lowlevel.checkpoint()  # events that came before an answer are told before its end
            jobs.apply(seen)
            jobs.applied["responses"] = seen.revision


async def know(definitions: Bucket, jobs: Jobs, job_id: str) -> None:
    """Read the definition of a job that is not known yet, where there is one."""
    if job_id in jobs.records:
        return
    with suppress(BadInput):  # of a key that is none of ours, `apply` tells
        if definition := await definitions.get(layout.job(job_id)):
            jobs.apply(definition)
