"""Kernel parameters: a file of sysctl.d(5) for each that is kept, and what /proc/sys has now."""

import re
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from agent import sysctld
from agent.dispatch import performs
from agent.files import Stat
from agent.host import Host
from osapi.errors import CommandFailed, Conflict, NotFound, OperationError, Refused
from osapi.operations import sysctl

PRIVILEGED = (("sysctl", "--values", "--", "*"), ("sysctl", "--write", "--", "**"))

KEPT = "/etc/sysctl.d/osapi-{}.conf"
HEADER = "# Written by OSAPI; it is changed with `osapi client node sysctl`.\n"

PROGRAMS = {"kernel.core_pattern", "kernel.hotplug", "kernel.modprobe", "kernel.poweroff_cmd"}
"""Parameters that name a program which the kernel runs as root; core_pattern does after a pipe (core(5))."""


@performs(sysctl.List, "debian")
async def list_all(host: Host, _: sysctl.List) -> list[sysctl.Setting]:
    begin, end = KEPT.split("{}")
    names = [unquote(file[len(begin) : -len(end)]) for file in await host.glob(KEPT.format("*"))]
    keys = sorted(name for name in names if re.fullmatch(sysctl.KEY, name))
    return [await _setting(host, key, await _kept(host, key) or "") for key in keys]


@performs(sysctl.Get, "debian")
async def get(host: Host, p: sysctl.Get) -> sysctl.Setting:
    return await _setting(host, p.key, await _needed(host, p.key))


@performs(sysctl.Create, "debian")
async def create(host: Host, p: sysctl.Create) -> sysctl.SettingChanged:
    value = sysctld.plain(p.value)
    async with host.turns.at(_file(p.key)):
        if (kept := await _kept(host, p.key)) and kept != value:
            raise Conflict(f"{p.key} is kept at {kept!r}, not at {value!r}; change that with sysctl update")
        return sysctl.SettingChanged(key=p.key, changed=await _keep(host, p.key, value))


@performs(sysctl.Update, "debian")
async def update(host: Host, p: sysctl.Update) -> sysctl.SettingChanged:
    async with host.turns.at(_file(p.key)):
        await _needed(host, p.key)
        changed = await _keep(host, p.key, sysctld.plain(p.value))
    return sysctl.SettingChanged(key=p.key, changed=changed)


@performs(sysctl.Delete, "debian")
async def delete(host: Host, p: sysctl.Delete) -> sysctl.SettingChanged:
    file = _file(p.key)
    async with host.turns.at(file):
        if kept := await _kept(host, p.key) is not None:
            others = [line for line in await sysctld.lines(host) if line.file != file]
            rule = sysctld.decisive(others, sysctld.place(p.key))
            if rule and rule.value and await _running(host, p.key) is not None:
                await _set(host, p.key, rule.value)
            await host.remove(file)
    return sysctl.SettingChanged(key=p.key, changed=kept)


def _file(key: str) -> str:
    return KEPT.format(quote(key, safe=""))


async def _kept(host: Host, key: str) -> str | None:
    """What our file says of a parameter; nothing where somebody took that out, and None where there is no file."""
    file = _file(key)
    text = await host.read(file)
    line = sysctld.decisive(sysctld.parse(file, text or ""), sysctld.place(key))
    return None if text is None else (line and line.value) or ""


async def _needed(host: Host, key: str) -> str:
    """What `_kept` says, or `NotFound`."""
    kept = await _kept(host, key)
    if kept is None:
        raise NotFound(f"{key} is not kept by OSAPI; have it kept with sysctl create")
    return kept


async def _setting(host: Host, key: str, kept: str) -> sysctl.Setting:
    value = await _running(host, key)
    if value is None:
        return sysctl.Setting(key=key, value=kept)
    return sysctl.Setting(key=key, value=value, kept=None if kept == value else kept)


async def _running(host: Host, key: str) -> str | None:
    """The value that a parameter has now; None where the host does not have it."""
    if await _look(host, key) is None:
        return None
    try:
        text = await host.read(_place(key))
    except Refused:  # some only root may read
        text = await host.run("sysctl", "--values", "--", key, privileged=True)
    return None if text is None else sysctld.plain(text)


async def _look(host: Host, key: str) -> Stat | None:
    """The file that the kernel has for a parameter; none for a group of them."""
    found = await host.stat(_place(key))
    return found if found and found.kind == "file" else None


def _place(key: str) -> str:
    return f"/proc/sys/{sysctld.place(key)}"


async def _keep(host: Host, key: str, value: str) -> bool:
    """Set it, and have it set at each boot; what the kernel does not take is not kept."""
    if key in PROGRAMS and (key != "kernel.core_pattern" or value.startswith("|")):
        raise Refused(f"{key} names a program that the kernel runs as root; OSAPI does not set it")
    await _check_order(host, key, value)
    changed = await _set(host, key, value)
    return await host.write(_file(key), f"{HEADER}{key} = {value}\n") or changed


async def _check_order(host: Host, key: str, value: str) -> None:
    """`Conflict` where a file that is read after ours gives the parameter another value."""
    ours = PurePosixPath(_file(key)).name
    later = [line for line in await sysctld.lines(host) if PurePosixPath(line.file).name > ours]
    rule = next((line for line in reversed(later) if line.place == sysctld.place(key)), None)
    if rule and rule.value not in {None, value}:
        raise Conflict(
            f"{rule.file} sets {key} to {rule.value!r} at each boot, after OSAPI does; change it there"
        )


async def _set(host: Host, key: str, value: str) -> bool:
    """Give a parameter a value now; True if it had another."""
    found = await _look(host, key)
    if found is None:
        raise NotFound(
            f"there is no kernel parameter {key} on this host; a dot within a name is written as /"
        )
    if found.mode & 0o600 != 0o600:
        raise Refused(
            f"{key} can only be {'read' if found.mode & 0o400 else 'written'}; OSAPI does not keep it"
        )
    before = await _running(host, key)
    if before == value:
        return False
    try:
        is_done = await host.change("sysctl", "--write", "--", f"{key}={value}")
    except CommandFailed as error:
        reason = error.stderr.strip().rpartition(": ")[2]
        raise OperationError(f"{key} cannot be {value!r}, it is still {before!r}: {reason}") from None
    if is_done and (now := await _running(host, key)) != value:
        raise OperationError(
            f"{key} was set to {value!r}, and is {now!r}; ask for that where it is what you want"
        )
    return True
