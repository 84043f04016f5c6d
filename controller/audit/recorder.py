"""Recording requests: before they change something, when they are answered, and how the jobs they made ended."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

import attrs
import trio
from nacl.exceptions import CryptoError
from quart import Response, request
from werkzeug.exceptions import HTTPException

from controller.audit import entries
from controller.audit.refusals import WINDOW, Refusals
from controller.audit.trail import Trail, Unrecorded
from controller.notes import Notes, notes
from controller.projection import Jobs, Record
from osapi.audit.chain import Entry, Head
from osapi.bus import BrokerFull, Log, LogSpec
from osapi.config.audit import ControllerAudit
from osapi.errors import ConfigError, Error
from osapi.jobs import Job
from osapi.keys import KeyPair
from osapi.operation import Call, Declaration, Spec
from osapi.state import StateDirectory

REFUSED = {401, 403, 429}
UNRECORDED = ("/api/health",)
"""What the paths begin with that watchdogs ask all the time."""
REMEMBERED = 10_000
"""Jobs whose end is still to be recorded; of more, it is not known which roles asked for them."""

View = Callable[..., Awaitable[Response]]


@attrs.define(eq=False)
class Recorder:
    """Tells the trail of requests; `jobs` are the records of all jobs, by id."""

    trail: Trail
    jobs: Mapping[str, Record]
    refusals: Refusals = attrs.field(factory=Refusals)
    _going: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    """Jobs that go on though their request was answered, and the roles of who asked for them."""

    @classmethod
    async def open(
        cls, config: ControllerAudit, state: StateDirectory, log: Log, spec: LogSpec, jobs: Jobs
    ) -> "Recorder":
        """With the key and the head that the state directory has, where no key is configured."""
        seed = config.key or await trio.to_thread.run_sync(state.audit_key)
        known = await trio.to_thread.run_sync(state.audit_head)
        try:
            keys = KeyPair.of(bytes.fromhex(seed))
        except (ValueError, TypeError, CryptoError):
            raise ConfigError("the key of the audit log is not 32 bytes in hex; remove its file") from None
        trail = Trail(log, keys, Head.of(known) if known else Head(), state.keep_audit_head, spec.max_bytes)
        return cls(trail, jobs.records)

    async def serve(self, declaration: type[Declaration[Any]], view: View, **raw: str) -> Response:
        """Let a view answer, and record how that ended: also where it failed, or the client has gone."""
        status = entries.GONE
        try:
            response = await view(**raw)
            status = response.status_code
        except Exception as error:
            status = status_of(error)
            raise
        finally:
            self.answered(declaration.spec, notes(), status)
        return response

    async def announce_call(self, call: Call[Any]) -> None:
        """Record a call that changes something; returns once that is durable.

        Where the broker is full, deleting goes on, and is recorded as soon as that has made room: what is refused
        because of a want of room could otherwise never be mended.
        """
        if not call.spec.modifies:
            return
        entry = entries.intent(notes(), entries.given(call))
        try:
            await self.trail.record(entry)
        except Unrecorded as error:
            if call.spec.method != "DELETE" or not isinstance(error.reason, BrokerFull):
                raise
            self.trail.tell(entry)

    async def announce_job(self, job: Job) -> None:
        """Record a job that changes something, before it is there; returns once that is durable."""
        if job.modifies:
            noted = notes()
            noted.job_id = job.id
            hosts = () if job.any_host else (host.hostname for host in job.hosts)
            about = {"operation_id": job.operation, "target": job.target}
            await self.trail.record(entries.intent(noted, job.params, hosts) | about)

    def answered(self, spec: Spec, noted: Notes, status: int) -> None:
        """Record how a request was answered; those that were refused not without end."""
        if not spec.permission or noted.path.startswith(UNRECORDED):
            return
        if status in REFUSED and not self.refusals.admit((noted.source, noted.user, status)):
            return
        entry = entries.of(noted, "outcome") | {
            "response_code": status,
            "duration_ms": round((trio.current_time() - noted.began) * 1000),
        }
        record = self.jobs.get(noted.job_id)
        modifies = spec.modifies and not noted.dry_run
        if record:
            entry |= {"outcome": record.overall.value} | self._hosts(record, modifies=modifies)
        if record and modifies and not record.final and len(self._going) < REMEMBERED:
            self._going[record.id] = noted.roles
        self.trail.tell(entry, spare=not modifies)

    def ended(self, record: Record) -> None:
        """Record the end of a job that changes something, unless the answer to its request has told of it."""
        roles = self._going.pop(record.id, None)
        if roles is not None:
            self.trail.tell(entries.end(record, roles))

    async def finish(self) -> None:
        """Write what is still to be told; this controller stops."""
        self.count(everything=True)
        await self.trail.finish()

    async def run(self, task_status: trio.TaskStatus[None]) -> NoReturn:
        """Tell, now and then, how many refusals were counted only; and of jobs that are under way at the start."""
        for record in self.jobs.values():
            if not record.final and record.job and record.job.modifies:
                self._going.setdefault(record.id, ())
        task_status.started()
        while True:
            await trio.sleep(WINDOW)
            self.count()

    def count(self, *, everything: bool = False) -> None:
        for (source, user, status), more in self.refusals.over(everything=everything):
            told = f"{more} more requests were refused within {WINDOW:g} s"
            about = {"source_ip": source, "user": user, "response_code": status, "count": more}
            self.trail.tell(entries.note(told, **about), spare=True)

    def _hosts(self, record: Record, *, modifies: bool) -> Entry:
        hosts = [record.hostnames.get(host, host) for host in record.states]
        if modifies:
            return (
                entries.named(hosts, entries.HOSTS) if record.any_host else {}
            )  # the intent has named the others
        return entries.named(hosts, entries.READ_HOSTS)


def status_of(error: Exception) -> int:
    """What an error is answered with."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        [error] = error.exceptions
    if isinstance(error, HTTPException):
        return error.code or 500
    return error.status if isinstance(error, Error) else 500


def sender(proxies: list[str]) -> str:
    """The address that the request comes from which is being served."""
    forwarded = ",".join(request.headers.getlist("X-Forwarded-For"))
    return entries.source(request.remote_addr or "", forwarded, proxies)
