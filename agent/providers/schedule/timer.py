"""Timers of systemd: OSAPI's own are a .timer, a .service, and the deployed object that this runs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from agent import scripts, units
from agent.deploy import undeploy
from agent.dispatch import performs
from agent.files import Attributes
from agent.host import Host
from agent.units import Unit
from osapi.deployments import Deployment
from osapi.errors import BadInput, CommandFailed, Conflict, NotFound
from osapi.operations.schedule import timer
from osapi.operations.schedule.timer import TimerChanged, TimerInfo

FAMILIES = ("debian", "redhat", "suse", "arch")
START = ("systemctl", "enable", "--now", "--")
STOP = ("systemctl", "disable", "--now", "--")
AGAIN = ("systemctl", "restart", "--")
FORGET = ("systemctl", "clean", "--what=state", "--")
PRIVILEGED = (*((*words, "*") for words in (START, STOP, AGAIN, FORGET)), units.RELOAD)

OBJECTS = f"{scripts.FOLDER}/timer"
ROOTS = Attributes(mode=0o644, uid=0, gid=0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

HEADER = "# Made by OSAPI: change it with `osapi client node schedule timer create`.\n"
TIMER = """\
[Unit]
Description=Timer of OSAPI

[Timer]
OnCalendar={calendar}
Persistent=true

[Install]
WantedBy=timers.target
"""
SERVICE = """\
[Unit]
Description=What {unit} runs

[Service]
Type=oneshot
User={user}
ExecStart={path}
"""


@performs(timer.List, *FAMILIES)
async def list(host: Host, _: timer.List) -> timer.Timers:
    await units.check_booted(host)
    times, found = await _times(host), await units.matching(host, "*.timer")
    known = sorted((unit for unit in found if unit.is_known), key=lambda unit: unit.id)
    return timer.Timers(timers=[await _info(host, unit, times) for unit in known])


@performs(timer.Get, *FAMILIES)
async def get(host: Host, p: timer.Get) -> timer.TimerReport:
    await units.check_booted(host)
    own = _unit(p.name)
    unit = await units.look(
        host, own if await _record(host, own) else f"{p.name.removesuffix('.timer')}.timer"
    )
    if not unit.is_known:
        raise NotFound(f"there is no timer {p.name}")
    return timer.TimerReport(timer=await _info(host, unit, await _times(host, unit.id)))


@performs(timer.Create, *FAMILIES)
async def create(host: Host, p: timer.Create) -> TimerChanged:
    await units.check_booted(host)
    await _check_calendar(host, p.calendar)
    await host.user_id(p.user or "root")
    unit = _unit(p.name)
    async with host.turns.at(unit):
        if not await _record(host, unit):
            await _check_free(host, unit)
        changed = await scripts.put(host, _object(unit), p.object, content_type=p.content_type, vars=p.vars)
        given = {"unit": unit, "calendar": p.calendar, "user": p.user or "root", "path": _object(unit)}
        return TimerChanged(name=p.name, changed=await _arm(host, unit, given) or changed)


@performs(timer.Delete, *FAMILIES)
async def delete(host: Host, p: timer.Delete) -> TimerChanged:
    await units.check_booted(host)
    unit = _unit(p.name)
    async with host.turns.at(unit):
        record = await _record(host, unit)
        if record:
            await _disarm(host, unit)
            await undeploy(host, record.path)
        else:
            await _check_free(host, unit)
        return TimerChanged(name=p.name, changed=record is not None)


def _unit(name: str) -> str:
    """The full name of a timer of OSAPI's."""
    return f"{units.PREFIX}{name.removesuffix('.timer').removeprefix(units.PREFIX)}.timer"


def _service(unit: str) -> str:
    return f"{unit.removesuffix('.timer')}.service"


def _object(unit: str) -> str:
    """Where the object lies that a timer of OSAPI's runs."""
    return f"{OBJECTS}/{unit.removeprefix(units.PREFIX).removesuffix('.timer')}"


async def _record(host: Host, unit: str) -> Deployment | None:
    """What is deployed for a timer."""
    record = await host.store.deployment(_object(unit))
    return record if record and record.present else None


async def _check_free(host: Host, unit: str) -> None:
    for name in (unit, _service(unit)):
        path = units.path(name)
        if await host.stat(path, follow=False):
            raise Conflict(f"{path} is there, and OSAPI has not made it on this host for a timer")


async def _check_calendar(host: Host, calendar: str) -> None:
    try:
        told = await host.run("systemd-analyze", "calendar", "--", calendar)
    except CommandFailed as error:
        raise BadInput(f"calendar: {error.stderr.strip()}; see systemd.time(7)", "calendar") from None
    if "Next elapse: never" in told:
        raise BadInput(f"calendar: {calendar} is over, and never comes again", "calendar")


async def _arm(host: Host, unit: str, given: dict[str, str]) -> bool:
    """Have a timer run, and enabled, as its files say; True if that changed anything."""
    timed = await host.replace(units.path(unit), (HEADER + TIMER.format_map(given)).encode(), ROOTS)
    served = await host.replace(
        units.path(_service(unit)), (HEADER + SERVICE.format_map(given)).encode(), ROOTS
    )
    found = await units.look(host, unit)
    if timed or served or found.is_outdated:
        await host.change(*units.RELOAD)
    if started := not found.runs or found.file_state != "enabled":
        await host.change(*START, unit)
    elif timed:
        await host.change(*AGAIN, unit)
    return timed or served or started


async def _disarm(host: Host, unit: str) -> None:
    """Stop a timer, forget when it ran, and remove its files."""
    found = await units.look(host, unit)
    if found.is_known:
        await host.change(*STOP, unit)
    if found.load == "loaded" and await host.stat(units.path(unit)):
        await host.change(*FORGET, unit)
    await host.remove(units.path(unit))
    await host.remove(units.path(_service(unit)))
    await host.change(*units.RELOAD)


async def _times(host: Host, *names: str) -> dict[str, dict[str, Any]]:
    """When timers elapse and did, as systemctl has it: in microseconds since the epoch."""
    told = await host.run("systemctl", "list-timers", "--all", "--output=json", "--", *names)
    return {found["unit"]: found for found in json.loads(told or "[]")}


async def _info(host: Host, unit: Unit, times: dict[str, dict[str, Any]]) -> TimerInfo:
    found = times.get(unit.id, {})
    return TimerInfo(
        name=unit.id,
        unit=unit.starts or None,
        next=_moment(found.get("next")),
        last=_moment(found.get("last")),
        calendar=unit.calendar or None,
        managed=await _record(host, unit.id) is not None if unit.id.startswith(units.PREFIX) else False,
    )


def _moment(microseconds: int | None) -> datetime | None:
    return EPOCH + timedelta(microseconds=microseconds) if microseconds else None
