"""Requests into jobs: resolve the target, write the definition, let it be driven, wait for the answers."""

import hashlib
import hmac
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import attrs
import trio

from controller.drive import Driver
from controller.events import Events
from controller.hosts import Host, Hosts
from controller.projection import Jobs, Record
from osapi import targets, traceparent, tracing, wire
from osapi.bus import AlreadyExists, Bucket, Unconfirmed, layout
from osapi.errors import BadInput, Conflict, Unavailable
from osapi.jobs import Answer, EventKind, Job, JobHost, now
from osapi.operation import Operation, parameters
from osapi.registry import AgentState
from osapi.sealed import MASK, seal

DEFAULT_LIFETIME = 30.0
"""Seconds in which a job must be taken that nobody waits for."""


@attrs.frozen(kw_only=True)
class Request:
    """What a caller wants done: `wait` and `expires` in seconds, `expires` None for as long as the wait."""

    operation: Operation[Any]
    target: str
    user: str
    dry_run: bool = False
    wait: float
    expires: float | None = None
    job_id: str | None = None
    idempotency_key: str | None = None


@attrs.frozen
class Submission:
    """Makes jobs and waits for them; `keep` is for how long the broker keeps jobs, in seconds, 0 for ever.

    `key` is known to controllers only: what stands for a request in its record tells nobody else of its secrets.
    `announce` returns once it is on record that a job is about to be written.
    """

    bucket: Bucket
    jobs: Jobs
    hosts: Hosts
    driver: Driver
    events: Events
    keep: float
    key: bytes
    announce: Callable[[Job], Awaitable[None]]

    async def submit(self, request: Request) -> Record:
        """Write a job down, or find the one that the same Idempotency-Key made."""
        job = self.define(request)
        if known := self.jobs.records.get(job.id):
            return await self.same(known, job)
        return await self.write(job, {} if request.wait else None)

    async def write(self, job: Job, answers: dict[str, Answer] | None = None) -> Record:
        """Put a definition on the broker; acknowledged, it is durable, and driven from here."""
        await self.announce(job)
        self.driver.own.add(job.id)
        try:
            with tracing.span("job.submit", {"job.id": job.id, "job.operation": job.operation}):
                revision = await self.bucket.create(layout.job(job.id), wire.encode(job))
        except Unconfirmed as error:
            raise Unavailable(
                f"whether job {job.id} was stored is not known, look for it before you submit it again: {error}"
            ) from None
        except Unavailable:
            self.driver.own.discard(job.id)
            raise
        except AlreadyExists:
            self.driver.own.discard(job.id)
            entry = await self.bucket.get(layout.job(job.id))
            if entry is None or entry.value is None:
                raise Conflict(f"job {job.id} has just been deleted") from None
            return await self.same(self.jobs.add(wire.decode(Job, entry.value), entry.revision), job)
        self.driver.tally.created[job.operation] += 1
        record = self.jobs.add(job, revision)
        record.answers = answers
        hosts = 1 if job.any_host else len(job.hosts)
        said: dict[str, Any] = {"operation": job.operation, "target": job.target, "hosts": hosts}
        self.events.tell(job.id, EventKind.SUBMITTED, **said)
        return record

    async def same(self, record: Record, wanted: Job) -> Record:
        """The job that is there already, if it is what is wanted now."""
        entry = await self.bucket.get(layout.job(record.id))
        there = wire.decode(Job, entry.value) if entry and entry.value else None
        if there is None or wanted.digest is None or there.digest != wanted.digest:
            raise Conflict(
                f"job {record.id} exists, from another request; use a new Idempotency-Key or job id"
            )
        return record

    def define(self, request: Request) -> Job:
        """The definition; raises `BadInput` where the target means no host, or it would expire too late."""
        spec = request.operation.spec
        hosts = taken_in(targets.resolve(request.target, self.hosts))
        given, sealed = conceal(request.operation, hosts)
        created = now()
        job_id = request.job_id or str(uuid.uuid4())
        if request.idempotency_key:
            words = (request.user, spec.name, request.target, request.idempotency_key)
            job_id = str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(("osapi", *words))))
        return Job(
            id=job_id,
            operation=spec.name,
            params=given,
            sealed=sealed,
            target=request.target,
            hosts=[JobHost(machine_id=host.machine_id, hostname=host.hostname) for host in hosts],
            user=request.user,
            created=created,
            expires=created + timedelta(seconds=self.lifetime(request)),
            any_host=request.target == targets.ANY,
            dry_run=request.dry_run,
            modifies=spec.modifies and not request.dry_run,
            repeatable=spec.repeatable or request.dry_run,
            digest=self.digest(request) if request.idempotency_key or request.job_id else None,
            traceparent=here(),
        )

    def digest(self, request: Request) -> str:
        """What two requests with one Idempotency-Key, or for one job id, must share."""
        asked = request.operation
        said = [
            request.user,
            request.target,
            asked.spec.name,
            wire.given(asked),
            request.dry_run,
            request.expires,
        ]
        return hmac.digest(self.key, wire.encode(said), hashlib.sha256).hex()

    def lifetime(self, request: Request) -> float:
        """Seconds in which it must be taken: as long as the caller waits, unless told otherwise."""
        if request.expires is None:
            return request.wait or DEFAULT_LIFETIME
        if self.keep and request.expires > self.keep:
            raise BadInput(
                f"expires: {request.expires:g}s is longer than jobs are kept; at most {self.keep:g}s",
                "expires",
            )
        return request.expires

    def again(self, old: Job, user: str, target: str | None) -> Job:
        """A job that does another once more, on the same hosts unless `target` says otherwise."""
        lifetime = (old.expires - old.created).total_seconds()
        created = now()
        if target and old.sealed:
            raise Conflict(f"job {old.id} has secrets for its own hosts; submit it anew for {target}")
        if target or (old.any_host and not old.sealed):
            found = taken_in(targets.resolve(target or old.target, self.hosts))
            hosts = [JobHost(machine_id=host.machine_id, hostname=host.hostname) for host in found]
        else:
            hosts = old.hosts
        return attrs.evolve(
            old,
            id=str(uuid.uuid4()),
            target=target or old.target,
            hosts=hosts,
            user=user,
            created=created,
            expires=created + timedelta(seconds=lifetime),
            any_host=(target or old.target) == targets.ANY,
            digest=None,
            reruns=old.id,
            traceparent=here(),
        )


def here() -> str | None:
    """The place in a trace that a job belongs to from now on."""
    place = traceparent.current.get()
    return str(place) if place else None


def taken_in(hosts: list[Host]) -> list[Host]:
    """The same; `Conflict` where one has yet to be accepted, which can only be meant by its name."""
    if waiting := [host.hostname for host in hosts if host.state == AgentState.PENDING]:
        raise Conflict(f"{waiting[0]} waits to be accepted; see `osapi client agent list --pending`")
    return hosts


def conceal(operation: Operation[Any], hosts: Sequence[Host]) -> tuple[dict[str, Any], dict[str, str] | None]:
    """The parameters as they are kept, and what is secret among them in a box for each host.

    Raises `Conflict` where a host has told no key yet.
    """
    given = wire.given(operation)
    secrets = {p.name: given[p.name] for p in parameters(type(operation)) if p.secret and p.name in given}
    if not secrets:
        return given, None
    if unable := sorted(host.hostname for host in hosts if not host.secrets_key):
        raise Conflict(f"{unable[0]} takes no secrets: its agent is too old, or has not started; upgrade it")
    boxes = {
        host.machine_id: seal(
            secrets, key=host.secrets_key, operation=operation.spec.name, machine_id=host.machine_id
        )
        for host in hosts
    }
    return given | dict.fromkeys(secrets, MASK), boxes


async def wait(record: Record, seconds: float) -> None:
    """Wait until a job has ended on every host, or the time is over; the job goes on either way."""
    with trio.move_on_after(seconds):
        await record.done.wait()
