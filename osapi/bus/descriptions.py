"""Descriptions of objects, as they are stored: what NATS ADR-20 says of them, from bytes and to bytes."""

from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any

import attrs
import msgspec
import structlog

from osapi.bus import Message, ObjectInfo

DIGEST = "SHA-256="
DIGEST_SIZE = 32

log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class Description:
    """What is stored of an object; `nuid` names its chunks, `digest` is in URL-safe base64.

    When it was stored is not in it: the message says that.
    """

    nuid: str
    name: str = ""
    bucket: str = ""
    size: int = 0
    chunks: int = 0
    digest: str = ""
    headers: dict[str, list[str]] | None = None
    options: dict[str, Any] | None = None
    deleted: bool = False

    @property
    def sha256(self) -> str:
        """In hex; empty where it has no contents: a link to another object, or a deleted one."""
        found = b64decode(self.digest[len(DIGEST) :], b"-_", validate=True)
        if len(found) not in {0, DIGEST_SIZE}:
            raise ValueError(f"digest: {self.digest!r} is no SHA-256")
        return found.hex()


UNREADABLE = Description(nuid="", deleted=True)
"""In the place of a description that nobody can read: there is no object, and it may be written over."""


@attrs.frozen
class Placed:
    """A description where it is: the last message of its subject."""

    name: str
    description: Description
    revision: int
    modified: datetime

    @property
    def info(self) -> ObjectInfo | None:
        """None where the object was deleted, or has no contents."""
        found = self.description
        if found.deleted or not found.sha256:
            return None
        headers = (found.headers or {}).items()
        return ObjectInfo(
            name=self.name,
            size=found.size,
            sha256=found.sha256,
            modified=self.modified,
            headers={name: values[0] for name, values in headers if values},
            revision=self.revision,
        )


def digest(sha256: bytes) -> str:
    return DIGEST + urlsafe_b64encode(sha256).decode()


def placed(token: str, message: Message) -> Placed:
    """What a message says of the object that the last word of its subject stands for."""
    name = token
    try:
        name = urlsafe_b64decode(token).decode()
        description = msgspec.json.decode(message.data, type=Description)
        _ = description.sha256
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        log.warning("a description that cannot be read was passed over", object=name, error=str(error))
        description = UNREADABLE
    return Placed(name, description, int(message.headers["Nats-Sequence"]), stored(message))


def stored(message: Message) -> datetime:
    """When the broker has stored a message."""
    return datetime.fromisoformat(message.headers["Nats-Time-Stamp"])


def token(name: str) -> str:
    """The last word of the subject of a description."""
    return urlsafe_b64encode(name.encode()).decode()
