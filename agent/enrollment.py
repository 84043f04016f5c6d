"""Whose jobs this agent takes: it asks to be taken in, and learns the key of the controllers.

What it knows lasts in two places. `controller.pub` in the folder of its keys is the key that it trusts, put there by
an administrator, or by the first acceptance. The acceptance itself stays on the broker; it is looked at at each
start, so that an agent whose acceptance is gone asks again.
"""

import secrets
from datetime import datetime

import attrs
import structlog
import trio

from agent.lifecycle import Standing
from osapi import enrollment, wire
from osapi.bus import Bucket, layout
from osapi.enrollment import Acceptance, Rejection, Request
from osapi.errors import BadInput, Unavailable
from osapi.jobs import now
from osapi.keys import CONTROLLER, KeyDirectory, KeyPair, PublicKey

log = structlog.get_logger()

LONGEST = 100
"""Rotations of the controllers' key that an agent was away for, and follows at once."""


@attrs.define
class Trust:
    """The keys of this agent, and the controllers' that it trusts.

    `pinned` is the one in `controller.pub`; None until there is one. `former` are those before it, as far as they
    were looked up, and until when they are good.
    """

    keys: KeyDirectory
    machine_id: str
    pair: KeyPair
    pinned: PublicKey | None
    nonce: str = attrs.field(factory=lambda: secrets.token_hex(16))
    former: dict[str, tuple[PublicKey, datetime]] = attrs.field(factory=dict)

    @staticmethod
    def of(keys: KeyDirectory, machine_id: str, pair: KeyPair) -> "Trust":
        """What the folder of keys says."""
        return Trust(keys, machine_id, pair, keys.public(CONTROLLER))

    def pin(self, key: PublicKey) -> None:
        """Trust a key from now on, and after every restart."""
        self.keys.keep(CONTROLLER, key)
        self.pinned = key

    async def follow(self, bucket: Bucket) -> None:
        """Trust the key that the controllers have now, as far as each one names the next."""
        for _ in range(LONGEST):
            if self.pinned is None or not (found := await rotation(bucket, self.pinned.fingerprint)):
                return
            before = self.pinned
            await trio.to_thread.run_sync(self.pin, PublicKey.of(found.current))
            self.former[before.fingerprint] = (before, found.until)
            log.info("the controllers have another key", fingerprint=self.pinned.fingerprint)

    async def key(self, bucket: Bucket, fingerprint: str, at: datetime) -> PublicKey | None:
        """The key of that fingerprint, where what is signed with it is to be believed."""
        if self.pinned is None:
            return None
        if fingerprint != self.pinned.fingerprint and fingerprint not in self.former:
            await self.look_for(bucket, fingerprint)
        if fingerprint == self.pinned.fingerprint:
            return self.pinned
        former, until = self.former.get(fingerprint, (None, at))
        return former if at < until else None

    async def look_for(self, bucket: Bucket, fingerprint: str) -> None:
        """A key that is not known: the one after the pinned, or the one before it."""
        await self.follow(bucket)
        found = await rotation(bucket, fingerprint)
        if found and self.pinned and found.current == self.pinned.text:
            self.former[fingerprint] = (PublicKey.of(found.former), found.until)

    async def admits(self, bucket: Bucket, acceptance: Acceptance) -> str | None:
        """What is to be said against an acceptance; None where it is this agent's, whose controller is known then."""
        if (acceptance.machine_id, acceptance.public_key) != (self.machine_id, self.pair.public.text):
            return "it is for another key than this agent has"
        key = PublicKey.of(acceptance.controller_key)
        if self.pinned and key != self.pinned:
            await self.follow(bucket)
        if self.pinned is None and acceptance.nonce != self.nonce:
            return "it is of another time"
        if self.pinned not in {None, key}:
            return f"it is by {key.fingerprint}, and controller.pub has another key"
        if self.pinned is None:
            await trio.to_thread.run_sync(self.pin, key)
        return None


async def rotation(bucket: Bucket, fingerprint: str) -> enrollment.Rotation | None:
    """What came after the key of a fingerprint."""
    try:
        entry = await bucket.get(layout.rotation(fingerprint))
    except BadInput:
        return None
    if entry is None or entry.value is None:
        return None
    try:
        found = enrollment.rotation(entry.value)
    except BadInput as error:
        log.warning("a rotation of the controllers' key was passed over", reason=str(error))
        return None
    return found if PublicKey.of(found.former).fingerprint == fingerprint else None


@attrs.define
class Enrollment:
    """This agent's way in; a controller that has decided wakes it, by way of its `standing`."""

    trust: Trust
    bucket: Bucket
    standing: Standing
    hostname: str
    interval: float
    asked_at: datetime = attrs.field(factory=now)
    rejected: bool = False

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Be accepted, or ask to be until one is; started once it is known which."""
        await self.look()
        task_status.started()
        if not self.standing.accepted:
            log.warning(
                "waiting to be accepted; see `osapi client agent list --pending`",
                machine_id=self.trust.machine_id,
                fingerprint=self.trust.pair.public.fingerprint,
            )
        while not self.standing.accepted:
            woken = self.standing.asked
            try:
                await self.ask()
                with trio.move_on_after(self.interval):
                    await woken.wait()
                await self.look()
            except Unavailable as error:
                log.info("whether this agent is accepted is not known", reason=str(error))
                await trio.sleep(1)

    async def ask(self) -> None:
        """Write down who wants to be taken in; once more each time, as what was written may be gone."""
        trust = self.trust
        request = Request(
            machine_id=trust.machine_id,
            hostname=self.hostname,
            public_key=trust.pair.public.text,
            requested_at=self.asked_at,
            nonce=trust.nonce,
        )
        if not self.rejected:
            sealed = wire.encode(enrollment.sealed(request, trust.pair))
            await self.bucket.put(layout.enrollment(trust.machine_id), sealed)

    async def look(self) -> None:
        """See what controllers have said to this agent."""
        me = self.trust.machine_id
        for key, learn in ((layout.accepted(me), self.accepted), (layout.rejected(me), self.refused)):
            entry = await self.bucket.get(key)
            try:
                if entry and entry.value and not self.standing.accepted:
                    await learn(entry.value)
            except BadInput as error:
                log.warning("an answer to this agent was passed over", key=key, reason=str(error))

    async def accepted(self, data: bytes) -> None:
        found = enrollment.read(Acceptance, data, lambda said: PublicKey.of(said.controller_key))
        if reason := await self.trust.admits(self.bucket, found):
            log.warning("an acceptance was passed over", reason=reason)
            return
        self.standing.accept()
        assert self.trust.pinned
        log.info("accepted", by=found.accepted_by, controller=self.trust.pinned.fingerprint)

    async def refused(self, data: bytes) -> None:
        found = enrollment.read(Rejection, data, lambda said: PublicKey.of(said.controller_key))
        trusted = self.trust.pinned in {None, PublicKey.of(found.controller_key)}
        ours = (found.public_key, found.nonce) == (self.trust.pair.public.text, self.trust.nonce)
        if trusted and ours and not self.rejected:
            self.rejected = True
            log.error("rejected; restart this agent to ask again", reason=found.reason)
