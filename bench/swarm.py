"""Many agents in one process, for measuring the controller: the agent's own code, each with an identity and journal.

python bench/swarm.py COUNT PREFIX, with the environment of an agent. They share one connection to the broker.
"""

import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import trio

from agent import dispatch
from agent.broker import BrokerStore
from agent.buckets import Buckets
from agent.carry_out import Work
from agent.heartbeat import Heart, heartbeat, tell_facts
from agent.host import Host
from agent.identity import Identity
from agent.intake import Intake, take
from agent.journal import Journal
from agent.lifecycle import Standing
from osapi.blobs.store import Blobs
from osapi.bus.connect import connect
from osapi.bus.layout import Subjects, specs
from osapi.config import load
from osapi.registry import BEATS
from osapi.sealed import Opener
from osapi.state import locate

AT_ONCE = 32
"""Agents that start at a time."""


async def swarm(count: int, prefix: str) -> None:
    dispatch.load()
    config = load(None, os.environ)
    folder = Path(locate("", os.environ))
    bus, subjects = connect(config.agent.nats), Subjects(config.agent.nats.namespace)
    host = Host.detect()
    with ExitStack() as journals:
        async with trio.open_nursery() as nursery:
            await nursery.start(_run, bus)
            buckets = await Buckets.open(bus, specs(config, config.agent.nats.namespace))
            blobs = await Blobs.open(bus, config, config.agent.nats.namespace)
            numbers = iter(range(count))

            async def start() -> None:
                for number in numbers:
                    name = f"{prefix}-{number:05}"
                    identity = Identity(name, host, Opener.of("00" * 32), name)
                    journal = journals.enter_context(Journal.open(folder / f"{identity.machine_id}.db"))
                    store = BrokerStore(identity.machine_id, buckets, blobs)
                    work = Work(identity, bus, subjects, buckets, store, journal)
                    heart = Heart(buckets, identity, Standing(), config.agent, {})
                    await heart.register()
                    intake = Intake(work, config.agent.max_jobs, heart.standing)
                    parts = (
                        partial(tell_facts, buckets, identity, 3600.0),
                        partial(take, bus, subjects, config.agent.queue_group, intake, nursery),
                        partial(heartbeat, heart, config.nats.registry.ttl / BEATS),
                    )
                    for part in parts:
                        await nursery.start(_start, part)

            async with trio.open_nursery() as starting:
                for _ in range(AT_ONCE):
                    starting.start_soon(start)
            await trio.sleep_forever()


async def _run(bus: object, *, task_status: trio.TaskStatus[None]) -> None:
    await bus.run(task_status)


async def _start(part: object, *, task_status: trio.TaskStatus[None]) -> None:
    await part(task_status=task_status)


if __name__ == "__main__":
    trio.run(swarm, int(sys.argv[1]), sys.argv[2])
