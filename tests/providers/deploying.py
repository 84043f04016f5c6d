"""Operations on one file of the object store, as tests do them."""

from hashlib import sha256
from pathlib import Path

from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations import file

PATH = "/etc/app/app.conf"
PORT = b"port = 80\n"
OTHER = b"port = 81\n"


def sha(data: bytes) -> str:
    return sha256(data).hexdigest()


def on_disk(host, path=PATH) -> Path:
    return host.root / path.lstrip("/")


async def done(host, operation):
    """What an operation returns that must succeed."""
    performed = await perform(host, operation)
    assert performed.state is State.COMPLETED, performed.error
    return performed.result


async def failed(host, operation, code):
    """The message of an operation that must fail."""
    performed = await perform(host, operation)
    assert (performed.state, performed.code) == (State.FAILED, code), performed
    return performed.error


async def deploy(host, **more):
    return await done(host, file.Deploy(**{"object_name": "app.conf", "path": PATH, **more}))


async def status(host, path=PATH):
    """In which state it is, and what differs."""
    found = await done(host, file.Status(path=path))
    return found.status, found.differs
