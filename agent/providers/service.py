"""Services of systemd, looked at and told what to do through systemctl(1); unit files are in `service_file`."""

import json

from agent import units
from agent.dispatch import performs
from agent.host import Host
from agent.units import Unit
from osapi.errors import BadInput, CommandFailed, Conflict, NotFound, OperationError, Refused
from osapi.operations import service

FAMILIES = ("debian", "redhat", "suse", "arch")
VERBS = ("start", "stop", "restart", "reload", "enable", "disable", "mask", "unmask")
LATER = ("systemctl", "--no-block", "restart", "--")
UNMASK_RUNTIME = ("systemctl", "--runtime", "unmask", "--")
PRIVILEGED = (*(("systemctl", verb, "--", "*") for verb in VERBS), (*LATER, "*"), (*UNMASK_RUNTIME, "*"))

ENABLED = {"enabled", "alias"}
NOTHING_TO_ENABLE = {"static", "indirect", "generated", "transient"}
"""Words of `systemctl is-enabled`: for units without an [Install] section that is about themselves."""


@performs(service.List, *FAMILIES)
async def list(host: Host, _: service.List) -> service.Services:
    await units.check_booted(host)
    loaded = await units.matching(host, "*.service")
    found = {unit.id: await _info(host, unit) for unit in loaded if unit.is_known or unit.runs}
    files = json.loads(await host.run("systemctl", "list-unit-files", "--type=service", "--output=json"))
    for file in files:
        name, state = file["unit_file"], file["state"]
        if name not in found and state != "alias" and not name.endswith("@.service"):
            found[name] = await _info(host, Unit(id=name, active="inactive", file_state=state))
    return service.Services(services=[found[name] for name in sorted(found)])


@performs(service.Get, *FAMILIES)
async def get(host: Host, p: service.Get) -> service.ServiceReport:
    return service.ServiceReport(service=await _info(host, await _find(host, p.name)))


@performs(service.Start, *FAMILIES)
async def start(host: Host, p: service.Start) -> service.ServiceChanged:
    unit = await _find(host, p.name)
    if not unit.runs:
        await _bring_up(host, "start", unit)
    return service.ServiceChanged(name=p.name, changed=not unit.runs)


@performs(service.Stop, *FAMILIES)
async def stop(host: Host, p: service.Stop) -> service.ServiceChanged:
    unit = await _find(host, p.name)
    await units.refuse_osapi(host, unit, "stopped")
    if not unit.has_stopped:
        await host.change("systemctl", "stop", "--", unit.id, timeout=units.TIMEOUT)
    return service.ServiceChanged(name=p.name, changed=not unit.has_stopped)


@performs(service.Restart, *FAMILIES)
async def restart(host: Host, p: service.Restart) -> service.ServiceChanged:
    unit = await _find(host, p.name)
    if await units.runs_osapi(host, unit):
        await host.change(*LATER, unit.id)
    else:
        await _bring_up(host, "restart", unit)
    return service.ServiceChanged(name=p.name)


@performs(service.Reload, *FAMILIES)
async def reload(host: Host, p: service.Reload) -> service.ServiceChanged:
    unit = await _find(host, p.name)
    if not unit.runs:
        raise Conflict(f"{unit.id} does not run, it is {unit.active}; start it")
    if not unit.can_reload:
        raise Refused(f"{unit.id} cannot read its configuration anew; restart it")
    await _bring_up(host, "reload", unit)
    return service.ServiceChanged(name=p.name)


@performs(service.Enable, *FAMILIES)
async def enable(host: Host, p: service.Enable) -> service.ServiceChanged:
    unit = await _find(host, p.name)
    state = await units.file_state(host, unit.id)
    _check_not_masked(unit)
    if state in NOTHING_TO_ENABLE:
        raise Refused(
            f"the unit file of {unit.id} does not say with what it would be started ([Install]); it is {state}"
        )
    if state not in ENABLED:
        await host.change("systemctl", "enable", "--", unit.id)
    return service.ServiceChanged(name=p.name, changed=state not in ENABLED)


@performs(service.Disable, *FAMILIES)
async def disable(host: Host, p: service.Disable) -> service.ServiceChanged:
    unit = await _find(host, p.name)
    await units.refuse_osapi(host, unit, "disabled")
    if changed := await units.file_state(host, unit.id) in ENABLED:
        await host.change("systemctl", "disable", "--", unit.id)
    return service.ServiceChanged(name=p.name, changed=changed)


@performs(service.Mask, *FAMILIES)
async def mask(host: Host, p: service.Mask) -> service.ServiceChanged:
    unit = await _find(host, p.name)
    await units.refuse_osapi(host, unit, "masked")
    is_there = unit.file.startswith(f"{units.FOLDER}/")
    if is_there and unit.load != "masked":
        raise Conflict(f"{unit.id} cannot be masked, as its unit file is {unit.file}; disable and stop it")
    if not is_there:
        await host.change("systemctl", "mask", "--", unit.id)
    return service.ServiceChanged(name=p.name, changed=not is_there)


@performs(service.Unmask, *FAMILIES)
async def unmask(host: Host, p: service.Unmask) -> service.ServiceChanged:
    unit = await _find(host, p.name)
    if unit.load == "masked":
        await _unmask(host, unit)
    return service.ServiceChanged(name=p.name, changed=unit.load == "masked")


async def _find(host: Host, name: str) -> Unit:
    """The service that is meant: OSAPI's own where there is one of that name; `NotFound`."""
    await units.check_booted(host)
    given = name.removesuffix(".service")
    if given.endswith("@"):
        raise BadInput(f"{name} is a template; name an instance of it, such as {given}1", "name")
    own = f"{units.PREFIX}{given.removeprefix(units.PREFIX)}.service"
    unit = await units.look(host, own if await units.is_own(host, own) else f"{given}.service")
    if not unit.is_known:
        raise NotFound(f"there is no service {name}")
    return unit


async def _info(host: Host, unit: Unit) -> service.ServiceInfo:
    return service.ServiceInfo(
        name=unit.id,
        status=unit.active,
        enabled=unit.file_state in {"enabled", "enabled-runtime"},
        description=unit.description or None,
        pid=unit.pid or None,
        managed=await units.is_own(host, unit.id),
    )


async def _bring_up(host: Host, verb: str, unit: Unit) -> None:
    """Start it somehow; where it fails, then or at once, the error tells what the journal has of that."""
    _check_not_masked(unit)
    if unit.action not in {"", "none"}:
        raise Refused(f"{unit.id} switches the host off or boots it again; that is what power is for")
    try:
        await host.change("systemctl", verb, "--", unit.id, timeout=units.TIMEOUT)
    except CommandFailed as error:
        told = f"{error.stderr.strip()}\n{await units.last_words(host, unit.id)}"
        raise CommandFailed(error.argv, error.exit_code, told) from None
    now = await units.look(host, unit.id)
    if now.active == "failed" and now.invocation != unit.invocation:
        raise OperationError(f"{unit.id} failed at once:\n{await units.last_words(host, unit.id)}")


def _check_not_masked(unit: Unit) -> None:
    if unit.load == "masked":
        raise Conflict(f"{unit.id} is masked, so nothing starts it; unmask it first")


async def _unmask(host: Host, unit: Unit) -> None:
    """Remove the link that masks it, which is where its unit file would be."""
    if unit.file.startswith(f"{units.FOLDER}/"):
        await host.change("systemctl", "unmask", "--", unit.id)
    elif unit.file.startswith("/run/"):
        await host.change(*UNMASK_RUNTIME, unit.id)
    else:
        raise Refused(f"{unit.id} is masked by its package, in {unit.file}")
