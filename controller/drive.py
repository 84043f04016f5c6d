"""Jobs on their way: each open job has a task here that sees it through to a final state on every host.

Dispatch is a wake-up that may be lost, so it is repeated until the agent has said that it took the job, and
again now and then until it has answered. Agents drop what they know, so two controllers do no harm.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import attrs
import structlog
import trio

from controller.events import Events
from controller.hosts import Hosts
from controller.projection import Jobs, Record
from controller.traced import dispatching, headers
from osapi import wire
from osapi.bus import AlreadyExists, Bucket, Bus, Message, layout
from osapi.bus.layout import Subjects
from osapi.errors import BadInput, Refused, Unavailable
from osapi.jobs import Answer, EventKind, Reply, State, Taking, now
from osapi.keys import KeyPair
from osapi.signing import sign

log = structlog.get_logger()

FIRST, MOST, BUSY = 1.0, 30.0, 0.05
"""Seconds between two dispatches at first and at most, and after the first `busy`."""

GRACE = 5.0
"""Seconds that a job which another controller made is left to that one."""

TOLD = {Taking.ACCEPTED: State.ACCEPTED, Taking.RUNNING: State.STARTED}
BEGUN = {State.ACCEPTED, State.STARTED}

NOBODY = b""
"""Holds the lease of an `_any` job that is not to be done any more."""


@attrs.define
class Tally:
    """What was counted since the start: jobs that were made here by operation, messages to agents, and those of them
    that were not the first round of a job.
    """

    created: Counter[str] = attrs.field(factory=Counter)
    dispatches: int = 0
    retries: int = 0


@attrs.define
class Driver:
    """Drives the open jobs, `driven`; `name` is where agents reply to, `own` are those that were submitted here.

    With `pair`, agents are sent what is signed with it.
    """

    bus: Bus
    subjects: Subjects
    responses: Bucket
    jobs: Jobs
    hosts: Hosts
    events: Events
    name: str
    pair: KeyPair | None = None
    driven: dict[str, Record] = attrs.field(factory=dict)
    own: set[str] = attrs.field(factory=set)
    busy: dict[str, float] = attrs.field(factory=dict)
    tally: Tally = attrs.field(factory=Tally)

    def __attrs_post_init__(self) -> None:
        self.hosts.returned = self.wake

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Start a task for each job that is open, and for each that opens, until cancelled."""
        opened, opening = trio.open_memory_channel[Record](math.inf)
        async with (
            self.bus.subscribe(self.subjects.replies(self.name, "*")) as replies,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self.listen, replies)
            await self.bus.flush()
            task_status.started()
            self.jobs.opened = opened.send_nowait
            self.driven.clear()
            for record in self.jobs.records.values():
                if not record.final:
                    self.own.add(record.id)  # who made them may be gone: they are not waited with
                    opened.send_nowait(record)
            async for record in opening:
                nursery.start_soon(self.drive, record)

    async def listen(self, replies: trio.MemoryReceiveChannel[Message]) -> None:
        """Note what agents say of the jobs that were dispatched to them."""
        async for message in replies:
            if not message.data:
                continue  # the broker's own: nobody listened where a job was sent
            try:
                reply = wire.decode(Reply, message.data)
            except BadInput as error:
                log.warning("a reply that cannot be read was passed over", error=str(error))
                continue
            record = self.jobs.records.get(reply.job_id)
            if record and not record.final:
                await self.replied(record, reply)

    async def replied(self, record: Record, reply: Reply) -> None:
        host = reply.machine_id
        if reply.taking in TOLD:
            before = record.states.get(host)
            self.busy.pop(record.id, None)
            if record.holder not in {None, host}:
                return  # another agent does it, and this one is about to learn that
            self.jobs.move(record, host, TOLD[reply.taking])
            if before in {None, State.SUBMITTED}:
                self.events.tell(record.id, EventKind.ACCEPTED, host, reply.hostname)
        elif reply.taking is Taking.BUSY:
            if record.id not in self.busy:
                record.wake()  # the pause was meant for an agent that is silent
            self.busy[record.id] = min(self.busy.get(record.id, BUSY) * 2, FIRST)
        elif reply.taking is Taking.EXPIRED and host in record.states and record.holder in {None, host}:
            await self.close(record, [host], State.LOST if record.states[host] in BEGUN else State.EXPIRED)
        elif reply.taking is Taking.REFUSED and reply.reason:
            await self.refuse(record, host, reply.reason)

    async def refuse(self, record: Record, host: str, reason: str) -> None:
        """An agent does not take a job, and would not if it were asked again: that is the answer of its host."""
        if record.any_host and record.holder is None and host in record.hostnames:
            await self.close_any(record, State.FAILED, host, reason)
        elif record.states.get(host) is State.SUBMITTED:
            await self.close(record, [host], State.FAILED, reason)

    def wake(self, machine_id: str) -> None:
        """A host is back, or takes jobs again: what waits for it is dispatched at once."""
        for record in self.driven.values():
            if record.any_host or machine_id in record.states:
                record.wake()

    async def drive(self, record: Record) -> None:
        """See one job through."""
        self.driven[record.id] = record
        if record.id not in self.own:
            await self.pause(record, GRACE if record.created.timestamp() > now().timestamp() - GRACE else 0)
        pause = FIRST
        while not record.final:
            nudge, sent = record.nudge, record.sent
            try:
                await self.step(record)
            except Unavailable as error:
                log.info("a job waits for the broker", job=record.id, reason=str(error))
                pause = FIRST
            if sent:
                self.tally.retries += record.sent - sent
            with trio.move_on_after(self.busy.get(record.id, pause)):
                await nudge.wait()
            pause = min(pause * 2, MOST, max(self.left(record), FIRST))
        self.driven.pop(record.id, None)
        self.own.discard(record.id)
        self.busy.pop(record.id, None)

    async def pause(self, record: Record, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await record.done.wait()

    def left(self, record: Record) -> float:
        """Seconds until it expires; it is looked at then."""
        return record.expires.timestamp() - now().timestamp() + 0.1

    async def step(self, record: Record) -> None:
        """One look at a job: dispatch it where it is not taken, end it where nobody will."""
        if record.cancelled:
            await self.cancel(record)
        elif record.any_host:
            await self.step_any(record)
        elif now() >= record.expires:
            await self.expire(record)
        else:
            await self.dispatch(record, (host for host in record.open_hosts if self.due(record, host)))

    def due(self, record: Record, host: str) -> bool:
        """Whether a host is to be woken: it takes jobs, or is there and has this one; else it waits in line here."""
        return self.hosts.ready(host) or (self.hosts.online(host) and record.states[host] in BEGUN)

    async def step_any(self, record: Record) -> None:
        """An `_any` job: to whom holds its lease; where that one is gone, on to another if that does no harm."""
        if record.holder is None:
            if now() >= record.expires:
                await self.close_any(record, State.EXPIRED)
            else:
                await self.offer(record)
        elif self.hosts.online(record.holder):
            await self.dispatch(record, [record.holder])
        elif record.job and record.job.repeatable and now() < record.expires:
            await self.take_back(record, record.holder)
            await self.offer(record)
        else:
            await self.close(record, [record.holder], State.UNKNOWN)

    async def offer(self, record: Record) -> None:
        """Send an `_any` job to whoever is free; again only to those it was meant for, as others may have come."""
        there = [host for host in record.hostnames if self.hosts.ready(host)]
        if record.job and not record.offered and now() - record.created < timedelta(seconds=FIRST):
            record.offered = True
            with dispatching(record):
                await self.send(self.subjects.any(record.job.kind), record, wire.encode(record.job))
        elif there:
            await self.dispatch(record, [random.choice(there)])

    async def take_back(self, record: Record, holder: str) -> None:
        """Take the lease of a job from a host that is gone, unless another controller just did."""
        found = await self.responses.get(layout.lease(record.id))
        if found and found.value == holder.encode():
            await self.responses.delete(layout.lease(record.id))
        record.leave(holder)
        record.holder = None

    async def dispatch(self, record: Record, hosts: Iterable[str]) -> None:
        there = [*hosts]
        if record.job and there:
            shared = None if record.job.sealed else wire.encode(record.job)
            with dispatching(record):
                for host in there:
                    message = shared or wire.encode(record.job.for_host(host))
                    await self.send(self.subjects.host(record.job.kind, host), record, message)

    async def send(self, subject: str, record: Record, message: bytes) -> None:
        """Wake an agent."""
        record.sent += 1
        self.tally.dispatches += 1
        reply = self.subjects.replies(self.name, record.id)
        await self.bus.publish(subject, message, reply=reply, headers=self.signed(subject, message))

    def signed(self, subject: str, message: bytes) -> dict[str, str] | None:
        """The headers of a message: its place in a trace, and with a key of ours the signature that agents believe."""
        signature = sign(self.pair, subject, message, now()) if self.pair else {}
        return {**(headers() or {}), **signature} or None

    async def expire(self, record: Record) -> None:
        """Nobody takes it any more; who is there is asked, as it may have taken it without our hearing of it."""
        overdue = now() >= record.expires + timedelta(seconds=self.hosts.silence)
        taken = {host for host in record.open_hosts if record.states[host] in BEGUN}
        gone = {host for host in record.open_hosts if not self.hosts.online(host)}
        await self.close(record, gone & taken, State.LOST)
        await self.close(record, (set(record.open_hosts) if overdue else gone) - taken, State.EXPIRED)
        await self.dispatch(record, filter(self.hosts.online, record.open_hosts))

    async def cancel(self, record: Record) -> None:
        """Nobody may begin it any more; who runs it is told to stop, and answers."""
        if record.any_host and record.holder is None:
            await self.close_any(record, State.CANCELLED)
            return
        for host in record.open_hosts:
            subject, message = self.subjects.host("cancel", host), record.id.encode()
            await self.bus.publish(subject, message, headers=self.signed(subject, message))
        waiting = [host for host in record.open_hosts if record.states[host] not in BEGUN]
        await self.close(record, waiting, State.CANCELLED)
        if now() >= record.expires:
            gone = [host for host in record.open_hosts if not self.hosts.online(host)]
            await self.close(record, gone, State.LOST)

    async def close_any(
        self, record: Record, state: State, host: str | None = None, reason: str | None = None
    ) -> None:
        """End an `_any` job that no agent does: its lease becomes nobody's first, so none can begin it."""
        key = layout.lease(record.id)
        try:
            await self.responses.create(key, NOBODY)
        except AlreadyExists:
            found = await self.responses.get(key)
            if found is None or found.value != NOBODY:
                return  # an agent was faster
        await self.close(record, [host] if host else list(record.hostnames)[:1], state, reason)

    async def close(
        self, record: Record, hosts: Iterable[str], state: State, reason: str | None = None
    ) -> None:
        """Answer in place of hosts that will not, for a reason of theirs or ours; what a host has answered, stands."""
        async with trio.open_nursery() as nursery:
            for host in hosts:
                nursery.start_soon(self.close_one, record, host, state, reason)

    async def close_one(self, record: Record, host: str, state: State, reason: str | None) -> None:
        answer = Answer(
            job_id=record.id,
            machine_id=host,
            hostname=record.hostnames.get(host, host),
            state=state,
            error=reason or REASONS[state],
            code=Refused.code if reason else state.value,
            finished=now(),
        )
        key = layout.answer(record.id, host)
        try:
            await self.responses.create(key, wire.encode(answer))
        except AlreadyExists:
            if found := await self.responses.get(key):
                self.jobs.apply(found)
        except Unavailable as error:
            log.info("a job waits for the broker", job=record.id, reason=str(error))
        else:
            self.jobs.apply_answer(answer)


REASONS = {
    State.EXPIRED: "expired: no agent took it in time",
    State.CANCELLED: "cancelled before it began",
    State.LOST: "lost: the agent took it, and did not come back before it expired",
    State.UNKNOWN: "unknown: the agent that had taken it is gone; whether it took effect is not known",
}
