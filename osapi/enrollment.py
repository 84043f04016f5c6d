"""What agents and controllers tell each other before jobs are signed: records in the bucket of enrollment.

An agent asks (`Request`), a controller accepts or rejects. Each record travels as the bytes of its JSON with a
signature over just those (`Envelope`), by the key of who says it; a request carries the key that it is to be checked
with, and so proves that its sender has the private one.

| key | record | signed by |
|---|---|---|
| `enrollment.<machine id>` | `Request` | the agent |
| `accepted.<machine id>` | `Acceptance` | the controller |
| `rejected.<machine id>` | `Rejection` | the controller |
| `rotation.<fingerprint of the former key>` | `Rotation`, twice | the controller, with either key |
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import attrs

from osapi import wire
from osapi.errors import BadInput
from osapi.jobs import Id
from osapi.keys import KeyPair, PublicKey
from osapi.results import Time

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Request:
    """An agent wants to be taken in; `nonce` differs each time that it starts to ask."""

    machine_id: Id
    hostname: str
    public_key: str
    requested_at: Time
    nonce: str

    @property
    def key(self) -> PublicKey:
        return PublicKey.of(self.public_key)


@attrs.frozen(kw_only=True)
class Acceptance:
    """A controller has taken in the agent that has this key; `nonce` is that of the request it answers."""

    machine_id: Id
    hostname: str
    public_key: str
    nonce: str
    controller_key: str
    accepted_at: Time
    accepted_by: str

    @property
    def key(self) -> PublicKey:
        return PublicKey.of(self.public_key)

    def answers(self, request: Request) -> bool:
        """Whether it is the answer to just that request."""
        return (self.public_key, self.nonce) == (request.public_key, request.nonce)


@attrs.frozen(kw_only=True)
class Rejection:
    """A controller does not take in who has asked so."""

    machine_id: Id
    public_key: str
    nonce: str
    controller_key: str
    reason: str


@attrs.frozen(kw_only=True)
class Rotation:
    """The key of the controllers is another from now on; until then jobs signed with the former one are good, too."""

    former: str
    current: str
    until: Time

    def passed(self, at: datetime) -> bool:
        return at >= self.until


@attrs.frozen(kw_only=True)
class Envelope:
    """A record as its bytes, and who says so."""

    payload: bytes
    signature: bytes


def sealed(record: object, pair: KeyPair) -> Envelope:
    """A record as it travels."""
    payload = wire.encode(record)
    return Envelope(payload=payload, signature=pair.sign(_said(type(record), payload)))


def opened(kind: type[T], envelope: Envelope, key_of: Callable[[T], PublicKey]) -> T:
    """The record in an envelope; `BadInput` where it is none, or not signed with the key that it must be."""
    record = wire.decode(kind, envelope.payload)
    if not key_of(record).verifies(_said(kind, envelope.payload), envelope.signature):
        raise BadInput(f"a {kind.__name__.lower()} is not signed by whom it says")
    return record


def read(kind: type[T], data: bytes, key_of: Callable[[T], PublicKey]) -> T:
    """The record that a key of the bucket holds."""
    return opened(kind, wire.decode(Envelope, data), key_of)


def request(data: bytes, machine_id: str) -> Request:
    """A request that is proven, of that machine."""
    found = read(Request, data, lambda asked: asked.key)
    if found.machine_id != machine_id:
        raise BadInput("a request is in the place of another machine's", "machine_id")
    return found


def announced(former: KeyPair, current: KeyPair, until: datetime) -> bytes:
    """A rotation, said with both keys."""
    record = Rotation(former=former.public.text, current=current.public.text, until=until)
    return wire.encode([sealed(record, former), sealed(record, current)])


def rotation(data: bytes) -> Rotation:
    """A rotation that both keys say."""
    envelopes = wire.decode(list[Envelope], data)
    if len(envelopes) != 2:
        raise BadInput("a rotation is not signed with both keys")
    said = opened(Rotation, envelopes[0], lambda record: PublicKey.of(record.former))
    confirmed = opened(Rotation, envelopes[1], lambda record: PublicKey.of(record.current))
    if said != confirmed:
        raise BadInput("the two keys say different rotations")
    return said


def vouch(pair: KeyPair, machine_id: str, secrets_key: str) -> bytes:
    """An agent's signature over the key that secrets for it are to be sealed to (`osapi.sealed`)."""
    return pair.sign(_vouched(machine_id, secrets_key))


def vouched(key: PublicKey, proof: bytes, machine_id: str, secrets_key: str) -> bool:
    """Whether the agent that has this key says so."""
    return key.verifies(_vouched(machine_id, secrets_key), proof)


def _vouched(machine_id: str, secrets_key: str) -> bytes:
    return b"\n".join((b"osapi secrets v1", machine_id.encode(), secrets_key.encode()))


def _said(kind: type, payload: bytes) -> bytes:
    """What is signed: a record of one kind is none of another."""
    return b"\n".join((b"osapi enrollment v1", kind.__name__.encode(), payload))
