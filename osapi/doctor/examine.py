"""Which checks there are, and running them."""

from collections.abc import Awaitable, Callable, Sequence

import trio

from osapi.doctor import broker, client, daemons, files, host
from osapi.doctor.findings import Finding, Machine, skip

Check = Callable[[Machine], Awaitable[list[Finding]]]

PATIENCE = 60.0
"""Seconds that a check may take; each has limits of its own."""

CHECKS: Sequence[Check] = (
    files.configuration,
    files.permissions,
    host.identity,
    host.clock,
    host.disks,
    daemons.units,
    daemons.ports,
    daemons.open_files,
    broker.durability,
    broker.broker,
    client.client,
)


async def examine(machine: Machine, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """What all checks find, in their order; they run at once."""
    found: dict[int, list[Finding]] = {}

    async def run(place: int, check: Check) -> None:
        with trio.move_on_after(PATIENCE) as limit:
            found[place] = await check(machine)
        if limit.cancelled_caught:
            found[place] = [skip(check.__name__, f"no answer within {PATIENCE:g} s")]

    async with trio.open_nursery() as nursery:
        for place, check in enumerate(checks):
            nursery.start_soon(run, place, check)
    return [finding for place in range(len(checks)) for finding in found[place]]
