"""Jobs and the programs they run, in the traces they belong to."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from osapi import traceparent, tracing
from osapi.bus import Message
from osapi.jobs import Answer, Job, State
from osapi.traceparent import Traceparent
from osapi.tracing import Span

SUDO = ("sudo", "-n")

FAILED = {State.FAILED, State.UNKNOWN, State.CANCELLED}


def origin(job: Job, message: Message) -> Traceparent | None:
    """Where a job comes from: the dispatch that brought it, or else the request that asked for it."""
    return traceparent.parse(message.headers.get(traceparent.HEADER)) or traceparent.parse(job.traceparent)


def processing(job: Job, parent: Traceparent | None) -> AbstractContextManager[Span]:
    """The span of a job on this host."""
    about = {
        "job.id": job.id,
        "job.category": job.operation.partition(".")[0],
        "job.operation": job.operation,
        "job.type": job.kind,
    }
    return tracing.span("job.process", about, kind="consumer", parent=parent, root=True)


def ended(span: Span, answer: Answer | None) -> None:
    """Note how it went; no answer is that another agent does it. What was said of it may hold a secret."""
    if answer is None:
        span.note({"outcome": "left to another"})
        return
    span.note({"outcome": answer.state.value, "job.changed": answer.changed})
    if answer.state in FAILED:
        span.fail(answer.code or answer.state.value)


def running(argv: Sequence[str]) -> AbstractContextManager[Span]:
    """The span of a program that a job runs: its name, and never its arguments, which may hold secrets."""
    program = argv[len(SUDO)] if tuple(argv[: len(SUDO)]) == SUDO else argv[0]
    name = program.rpartition("/")[2]
    return tracing.span(name, {"process.executable.name": name})
