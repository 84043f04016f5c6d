"""A bus as the configuration describes it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import outcome
import trio

from osapi.bus import Bus
from osapi.bus.bridge import NatsBus
from osapi.config import NatsConnection, urls
from osapi.errors import Unavailable

T = TypeVar("T")


def connect(nats: NatsConnection) -> Bus:
    """A bus that is not connected yet: it is to be run."""
    auth = nats.auth
    by_password = auth.type == "user_pass"
    return NatsBus(
        urls(nats),
        name=nats.client_name,
        user=auth.username if by_password else "",
        password=auth.password if by_password else "",
        nkey_file=auth.nkey_file if auth.type == "nkey" else "",
    )


async def visit(nats: NatsConnection, patience: float, work: Callable[[Bus], Awaitable[T]]) -> T:
    """Do something with a broker, connected for as long as that takes.

    `Unavailable` where no broker answers within `patience` seconds, `ConfigError` where it refuses the login.
    """
    async with trio.open_nursery() as nursery:
        done = await outcome.acapture(_visit, nursery, nats, patience, work)
        nursery.cancel_scope.cancel()
    return done.unwrap()


async def _visit(
    nursery: trio.Nursery, nats: NatsConnection, patience: float, work: Callable[[Bus], Awaitable[T]]
) -> T:
    bus = connect(nats)
    with trio.move_on_after(patience) as trying:
        await nursery.start(_run, bus)
    if trying.cancelled_caught:
        raise Unavailable(f"no broker answers at {', '.join(urls(nats))} within {patience:g} s")
    return await work(bus)


async def _run(bus: Bus, *, task_status: trio.TaskStatus[None]) -> None:
    await bus.run(task_status)
