"""Unit files of services, made of objects of the object store."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from agent import units
from agent.deploy import Wanted, deploy, undeploy
from agent.dispatch import performs
from agent.host import Host
from osapi.errors import Conflict, NotFound
from osapi.operations import service

FAMILIES = ("debian", "redhat", "suse", "arch")
PRIVILEGED = (
    ("systemctl", "stop", "--", "*"),
    ("systemctl", "disable", "--", "*"),
    units.RELOAD,
)


@performs(service.Create, *FAMILIES)
async def create(host: Host, p: service.Create) -> service.ServiceChanged:
    await units.check_booted(host)
    unit = _unit(p.name)
    async with host.turns.at(unit):
        if not await units.is_own(host, unit):
            await _check_free(host, unit)
        return service.ServiceChanged(name=p.name, changed=await _put(host, unit, p.object, p.vars))


@performs(service.Update, *FAMILIES)
async def update(host: Host, p: service.Update) -> service.ServiceChanged:
    await units.check_booted(host)
    unit = _unit(p.name)
    async with host.turns.at(unit):
        if not await units.is_own(host, unit):
            raise NotFound(f"there is no {unit} that OSAPI has made")
        return service.ServiceChanged(name=p.name, changed=await _put(host, unit, p.object, p.vars))


@performs(service.Delete, *FAMILIES)
async def delete(host: Host, p: service.Delete) -> service.ServiceChanged:
    await units.check_booted(host)
    unit = _unit(p.name)
    async with host.turns.at(unit):
        if changed := await units.is_own(host, unit):
            await _stop(host, unit)
            await undeploy(host, units.path(unit))
            await host.change(*units.RELOAD)
        elif await host.stat(units.path(unit), follow=False):
            raise Conflict(f"{units.path(unit)} is there, and OSAPI has not deployed it to this host")
        return service.ServiceChanged(name=p.name, changed=changed)


def _unit(name: str) -> str:
    """The full name of a unit of OSAPI's."""
    return f"{units.PREFIX}{name.removesuffix('.service').removeprefix(units.PREFIX)}.service"


async def _put(host: Host, unit: str, object_name: str, vars: Mapping[str, Any] | None) -> bool:
    """Have the file as the object says, and systemd know it; True if that changed the file."""
    wanted = Wanted(
        object_name=object_name,
        path=units.path(unit),
        mode="0644",
        owner="root",
        group="root",
        vars=vars,
        check=partial(units.verify, host, unit),
    )
    deployed = await deploy(host, wanted)
    if deployed.changed or any(each.is_outdated for each in await _instances(host, unit)):
        await host.change(*units.RELOAD)
    return deployed.changed


async def _instances(host: Host, unit: str) -> list[units.Unit]:
    """What systemd has loaded of a unit: of a template, all that were made of it."""
    return await units.matching(host, unit.replace("@.", "@*."))


async def _check_free(host: Host, unit: str) -> None:
    """`Conflict` where there is such a unit, in whichever folder."""
    path = units.path(unit)
    if await host.stat(path, follow=False):
        raise Conflict(f"{path} is there, and OSAPI has not deployed it to this host; remove it first")
    if not unit.endswith("@.service"):
        found = await units.look(host, unit)
        if found.is_known and found.file != path:
            raise Conflict(f"there is a unit {unit} already, in {found.file}; choose another name")


async def _stop(host: Host, unit: str) -> None:
    """Stop and disable it; refused where OSAPI runs in it."""
    loaded = await _instances(host, unit)
    for each in loaded:
        await units.refuse_osapi(host, each, "deleted")
    pattern = unit.replace("@.", "@*.")
    if any(not each.has_stopped for each in loaded):
        await host.change("systemctl", "stop", "--", pattern, timeout=units.TIMEOUT)
    if await units.file_state(host, unit) in {"enabled", "alias", "indirect"}:
        await host.change("systemctl", "disable", "--", unit)
