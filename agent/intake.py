"""Jobs as they reach this agent: which it takes, and what becomes of those.

Queries and modifications come on the agent's own subject and, in a queue group, on that of `_any`. Each gets a
reply at once (`Taking`); what is taken runs in `running`, at most `max_jobs` at a time. A job for this very
host waits in line, one for any host is left to an agent that is free. An agent that is drained takes none: it
leaves the queue group, and is busy to all else.
"""

from collections import OrderedDict
from contextlib import suppress
from functools import partial

import attrs
import structlog
import trio

from agent.carry_out import Work, carry_out
from agent.deliver import deliver
from agent.gate import Gate, admitted
from agent.lifecycle import Standing
from agent.traced import ended, origin, processing
from osapi import traceparent, wire
from osapi.bus import Bus, Message
from osapi.bus.layout import Subjects
from osapi.errors import BadInput, Unavailable
from osapi.jobs import Answer, Id, Job, Reply, State, Taking
from osapi.registry import AgentState
from osapi.traceparent import Traceparent

log = structlog.get_logger()

LINE = 1000
"""Jobs for this host that may wait in line."""

REMEMBERED = 1000
"""Queries that ended, and cancellations, whose ids are kept in memory to tell a repetition by."""


@attrs.define
class Intake:
    """The jobs that are here, those that were, and those that must not be."""

    work: Work
    max_jobs: int
    standing: Standing = attrs.field(factory=Standing)
    gate: Gate | None = None
    """What lets in only messages that are signed; None where all are taken."""
    scopes: dict[str, trio.CancelScope] = attrs.field(factory=dict)
    ended: OrderedDict[str, None] = attrs.field(factory=OrderedDict)
    cancelled: OrderedDict[str, None] = attrs.field(factory=OrderedDict)
    slots: trio.CapacityLimiter = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.slots = trio.CapacityLimiter(self.max_jobs)

    async def judge(self, job: Job) -> tuple[Taking, Answer | None]:
        """What to reply, and the answer there is already, to be sent again."""
        if job.id in self.scopes:
            return Taking.RUNNING, None
        if job.id in self.ended:
            return Taking.DONE, None
        if begun := await self.work.journal.find(job.id) if job.modifies else None:
            if begun.answer:
                return Taking.DONE, begun.answer
            if not job.repeatable:
                return Taking.DONE, interrupted(job, self.work)
        if job.id in self.cancelled:
            return Taking.REFUSED, None
        if job.expired(self.work.identity.time()):
            return Taking.EXPIRED, None
        if not self.standing.takes_jobs:
            return Taking.BUSY, None
        room = self.max_jobs if job.any_host else self.max_jobs + LINE
        return (Taking.ACCEPTED if len(self.scopes) < room else Taking.BUSY), None

    def begin(self, job: Job) -> None:
        """Note that a job is here now."""
        self.scopes[job.id] = trio.CancelScope()
        self.standing.count(len(self.scopes))

    async def run(self, job: Job, slots: trio.CapacityLimiter, origin: Traceparent | None) -> None:
        """Carry a job out that was taken, and see that its answer reaches the broker."""
        traceparent.current.set(origin)  # this is a task of its own
        try:
            with processing(job, origin) as span:
                answer = await carry_out(self.work, job, self.scopes[job.id], slots)
                ended(span, answer)
            if answer:
                await deliver(self.work.buckets, self.work.journal, answer, journalled=job.modifies)
            if not job.modifies:
                _remember(self.ended, job.id)
        finally:
            del self.scopes[job.id]
            self.standing.count(len(self.scopes))

    def cancel(self, job_id: str) -> None:
        _remember(self.cancelled, job_id)
        if scope := self.scopes.get(job_id):
            scope.cancel()


async def take(
    bus: Bus,
    subjects: Subjects,
    queue: str,
    intake: Intake,
    running: trio.Nursery,
    task_status: trio.TaskStatus[None],
) -> None:
    """Listen for jobs until cancelled; what is taken runs in `running`, which outlives this."""
    slots = intake.slots
    me = intake.work.identity.machine_id
    async with (
        bus.subscribe(subjects.host("*", me)) as mine,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(listen, bus, mine, intake, running, slots)
        await nursery.start(take_any, bus, subjects.any("*"), queue, intake, running, slots)
        await bus.flush()
        task_status.started()


async def take_any(
    bus: Bus,
    subject: str,
    queue: str,
    intake: Intake,
    running: trio.Nursery,
    slots: trio.CapacityLimiter,
    task_status: trio.TaskStatus[None],
) -> None:
    """Belong to the queue group while this agent takes jobs; started once it does, or is known not to."""
    if not intake.standing.takes_jobs:
        task_status.started()
        task_status = trio.TASK_STATUS_IGNORED
    while True:
        await intake.standing.becomes(AgentState.READY)
        async with trio.open_nursery() as nursery, bus.subscribe(subject, queue=queue) as anyones:
            nursery.start_soon(listen, bus, anyones.clone(), intake, running, slots)
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await intake.standing.leaves(AgentState.READY)
        # the subscription is over first: what had come by then still gets its reply


async def listen(
    bus: Bus,
    messages: trio.MemoryReceiveChannel[Message],
    intake: Intake,
    running: trio.Nursery,
    slots: trio.CapacityLimiter,
) -> None:
    async for message in messages:
        kind = message.subject.split(".host.")[0].removesuffix(".any").rpartition(".")[2]
        try:
            if kind == "identify":
                await reply(bus, message, intake.work.identity.instance.encode())
            elif kind in {"drain", "enrollment"}:
                intake.standing.look()
            elif not await admitted(intake.gate, bus, message):
                continue
            elif kind == "cancel":
                intake.cancel(wire.convert(Id, message.data.decode(errors="replace")))
            else:
                await consider(bus, message, intake, running, slots)
        except BadInput as error:
            log.error("a message that cannot be read was dropped", error=str(error), subject=message.subject)


async def consider(
    bus: Bus,
    message: Message,
    intake: Intake,
    running: trio.Nursery,
    slots: trio.CapacityLimiter,
) -> None:
    """Reply to a dispatch; what is accepted is begun, what had ended is answered again.

    `BadInput` where it is none, in which case nothing was done.
    """
    identity = intake.work.identity
    job = wire.decode(Job, message.data)
    taking, answer = await intake.judge(job)
    if taking is Taking.ACCEPTED and job.id in intake.scopes:
        taking = Taking.RUNNING  # it came a second time while the journal was asked
    elif taking is Taking.ACCEPTED:
        intake.begin(job)
        running.start_soon(intake.run, job, slots, origin(job, message))
    elif answer:
        again = partial(deliver, journalled=job.modifies)
        running.start_soon(again, intake.work.buckets, intake.work.journal, answer)
    said = Reply(job_id=job.id, machine_id=identity.machine_id, hostname=identity.hostname, taking=taking)
    await reply(bus, message, wire.encode(said))


async def reply(bus: Bus, message: Message, data: bytes) -> None:
    """Reply if broker and asker are there for it; otherwise whoever asked will ask again."""
    with suppress(Unavailable, BadInput):
        await bus.publish(message.reply, data)


async def settle(intake: Intake) -> None:
    """Answer for what a former run of this agent left behind.

    What had ended is sent again. What may not run twice ends as `unknown`; the rest waits for the controller
    to dispatch it once more.
    """
    work = intake.work
    for begun in await work.journal.unsent():
        if begun.answer:
            await deliver(work.buckets, work.journal, begun.answer, journalled=True)
        elif not begun.job.repeatable:
            answer = interrupted(begun.job, work)
            await work.journal.finish(answer)
            await deliver(work.buckets, work.journal, answer, journalled=True)


def interrupted(job: Job, work: Work) -> Answer:
    return work.answer(
        job,
        State.UNKNOWN,
        error="the agent stopped in the middle of it; whether it took effect is not known, look at the host",
        code="unknown",
    )


def _remember(kept: OrderedDict[str, None], key: str) -> None:
    kept[key] = None
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)
