"""Entries of cron: each a deployed object, and what makes cron run it, by the name of the entry.

With a schedule that is a table in /etc/cron.d, which begins with a line that says whose it is; with an interval, a link
to the object in /etc/cron.hourly and so on.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs

from agent import crontab, scripts
from agent.deploy import undeploy
from agent.dispatch import performs
from agent.files import Attributes
from agent.host import Host
from osapi.deployments import Deployment
from osapi.errors import BadInput, Conflict, NotFound, Unsupported
from osapi.operations.schedule import cron
from osapi.operations.schedule.cron import CronChanged, CronEntry

OBJECTS = f"{scripts.FOLDER}/cron"
TABLES = "cron.d"
INTERVALS = ("hourly", "daily", "weekly", "monthly")
DAEMONS = (
    "/usr/sbin/cron",
    "/usr/sbin/crond",
    "/usr/lib/systemd/system-generators/systemd-crontab-generator",
)
"""Of the packages that Debian and Ubuntu have for it; without one of them nothing would run."""

HEADER = "# Made by OSAPI: change it with `osapi client node schedule cron update`.\n"
SETTINGS = "SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
ROOTS = Attributes(mode=0o644, uid=0, gid=0)
"""Cron passes a table over that others might have written."""


@performs(cron.List, "debian")
async def entries(host: Host, _: cron.List) -> list[CronEntry]:
    names = [path.rpartition("/")[2] for path in await host.glob(f"{OBJECTS}/*")]
    return [entry for entry in [await _entry(host, name) for name in names] if entry]


@performs(cron.Get, "debian")
async def get(host: Host, p: cron.Get) -> CronEntry:
    return await _existing(host, p.name)


@performs(cron.Create, "debian")
async def create(host: Host, p: cron.Create) -> CronChanged:
    await _check(host, p)
    new = CronEntry(
        name=p.name, object=p.object, schedule=p.schedule, interval=p.interval, user=p.user or None
    )
    async with host.turns.at(_place(p.name)):
        there = await _entry(host, p.name)
        if there and there.interval != p.interval:
            raise Conflict(f"there is an entry {p.name} already, {_place(p.name, there.interval)}; delete it")
        if there is None:
            await _check_free(host, _place(p.name, p.interval))
        return CronChanged(name=p.name, changed=await _put(host, new, None, p.content_type, p.vars))


@performs(cron.Update, "debian")
async def update(host: Host, p: cron.Update) -> CronChanged:
    if (p.object, p.schedule, p.user, p.content_type, p.vars) == (None,) * 5:
        raise BadInput("object: that, or schedule, user, content_type or vars is needed", "object")
    async with host.turns.at(_place(p.name)):
        there = await _existing(host, p.name)
        if there.interval and (p.schedule or p.user not in {None, "", "root"}):
            raise BadInput(
                f"schedule: {p.name} runs {there.interval}, as root; delete it to make another", "schedule"
            )
        record = await _record(host, p.name)
        assert record, "without one there is no entry"
        kind = p.content_type or (None if p.object else record.content_type)
        vars = (record.metadata or {}).get("vars") if p.vars is None else p.vars
        new = attrs.evolve(there, object=p.object or there.object, schedule=p.schedule, user=p.user or None)
        return CronChanged(name=p.name, changed=await _put(host, new, there, kind, vars))


@performs(cron.Delete, "debian")
async def delete(host: Host, p: cron.Delete) -> CronChanged:
    async with host.turns.at(_place(p.name)):
        there, record = await _entry(host, p.name), await _record(host, p.name)
        if there:
            await host.remove(_place(p.name, there.interval))
        if record:
            await undeploy(host, record.path)
        else:
            for interval in (None, *INTERVALS):
                await _check_free(host, _place(p.name, interval))
        return CronChanged(name=p.name, changed=record is not None)


def _place(name: str, interval: str | None = None) -> str:
    """The file of an entry that cron looks for."""
    return f"/etc/cron.{interval}/{name}" if interval else f"/etc/{TABLES}/{name}"


async def _record(host: Host, name: str) -> Deployment | None:
    """What is deployed for an entry."""
    record = await host.store.deployment(f"{OBJECTS}/{name}")
    return record if record and record.present else None


async def _entry(host: Host, name: str) -> CronEntry | None:
    """An entry that OSAPI has made, as the host has it."""
    record = await _record(host, name)
    if record is None:
        return None
    for interval in INTERVALS:
        if await host.link(_place(name, interval)) == record.path:
            return CronEntry(
                name=name, object=record.object_name, interval=interval, source=interval, user="root"
            )
    table = await host.read(_place(name))
    if table is None or not table.startswith(HEADER):
        return None
    when, user = crontab.summary(table)
    return CronEntry(name=name, object=record.object_name, schedule=when, source=TABLES, user=user)


async def _existing(host: Host, name: str) -> CronEntry:
    if entry := await _entry(host, name):
        return entry
    raise NotFound(f"there is no entry {name} of cron that OSAPI has made")


async def _check(host: Host, p: cron.Create) -> None:
    """What cannot be asked for, on whatever host, or on this one."""
    if (p.schedule is None) == (p.interval is None):
        raise BadInput("schedule: either that or an interval is needed, and not both", "schedule")
    if p.interval and p.user not in {None, "", "root"}:
        raise BadInput(f"user: what runs {p.interval} runs as root; {p.user} needs a schedule", "user")
    if not [program for program in DAEMONS if await host.stat(program)]:
        raise Unsupported("cron is not installed on this host; install the package cron, or make a timer")


async def _check_free(host: Host, place: str) -> None:
    if await host.stat(place, follow=False):
        raise Conflict(f"{place} is there, and OSAPI has not made it on this host")


async def _put(
    host: Host, asked: CronEntry, kept: CronEntry | None, kind: str | None, vars: Mapping[str, Any] | None
) -> bool:
    """Have an entry as it is asked for, and for the rest as the one that is `kept`; True if that changed anything."""
    place, path = _place(asked.name, asked.interval), f"{OBJECTS}/{asked.name}"
    table = partial(_table, host, asked, kept)
    check = None if asked.interval else table
    changed = await scripts.put(host, path, asked.object, content_type=kind, vars=vars, check=check)
    if asked.interval:
        return await host.symlink(place, path) or changed
    return await host.replace(place, await table(await host.read_bytes(path) or b""), ROOTS) or changed


async def _table(host: Host, asked: CronEntry, kept: CronEntry | None, content: bytes) -> bytes:
    """What cron is to read: a table as it is, or a line for anything else."""
    text = content.decode(errors="surrogateescape")
    if crontab.is_crontab(text):
        jobs = crontab.jobs(text)
        _check_among(asked.object, "schedule", asked.schedule, {job.schedule for job in jobs})
        _check_among(asked.object, "user", asked.user, {job.user for job in jobs})
        lines = text.rstrip("\n") + "\n"
    else:
        await scripts.check_runs(content, object_name=asked.object, by_shell=True)
        schedule = crontab.schedule(asked.schedule or (kept and kept.schedule) or "")
        user = asked.user or (kept and kept.user) or "root"
        lines = f"{SETTINGS}{schedule} {user} {OBJECTS}/{asked.name}\n"
    for job in crontab.jobs(lines):
        await host.user_id(job.user)
    return (HEADER + lines).encode(errors="surrogateescape")


def _check_among(object_name: str, what: str, asked: str | None, there: set[str]) -> None:
    """`Conflict` where a table does not have the times or the user that are asked for."""
    if asked and asked not in there:
        raise Conflict(
            f"the object {object_name} is a crontab, with {what} {', '.join(sorted(there))} and not {asked}; "
            "ask for that, or change it in the object"
        )
