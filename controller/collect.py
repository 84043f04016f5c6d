"""Answers into results: what hosts said of a job, as one item each, and what is told of those that said nothing."""

import attrs
import msgspec
import trio

from controller.projection import Record
from osapi import wire
from osapi.bus import Bucket, Objects, layout
from osapi.errors import BadInput
from osapi.jobs import NOTHING, Answer, State
from osapi.results import Outcome, Status

STATUS = {State.COMPLETED: Status.OK, State.SKIPPED: Status.SKIPPED}


@attrs.frozen
class Answers:
    """Reads the answers of jobs from the broker, those in the object store too."""

    responses: Bucket
    objects: Objects

    async def of(self, record: Record) -> dict[str, Answer]:
        """The answers that there are, by machine id; from memory where they are still there."""
        found = dict(record.answers or {})
        missing = [host for host, state in record.states.items() if state.final and host not in found]
        if missing:
            async with trio.open_nursery() as nursery:
                for host in missing:
                    nursery.start_soon(self._read, record, host, found)
        for host, answer in found.items():
            if answer.object:
                found[host] = await self._fetch(answer, answer.object)
        return found

    async def _read(self, record: Record, machine_id: str, found: dict[str, Answer]) -> None:
        entry = await self.responses.get(layout.answer(record.id, machine_id))
        if entry is None or not entry.value:
            return
        try:
            found[machine_id] = wire.decode(Answer, entry.value)
        except BadInput as error:
            name = record.hostnames.get(machine_id, machine_id)
            done = Answer(job_id=record.id, machine_id=machine_id, hostname=name, state=State.COMPLETED)
            found[machine_id] = lost(done, str(error))

    async def _fetch(self, answer: Answer, reference: str) -> Answer:
        """An answer with its result out of the object store, where it still is."""
        name, _, digest = reference.rpartition("@")
        data = await self.objects.get(name)
        if data is None:
            return lost(answer, f"{name} ({digest}) is not in the object store any more")
        return attrs.evolve(answer, data=msgspec.Raw(data))

    async def items(self, record: Record) -> list[dict[str, object]]:
        """One item for each host, or each entry of its list, in the order of their names.

        Late hosts are failed, with code `no_answer`.
        """
        found = await self.of(record)
        items: list[dict[str, object]] = []
        for host in list(record.states) or list(record.hostnames)[:1]:
            if host in found:
                items += told(found[host])
            else:
                items.append(silent(record.hostnames.get(host, record.target), record))
        return sorted(items, key=lambda each: str(each["hostname"]))


def lost(answer: Answer, reason: str) -> Answer:
    """The same end, without its result: it did happen."""
    error = f"it was done, but its result cannot be read: {reason}"
    return attrs.evolve(
        answer, state=State.FAILED, data=NOTHING, object=None, plan=None, error=error, code="unreadable"
    )


def told(answer: Answer) -> list[dict[str, object]]:
    """An answer as it travels: the fields of its result flat beside those of its outcome; of a list, each by itself."""
    try:
        result = wire.decode(dict[str, object] | list[dict[str, object]] | None, answer.data)  # type: ignore[arg-type] # mypy: a union is no type
    except BadInput as error:
        return told(lost(answer, str(error)))
    outcome: Outcome[None] = Outcome(
        hostname=answer.hostname,
        status=STATUS.get(answer.state, Status.FAILED),
        changed=answer.changed,
        error=answer.error,
        code=answer.code,
        plan=answer.plan,
    )
    entries = result if isinstance(result, list) else [result]
    return [wire.flatten(outcome) | (entry or {}) for entry in entries or [None]]


def silent(hostname: str, record: Record) -> dict[str, object]:
    """What is told of a host that has not answered in time; its answer is still recorded when it comes."""
    missing: Outcome[None] = Outcome(
        hostname="_any" if record.any_host and not record.states else hostname,
        status=Status.FAILED,
        error="timeout: agent did not respond",
        code="no_answer",
    )
    return wire.flatten(missing)
