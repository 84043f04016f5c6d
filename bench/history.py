"""A history of jobs that have ended, put straight onto the broker: python bench/history.py COUNT, as a daemon's env."""

import os
import sys
import uuid
from datetime import timedelta

import msgspec
import trio

from osapi import wire
from osapi.bus import layout
from osapi.bus.connect import connect
from osapi.config import load
from osapi.jobs import Answer, Job, JobHost, State, now

AT_ONCE = 64
HOST = JobHost(machine_id="bench-00000", hostname="bench-00000")
RESULT = msgspec.Raw(b'{"uptime":"26h3m4s"}')


async def history(count: int) -> None:
    config = load(None, os.environ)
    bus, specs = connect(config.controller.nats), layout.specs(config, config.controller.nats.namespace)
    async with trio.open_nursery() as nursery:
        await nursery.start(_run, bus)
        jobs, responses = await bus.bucket(specs.jobs), await bus.bucket(specs.responses)
        began, numbers = now(), iter(range(count))

        async def write() -> None:
            for number in numbers:
                moment = began - timedelta(seconds=count - number)
                job = Job(
                    id=str(uuid.uuid4()), operation="node.uptime", params={}, target=HOST.hostname, hosts=[HOST],
                    user="bench", created=moment, expires=moment + timedelta(seconds=30),
                )  # fmt: skip
                answer = Answer(
                    job_id=job.id, machine_id=HOST.machine_id, hostname=HOST.hostname, state=State.COMPLETED,
                    data=RESULT, accepted=moment, started=moment, finished=moment,
                )  # fmt: skip
                await jobs.put(layout.job(job.id), wire.encode(job))
                await responses.put(layout.answer(job.id, HOST.machine_id), wire.encode(answer))

        async with trio.open_nursery() as writers:
            for _ in range(AT_ONCE):
                writers.start_soon(write)
        nursery.cancel_scope.cancel()


async def _run(bus: object, *, task_status: trio.TaskStatus[None]) -> None:
    await bus.run(task_status)


if __name__ == "__main__":
    trio.run(history, int(sys.argv[1]))
