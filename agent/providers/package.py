"""Software packages, through apt and dpkg: what they say of the host before and after is what has changed."""

from collections.abc import Mapping, Sequence

from agent import apt
from agent.apt import Changes
from agent.dispatch import performs
from agent.host import Host
from osapi.errors import BadInput, NotFound, Refused
from osapi.operations import package

DATABASE = "/var/lib/dpkg"
LISTS = "/var/lib/apt/lists"
INSTALL = (*apt.APT, "--no-remove", "install", "--")
INSTALL_VERSION = (*apt.APT, "--no-remove", "--allow-downgrades", "install", "--")
REMOVE = (*apt.APT, "remove", "--")
KEEP = ("apt-mark", "manual", "--")
UPDATE = (*apt.APT, "-o", "APT::Update::Error-Mode=any", "update")
PRIVILEGED = ((*INSTALL, "**"), (*INSTALL_VERSION, "**"), (*REMOVE, "*"), (*KEEP, "**"), UPDATE, apt.COMPLETE)

NEEDED = {"python3", "python3-minimal", "systemd", "systemd-sysv"}
"""What the agent runs on, and without which Debian 12 would not boot again; of sudo see `remove`."""


@performs(package.List, "debian")
async def list(host: Host, _: package.List) -> package.Packages:
    return package.Packages(packages=[*(await apt.packages(host)).values()])


@performs(package.Updates, "debian")
async def updates(host: Host, _: package.Updates) -> package.AvailableUpdates:
    return package.AvailableUpdates(updates=await apt.upgradable(host))


@performs(package.Get, "debian")
async def get(host: Host, p: package.Get) -> package.Packages:
    name, found = await apt.plain(host, p.name), await apt.packages(host)
    if name not in found:
        raise NotFound(f"package {p.name} is not installed")
    return package.Packages(packages=[found[name]])


@performs(package.Install, "debian")
async def install(host: Host, p: package.Install) -> package.PackageChanged:
    wanted = {
        await apt.plain(host, name): version for name, version in versions_wanted(p.name, *p.more).items()
    }
    async with host.turns.at(DATABASE):
        before = apt.versions(await apt.packages(host))
        missing = {name: version for name, version in wanted.items() if not satisfied(before, name, version)}
        changes = await _install(host, missing, before) if missing else []
        kept = await _keep(host, [name for name in wanted if name not in missing])
        return package.PackageChanged(name=p.name, changes=changes or None, changed=bool(changes) or kept)


@performs(package.Remove, "debian")
async def remove(host: Host, p: package.Remove) -> package.PackageChanged:
    async with host.turns.at(DATABASE):
        name, found = await apt.plain(host, p.name), await apt.packages(host)
        if name not in found:
            return package.PackageChanged(name=p.name, changed=False)
        planned = await apt.simulate(host, "remove", "--", name)
        needed = NEEDED | ({"sudo"} if host.sudo else set())
        if lost := sorted({change.name for change in planned if change.after is None} & needed):
            raise Refused(f"removing {p.name} would remove {', '.join(lost)}, which the agent needs")
        changes = await _change(host, planned, apt.versions(found), *REMOVE, name)
        return package.PackageChanged(name=p.name, changes=changes, changed=bool(changes))


@performs(package.Update, "debian")
async def update(host: Host, _: package.Update) -> package.PackageChanged:
    async with host.turns.at(LISTS):
        before = await _lists(host)
        await apt.change(host, *UPDATE)
        return package.PackageChanged(changed=await _lists(host) != before)


def versions_wanted(*wanted: str) -> dict[str, str]:
    """The version that is wanted of each package; empty for any."""
    found: dict[str, str] = {}
    for name, _, version in (each.partition("=") for each in wanted):
        if found.setdefault(name, version) != version:
            raise BadInput(f"{name} is asked for twice, in different versions", "more")
    return found


def satisfied(installed: Mapping[str, str], name: str, version: str) -> bool:
    return name in installed and version in {"", installed[name]}


async def _install(host: Host, missing: Mapping[str, str], before: Mapping[str, str]) -> Changes:
    words = [f"{name}={version}" if version else name for name, version in missing.items()]
    older = ["--allow-downgrades"] if any(missing.values()) else []
    planned = await apt.simulate(host, *older, "install", "--", *words)
    if lost := [change.name for change in planned if change.after is None]:
        raise Refused(
            f"installing {', '.join(words)} would remove {', '.join(lost)}; remove that first where it may go"
        )
    return await _change(host, planned, before, *(INSTALL_VERSION if older else INSTALL), *words)


async def _change(host: Host, planned: Changes, before: Mapping[str, str], *argv: str) -> Changes:
    """Do what is planned, and see what became of it; in a dry run nothing did, and the plan stands."""
    if not planned:
        return planned
    await apt.change(host, *argv)
    return apt.differences(before, apt.versions(await apt.packages(host))) or planned


async def _keep(host: Host, names: Sequence[str]) -> bool:
    """See that what is asked for does not go with what it was once installed for."""
    if automatic := await apt.automatic(host, names):
        await host.change(*KEEP, *automatic)
    return bool(automatic)


async def _lists(host: Host) -> dict[str, str | None]:
    """The lists there are; the signed ones among them hold the SHA-256 of all others."""
    names = await host.glob(f"{LISTS}/*_*")
    return {name: await host.digest(name) if name.endswith("Release") else None for name in names}
