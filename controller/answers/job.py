"""Jobs: lists from the index, bodies from the broker."""

import trio
from quart import Response, request

from controller.access import Caller
from controller.context import Context, answers
from controller.jobview import detail, summary
from controller.projection import Record
from osapi import wire
from osapi.bus import layout
from osapi.calls import job
from osapi.errors import BadInput, Conflict, NotFound
from osapi.jobs import EventKind, Job, Overall, now
from osapi.operation import operations

COUNTED = ("submitted", "processing", "completed", "failed", "partial_failure")


@answers(job.List)
async def list_jobs(context: Context, call: job.List, _caller: Caller) -> job.JobPage:
    jobs = context.jobs
    status = Overall(call.status) if call.status else None
    after = position(call.cursor) if call.cursor else None
    shown: list[Record] = []
    more = False
    for i, record in enumerate(jobs.newest(status, after)):
        if i >= call.offset + call.limit:
            more = True
            break
        if i >= call.offset:
            shown.append(record)
    items: dict[str, job.JobDetail] = {}
    async with trio.open_nursery() as nursery:
        for record in shown:
            nursery.start_soon(_show, context, record, items)
    counts = {name: jobs.counts[Overall(name)] for name in COUNTED}
    counts |= {name.value: count for name, count in jobs.counts.items() if count}
    return job.JobPage(
        total_items=jobs.counts[status] if status else len(jobs.records),
        status_counts=counts,
        items=[items[record.id] for record in shown if record.id in items],
        next_cursor=cursor(shown[-1]) if more and shown else None,
    )


async def _show(context: Context, record: Record, items: dict[str, job.JobDetail]) -> None:
    try:
        definition = await load(context, record)
    except NotFound:
        return  # deleted while the page was made
    found = await context.answers.of(record) if len(record.states) == 1 else {}
    items[record.id] = summary(record, definition, found)


def cursor(record: Record) -> str:
    """Where a page ended: stays right when newer jobs come, unlike an offset."""
    seconds, job_id = record.order
    return f"{seconds!r}_{job_id}"


def position(given: str) -> tuple[float, str]:
    seconds, _, job_id = given.partition("_")
    try:
        return float(seconds), job_id
    except ValueError:
        raise BadInput(f"cursor: {given!r} is none; use the next_cursor of a page", "cursor") from None


async def load(context: Context, record: Record) -> Job:
    """The definition of a job."""
    entry = await context.buckets.jobs.get(layout.job(record.id))
    if entry is None or entry.value is None:
        raise NotFound(f"job {record.id} has been deleted")
    return wire.decode(Job, entry.value)


@answers(job.Get)
async def get(context: Context, call: job.Get, _caller: Caller) -> Response | job.JobDetail:
    record = context.jobs.find(call.id)
    definition = await load(context, record)
    return detail(record, definition, await context.answers.of(record))


@answers(job.Delete)
async def delete(context: Context, call: job.Delete, _caller: Caller) -> None:
    record = context.jobs.find(call.id)
    if not record.final:
        raise Conflict(
            f"job {record.id} is {record.overall.value}; cancel it first, or wait until it has ended"
        )
    async with trio.open_nursery() as nursery:
        for host in record.states:
            nursery.start_soon(context.buckets.responses.delete, layout.answer(record.id, host))
    await context.buckets.jobs.delete(layout.job(record.id))
    context.jobs.remove(record.id)
    context.events.tell(record.id, EventKind.DELETED)


@answers(job.Retry)
async def retry(context: Context, call: job.Retry, caller: Caller) -> job.JobCreated:
    old = await load(context, context.jobs.find(call.id))
    operation = operations().get(old.operation)
    if operation is None:
        raise NotFound(f"job {old.id} asks for {old.operation}, which this controller does not know")
    caller.need(operation.spec.permission)
    record = await context.submission.write(context.submission.again(old, caller.user, call.target_hostname))
    return job.JobCreated(
        job_id=record.id, status="created", revision=record.revision, timestamp=record.created
    )


@answers(job.Cancel)
async def cancel(context: Context, call: job.Cancel, caller: Caller) -> job.JobCancelled:
    record = context.jobs.find(call.id)
    operation = operations().get(record.operation)
    if operation:
        caller.need(operation.spec.permission)
    if record.final:
        raise Conflict(f"job {record.id} has ended already: {record.overall.value}")
    stopped = sorted(record.hostnames.get(host, host) for host in record.open_hosts)
    said = {"by": caller.user, "at": now().isoformat()}
    await context.buckets.jobs.put(layout.cancel(record.id), wire.encode(said))
    record.cancelled = True
    record.wake()
    context.events.tell(record.id, EventKind.CANCELLED, by=caller.user)
    return job.JobCancelled(job_id=record.id, status="cancelling", hosts=stopped)


@answers(job.Events)
async def events(context: Context, call: job.Events, _caller: Caller) -> Response:
    return stream(context, context.jobs.find(call.id))


@answers(job.Watch)
async def watch(context: Context, _call: job.Watch, _caller: Caller) -> Response:
    return stream(context, None)


def stream(context: Context, record: Record | None) -> Response:
    resume = request.headers.get("Last-Event-ID")
    response = Response(
        b"" if request.method == "HEAD" else context.events.stream(record, resume),
        content_type="text/event-stream; charset=utf-8",
        headers={"X-Accel-Buffering": "no"},
    )
    response.timeout = None
    return response
