"""What lets a message in only where the controllers have signed it for this host, and only once.

A signature is good for a while around the moment that it was made in, by the broker's clock: for so long its nonce is
kept. What was signed before this agent started is not taken, as what had come by then is not known any more; a
controller that still means it signs it again.
"""

from collections import OrderedDict
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import attrs
import structlog
import trio

from agent.enrollment import Trust
from agent.identity import Identity
from agent.lifecycle import Standing
from osapi import wire
from osapi.bus import Bucket, Bus, Message
from osapi.bus.layout import specs
from osapi.config import Config
from osapi.errors import BadInput, Error, Refused, Unavailable
from osapi.jobs import Job, Reply, Taking
from osapi.keys import KeyDirectory
from osapi.signing import Signature

log = structlog.get_logger()

GOOD = timedelta(minutes=2)
"""How far the clock of a controller may be from the broker's."""


class Dropped(Error):
    """It has been here before, or that cannot be known now: nobody is told, whoever means it sends it anew."""


@attrs.define
class Gate:
    """Checks each message; `nonces` are those that have come, with the time until which they could come again.

    `opened` is by a clock that nobody sets.
    """

    trust: Trust
    bucket: Bucket
    identity: Identity
    standing: Standing
    opened: float = attrs.field(factory=trio.current_time)
    nonces: OrderedDict[str, datetime] = attrs.field(factory=OrderedDict)

    @staticmethod
    async def open(config: Config, bus: Bus, identity: Identity, standing: Standing) -> "Gate | None":
        """That of an agent; None where it takes jobs that are not signed. `ConfigError` where its keys are damaged."""
        section = config.agent
        if identity.pair is None:
            return None
        trust = Trust.of(KeyDirectory(Path(section.pki.key_dir)), identity.machine_id, identity.pair)
        bucket = await bus.bucket(specs(config, section.nats.namespace).enrollment)
        return Gate(trust, bucket, identity, standing)

    async def check(self, message: Message) -> None:
        """Raise `Refused` where a message is not to be believed, and `Dropped` where it is not to be acted on."""
        try:
            signature = Signature.of(message.headers)
        except BadInput as error:
            raise Refused(f"refused: {error}") from None
        if not self.standing.accepted:
            raise Refused(
                f"refused: {self.identity.hostname} waits to be accepted; see `osapi client agent list --pending`"
            )
        if signature is None:
            raise Refused(
                "refused: the job is not signed, and this agent has agent.pki.enabled: true; "
                "set controller.pki.enabled: true as well"
            )
        await self._signed(signature, message)
        self._once(signature)

    async def _signed(self, signature: Signature, message: Message) -> None:
        try:
            key = await self.trust.key(self.bucket, signature.key, self.identity.time())
        except Unavailable as error:
            raise Dropped(f"whose key it is signed with could not be looked up: {error}") from None
        if key is None:
            raise Refused(
                f"refused: it is signed with the key {signature.key[:80]}, which this agent does not trust"
            )
        if not signature.holds(key, message.subject, message.data):
            raise Refused("refused: it is not what the controller has signed for this host")

    def _once(self, signature: Signature) -> None:
        at = self.identity.time()
        if abs(signature.at - at) > GOOD:
            raise Refused(
                f"refused: it was signed at {signature.at:%H:%M:%S}, and it is {at:%H:%M:%S} UTC by the clock of the "
                "broker; set the clock of the controller"
            )
        if signature.at < at - timedelta(seconds=trio.current_time() - self.opened):
            raise Dropped("it was signed before this agent started")
        while self.nonces and next(iter(self.nonces.values())) < at:
            self.nonces.popitem(last=False)
        if signature.stamp in self.nonces:
            raise Dropped("it has come before")
        self.nonces[signature.stamp] = at + 2 * GOOD


async def admitted(gate: Gate | None, bus: Bus, message: Message) -> bool:
    """Whether to act on a message; who has sent a job to just this host is told why it is not taken.

    `BadInput` where it is not only refused, but cannot be read.
    """
    if gate is None:
        return True
    try:
        await gate.check(message)
    except Dropped as error:
        log.info("a message was dropped", subject=message.subject, reason=str(error))
        return False
    except Refused as error:
        log.warning("a message was refused", subject=message.subject, reason=str(error))
        if ".host." in message.subject and message.reply:
            await _refuse(gate.identity, bus, message, str(error))
        return False
    return True


async def _refuse(identity: Identity, bus: Bus, message: Message, reason: str) -> None:
    said = Reply(
        job_id=wire.decode(Job, message.data).id,
        machine_id=identity.machine_id,
        hostname=identity.hostname,
        taking=Taking.REFUSED,
        reason=reason,
    )
    with suppress(Unavailable, BadInput):
        await bus.publish(message.reply, wire.encode(said))
