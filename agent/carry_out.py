"""One job from accepted to answered."""

from typing import Any

import attrs
import msgspec
import structlog
import trio

from agent import facts
from agent.buckets import Buckets
from agent.deliver import RETRY
from agent.dispatch import Performed, perform
from agent.identity import Identity
from agent.journal import Journal
from agent.metrics import AgentMetrics
from agent.output import Output
from agent.store import Store
from osapi import __version__, wire
from osapi.bus import AlreadyExists, Bus, layout
from osapi.bus.layout import Subjects
from osapi.errors import BadInput, OperationError, Unavailable, Unsupported
from osapi.jobs import Answer, EventKind, Job, State, now
from osapi.operation import operations

log = structlog.get_logger()


@attrs.frozen
class Work:
    """What a job needs of its agent."""

    identity: Identity
    bus: Bus
    subjects: Subjects
    buckets: Buckets
    store: Store
    journal: Journal
    metrics: AgentMetrics = attrs.field(factory=lambda: AgentMetrics({}))

    def answer(self, job: Job, state: State, **more: Any) -> Answer:
        """The end of a job here."""
        return Answer(
            job_id=job.id,
            machine_id=self.identity.machine_id,
            hostname=self.identity.hostname,
            state=state,
            finished=now(),
            agent_version=__version__,
            **more,
        )


async def carry_out(
    work: Work, job: Job, scope: trio.CancelScope, slots: trio.CapacityLimiter
) -> Answer | None:
    """Do a job; None where another agent does it. Cancelling `scope` stops it, with all that it started."""
    accepted, started = now(), None
    performed = Performed(state=State.CANCELLED, error="cancelled before it began", code="cancelled")
    with scope:
        async with slots:
            if job.any_host and not await lease(work, job):
                return None
            started = now()
            performed = attrs.evolve(performed, error="cancelled while it ran")
            performed = await begin(work, job)
    answer = work.answer(
        job,
        performed.state,
        changed=performed.changed,
        error=performed.error,
        code=performed.code,
        plan=performed.plan,
        data=msgspec.Raw(wire.encode(wire.plain(performed.result))),
        accepted=accepted,
        started=started,
    )
    if job.modifies and started:
        with trio.CancelScope(shield=True):
            await work.journal.finish(answer)
    work.metrics.ended(job.operation, answer)
    return answer


async def begin(work: Work, job: Job) -> Performed:
    """Run a job, a modification only once it is noted that it begins."""
    if job.modifies:
        try:
            await work.journal.begin(job)
        except OperationError as error:
            return Performed(state=State.FAILED, error=str(error), code=error.code)
    return await run(work, job)


async def run(work: Work, job: Job) -> Performed:
    """Put facts in the place of references, check what comes of it, and hand it to its provider."""
    operation = operations().get(job.operation)
    if operation is None:
        return too_old(job.operation)
    identity = work.identity
    try:
        given = job.params | secrets(job, identity)
        given = facts.resolve_parameters(operation, given, identity.facts, identity.hostname)
        params = wire.params(operation, given, resolved=True)
    except wire.UnknownField as error:
        return too_old(f"`{error.field}` of {job.operation}")
    except (BadInput, OperationError) as error:
        return Performed(state=State.FAILED, error=str(error), code=error.code)
    host = attrs.evolve(
        identity.host,
        hostname=identity.hostname,
        facts=identity.facts,
        store=work.store,
        dry=job.dry_run,
    )
    subject = work.subjects.events(job.id, identity.machine_id)
    async with Output.open(work.bus, subject, job.id, identity.machine_id, identity.hostname) as output:
        if job.modifies:
            output.tell(EventKind.STARTED)
        performed = await perform(attrs.evolve(host, emit=output.emit), params)
    if job.modifies:
        identity.refresh()
    return performed


def too_old(what: str) -> Performed:
    """How a job ends that was made by a newer controller: nothing of it is done."""
    return Performed(
        state=State.SKIPPED,
        error=f"this agent ({__version__}) does not know {what}; upgrade it",
        code=Unsupported.code,
    )


def secrets(job: Job, identity: Identity) -> dict[str, Any]:
    """What is secret among the parameters of a job, which were sealed for this host."""
    if job.sealed is None:
        return {}
    box = job.sealed.get(identity.machine_id, "")
    return identity.opener.open(box, operation=job.operation, machine_id=identity.machine_id)


async def lease(work: Work, job: Job) -> bool:
    """Become the one agent that does an `_any` job, however long the broker is away; False where another is."""
    tries = 0
    while True:
        try:
            return await take_lease(work, job)
        except Unavailable as error:
            tries += 1
            log.info("a job waits for the broker", job=job.id, reason=str(error))
            await trio.sleep(RETRY.after(min(tries, 10)))


async def take_lease(work: Work, job: Job) -> bool:
    """One try; an earlier one may have succeeded without our hearing of it, in this life or a former one."""
    key, me = layout.lease(job.id), work.identity.machine_id.encode()
    try:
        await work.buckets.responses.create(key, me)
    except AlreadyExists:
        entry = await work.buckets.responses.get(key)
        return entry is not None and entry.value == me
    return True
