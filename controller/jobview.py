"""A job as the wire shows it: computed from its definition and its answers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from controller.projection import Record
from osapi import wire
from osapi.calls.agent import TimelineEvent
from osapi.calls.job import AgentState, JobDetail, JobResponse
from osapi.durations import Duration
from osapi.jobs import Answer, Job, State
from osapi.traceparent import parse


def summary(record: Record, job: Job, answers: Mapping[str, Answer]) -> JobDetail:
    """A line of a list: without answers, but with the result where one host was asked."""
    only = next(iter(answers.values())) if len(answers) == 1 else None
    failed = next((answer for answer in answers.values() if answer.error), None)
    return JobDetail(
        id=record.id,
        status=record.overall.value,
        created=record.created,
        operation={"type": job.operation, "data": job.params},
        target=record.target,
        user=record.user,
        expires=record.expires,
        changed=any(answer.changed for answer in answers.values()),
        result=data(only) if only else None,
        error=failed.error if failed else None,
        hostname=only.hostname if only else None,
        updated_at=record.updated or record.created,
        dry_run=job.dry_run or None,
        trace_id=place.trace_id if (place := parse(job.traceparent)) else None,
    )


def detail(record: Record, job: Job, answers: Mapping[str, Answer]) -> JobDetail:
    """All that is known of a job."""
    found = summary(record, job, answers)
    names = _names(record)
    responses = {
        names[host]: JobResponse(
            hostname=answer.hostname,
            status=answer.state.value,
            data=data(answer),
            changed=answer.changed,
            error=answer.error,
        )
        for host, answer in answers.items()
    }
    states = {names[host]: _state(state, answers.get(host)) for host, state in record.states.items()}
    timeline = sorted(_timeline(job, answers), key=lambda event: event.timestamp)
    return attrs.evolve(found, responses=responses, agent_states=states, timeline=timeline)


def _names(record: Record) -> dict[str, str]:
    """A name for each host: its host name, or its machine id where two share one or none is known."""
    bearers = Counter(record.hostnames.values())
    known = {host: name if bearers[name] == 1 else host for host, name in record.hostnames.items()}
    return {host: host for host in record.states} | known


def data(answer: Answer) -> Any:
    return wire.decode(object, answer.data)


def _state(state: State, answer: Answer | None) -> AgentState:
    duration = None
    if answer and answer.started and answer.finished:
        duration = str(Duration((answer.finished - answer.started).total_seconds()))
    return AgentState(status=state.value, error=answer.error if answer else None, duration=duration)


def _timeline(job: Job, answers: Mapping[str, Answer]) -> Iterator[TimelineEvent]:
    again = f", again after {job.reruns}" if job.reruns else ""
    asked = f"{job.operation} on {job.target} by {job.user}{again}"
    yield TimelineEvent(timestamp=job.created, event="submitted", message=asked)
    for answer in answers.values():
        steps = (
            ("accepted", answer.accepted),
            ("started", answer.started),
            (answer.state.value, answer.finished),
        )
        for event, moment in steps:
            if moment:
                last = event == answer.state.value
                yield TimelineEvent(
                    timestamp=moment,
                    event=event,
                    hostname=answer.hostname,
                    error=answer.error if last else None,
                )
