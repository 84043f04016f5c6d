"""What a controller counts of its messages to agents."""

from datetime import timedelta

import trio

from controller.drive import Driver
from controller.events import Events
from controller.hosts import Hosts
from controller.projection import Jobs
from osapi import wire
from osapi.bus import Entry
from osapi.bus.layout import Subjects
from osapi.jobs import Job, JobHost, now
from osapi.registry import Beat


class Silence:
    """A bus on which nobody answers."""

    async def publish(self, *_, **__):
        await trio.lowlevel.checkpoint()


def known(*names):
    """Hosts of these names, which beat."""
    hosts = Hosts(35)
    for name in names:
        beat = Beat(
            machine_id=name,
            hostname=name,
            instance="i",
            version="0",
            state="Ready",
            registered_at=now(),
            started_at=now(),
        )
        hosts.apply(Entry(f"agents.{name}", wire.encode(beat), 1, 0.0))
    return hosts


async def test_only_what_is_sent_again_is_a_retry(autojump_clock, nursery):
    hosts, jobs = known("a", "b"), Jobs(loading=False)
    driver = Driver(Silence(), Subjects(""), None, jobs, hosts, Events(), "c")
    job = Job(
        id="00000000-0000-0000-0000-000000000001",
        operation="node.uptime",
        params={},
        target="_all",
        hosts=[JobHost(machine_id=name, hostname=name) for name in ("a", "b")],
        user="anna",
        created=now(),
        expires=now() + timedelta(hours=1),
    )
    driver.own.add(job.id)

    nursery.start_soon(driver.drive, jobs.add(job, 1))
    await trio.sleep(0.5)
    first = (driver.tally.dispatches, driver.tally.retries)
    await trio.sleep(1)

    assert first == (2, 0)
    assert (driver.tally.dispatches, driver.tally.retries) == (4, 2)
    nursery.cancel_scope.cancel()
