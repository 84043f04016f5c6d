"""Which agents are taken in, and the key that their jobs are signed with.

What was decided lies on the broker, signed by the controllers, so that nobody else's decision counts; here is an index
of it in memory. Several controllers have the same key.
"""

from datetime import timedelta
from pathlib import Path

import attrs
import structlog
import trio

from controller.hosts import Hosts
from osapi import enrollment, wire
from osapi.bus import AlreadyExists, Bucket, Bus, CaughtUp, Entry, layout
from osapi.bus.layout import Subjects, specs
from osapi.config import Config
from osapi.enrollment import Acceptance, Rejection, Request
from osapi.errors import BadInput, Conflict, NotFound, Unavailable
from osapi.jobs import now
from osapi.keys import CONTROLLER, FORMER, KeyDirectory, KeyPair, PublicKey

log = structlog.get_logger()

AUTO = "auto_accept"
"""Who accepts where nobody is asked."""


@attrs.define
class Enrollment:
    """Those who ask, and those who were taken in, each by machine id.

    `pair` is the key of the controllers, `former` the one before it was rotated; `grace` is in seconds. With `auto`
    whoever asks is taken in, unless that machine was known by another key.
    """

    bus: Bus
    subjects: Subjects
    bucket: Bucket
    hosts: Hosts
    pair: KeyPair
    former: KeyPair | None
    auto: bool
    grace: float
    requests: dict[str, Request] = attrs.field(factory=dict)
    accepted: dict[str, Acceptance] = attrs.field(factory=dict)

    @staticmethod
    async def open(config: Config, bus: Bus, hosts: Hosts) -> "Enrollment | None":
        """That of a controller; None where jobs are not signed. `ConfigError` where its keys are damaged."""
        pki, namespace = config.controller.pki, config.controller.nats.namespace
        if not pki.enabled:
            return None
        keys = KeyDirectory(Path(pki.key_dir))
        pair = keys.pair(CONTROLLER)
        log.info("jobs are signed", fingerprint=pair.public.fingerprint)
        return Enrollment(
            bus=bus,
            subjects=Subjects(namespace),
            bucket=await bus.bucket(specs(config, namespace).enrollment),
            hosts=hosts,
            pair=pair,
            former=keys.known_pair(FORMER),
            auto=pki.auto_accept,
            grace=pki.rotation_grace_period,
        )

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Follow who asks, and who was taken in, until cancelled; started once all that was there is known."""
        await self.announce()
        async with self.bucket.watch() as watch:
            async for seen in watch:
                if isinstance(seen, CaughtUp):
                    break
                self.apply(seen)
            for request in list(self.requests.values()):
                await self.consider(request)
            for acceptance in list(self.accepted.values()):
                await self.renew(acceptance)
            task_status.started()
            async for seen in watch:
                if isinstance(seen, Entry) and (asking := self.apply(seen)):
                    await self.consider(asking)

    async def announce(self) -> None:
        """Say, where the key was rotated, which one it is now: with both, and once."""
        if self.former is None:
            return
        said = enrollment.announced(self.former, self.pair, now() + timedelta(seconds=self.grace))
        try:
            await self.bucket.create(layout.rotation(self.former.public.fingerprint), said)
        except AlreadyExists:
            return
        log.info("the key was rotated", former=self.former.public.fingerprint)

    def apply(self, entry: Entry) -> Request | None:
        """Take in one revision of a key; the request that it is, if it is one."""
        kind, _, machine_id = entry.key.partition(".")
        try:
            if kind == "enrollment" and entry.value is None:
                self.requests.pop(machine_id, None)
            elif kind == "enrollment" and entry.value:
                found = enrollment.request(entry.value, machine_id)
                self.requests[machine_id] = found
                return found
            elif kind == "accepted":
                self._know(machine_id, self._read(machine_id, entry.value) if entry.value else None)
        except BadInput as error:
            log.warning("an entry that cannot be believed was passed over", key=entry.key, reason=str(error))
        return None

    def _read(self, machine_id: str, data: bytes) -> Acceptance:
        """An acceptance that these controllers have signed."""
        ours = {pair.public.text: pair.public for pair in (self.pair, self.former) if pair}

        def key_of(said: Acceptance) -> PublicKey:
            if said.machine_id != machine_id or said.controller_key not in ours:
                raise BadInput("an acceptance is not by the controllers' key")
            return ours[said.controller_key]

        found, known = enrollment.read(Acceptance, data, key_of), self.accepted.get(machine_id)
        if known and found.accepted_at < known.accepted_at:
            raise BadInput("an acceptance is older than the one that is known")
        return found

    def _know(self, machine_id: str, acceptance: Acceptance | None) -> None:
        if acceptance is None:
            self.accepted.pop(machine_id, None)
        else:
            self.accepted[machine_id] = acceptance
        self.hosts.accept(machine_id, acceptance.key if acceptance else None)

    def pending(self) -> list[Request]:
        """Those who ask and have no answer yet, the oldest first."""
        waiting = [request for request in self.requests.values() if not self.answered(request)]
        return sorted(waiting, key=lambda request: request.requested_at)

    def answered(self, request: Request) -> bool:
        known = self.accepted.get(request.machine_id)
        return known is not None and known.answers(request)

    def former_fingerprint(self, request: Request) -> str | None:
        """That of the key by which the machine was known so far, where it comes with another."""
        known = self.accepted.get(request.machine_id)
        return known.key.fingerprint if known and known.key != request.key else None

    def find(self, name: str, fingerprint: str | None = None) -> Request:
        """Who asks by that host name or machine id, or whatever the name, by that fingerprint.

        `NotFound` where nobody does, `Conflict` where several do.
        """
        waiting = self.pending()
        if fingerprint:
            found = [request for request in waiting if request.key.fingerprint == fingerprint]
        else:
            found = [request for request in waiting if request.machine_id == name]
            found = found or [request for request in waiting if request.hostname == name]
        if not found:
            raise NotFound(
                f"no pending agent {fingerprint or name!r}; `osapi client agent list --pending` shows those that wait"
            )
        if len(found) > 1:
            which = "; ".join(f"{each.machine_id} with {each.key.fingerprint}" for each in found)
            raise Conflict(f"{len(found)} agents wait as {fingerprint or name!r}: {which}; name one of these")
        return found[0]

    async def accept(self, request: Request, by: str) -> None:
        """Take an agent in: its key is on record from now on, and it learns that of the controllers."""
        await self._write(request, by)
        await self.bucket.delete(layout.enrollment(request.machine_id))
        self.requests.pop(request.machine_id, None)
        await self.wake(request.machine_id)
        log.info("accepted an agent", machine_id=request.machine_id, hostname=request.hostname, by=by)

    async def _write(self, request: Request, by: str) -> None:
        acceptance = Acceptance(
            machine_id=request.machine_id,
            hostname=request.hostname,
            public_key=request.public_key,
            nonce=request.nonce,
            controller_key=self.pair.public.text,
            accepted_at=now(),
            accepted_by=by,
        )
        sealed = wire.encode(enrollment.sealed(acceptance, self.pair))
        await self.bucket.put(layout.accepted(request.machine_id), sealed)
        self._know(request.machine_id, acceptance)

    async def reject(self, request: Request, by: str) -> None:
        """Send an agent away; it may ask again."""
        rejection = Rejection(
            machine_id=request.machine_id,
            public_key=request.public_key,
            nonce=request.nonce,
            controller_key=self.pair.public.text,
            reason=f"rejected by {by}",
        )
        sealed = wire.encode(enrollment.sealed(rejection, self.pair))
        await self.bucket.put(layout.rejected(request.machine_id), sealed)
        await self.bucket.delete(layout.enrollment(request.machine_id))
        self.requests.pop(request.machine_id, None)
        await self.wake(request.machine_id)
        log.info("rejected an agent", machine_id=request.machine_id, hostname=request.hostname, by=by)

    async def consider(self, request: Request) -> None:
        """Accept without asking anybody: who was accepted with the same key, and with `auto` who is new."""
        known = self.accepted.get(request.machine_id)
        if known and known.key != request.key:
            log.warning("a known host comes with another key", machine_id=request.machine_id)
        elif known or self.auto:
            try:
                await self.accept(request, known.accepted_by if known else AUTO)
            except Unavailable as error:
                log.info("an agent waits for the broker", machine_id=request.machine_id, reason=str(error))

    async def renew(self, acceptance: Acceptance) -> None:
        """Sign with the key of now what the former one has."""
        if acceptance.controller_key != self.pair.public.text:
            renewed = attrs.evolve(acceptance, controller_key=self.pair.public.text)
            sealed = wire.encode(enrollment.sealed(renewed, self.pair))
            await self.bucket.put(layout.accepted(acceptance.machine_id), sealed)

    async def wake(self, machine_id: str) -> None:
        """Have an agent look what was decided; what is lost, its next look makes up for."""
        try:
            await self.bus.publish(self.subjects.host("enrollment", machine_id), b"")
        except Unavailable as error:
            log.info("an agent was not woken", machine_id=machine_id, reason=str(error))
