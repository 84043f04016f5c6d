"""The clock, through chrony: a file of servers of our own, and what chronyc(1) says."""

from collections.abc import Iterable, Sequence
from ipaddress import AddressValueError, IPv6Address

from agent.dispatch import performs
from agent.host import Host
from osapi.errors import BadInput, CommandFailed, Conflict, NotFound, OperationError, Unsupported
from osapi.operations import ntp
from osapi.results import Changed

RELOAD = ("chronyc", "reload", "sources")
PRIVILEGED = (RELOAD,)

FILE = "/etc/chrony/sources.d/osapi-ntp.sources"
HEADER = "# Written by OSAPI; it is changed with `osapi client node ntp`.\n"

LOOK = ("chronyc", "-c", "-N")
"""Fields parted by commas, and servers by the names of the configuration."""
NO_DAEMON = "506 Cannot talk to daemon"
NOT_SYNCHRONISED = "Not synchronised"


@performs(ntp.Get, "debian")
async def get(host: Host, _: ntp.Get) -> ntp.TimeStatus:
    await _installed(host)
    try:
        tracking = await host.run(*LOOK, "tracking")
        sources = await host.run(*LOOK, "sources", "-a")
    except CommandFailed as error:
        raise _explained(error) from None
    return parse(tracking, sources)


@performs(ntp.Create, "debian")
async def create(host: Host, p: ntp.Create) -> Changed:
    async with host.turns.at(FILE):
        known = await _known(host)
        if known and {*known} != {*p.servers}:
            raise Conflict(f"the servers are {', '.join(known)} already; change them with ntp update")
        return Changed(changed=await _use(host, p.servers))


@performs(ntp.Update, "debian")
async def update(host: Host, p: ntp.Update) -> Changed:
    async with host.turns.at(FILE):
        if await _known(host) is None:
            raise NotFound("OSAPI has set no time servers; have them set with ntp create")
        return Changed(changed=await _use(host, p.servers))


@performs(ntp.Delete, "debian")
async def delete(host: Host, _: ntp.Delete) -> Changed:
    async with host.turns.at(FILE):
        await _installed(host)
        if removed := await host.remove(FILE):
            await _reload(host)
    return Changed(changed=removed)


async def _installed(host: Host) -> None:
    if not await host.stat("/usr/bin/chronyc"):
        raise Unsupported(
            "chrony is not installed; install the package of that name to have OSAPI set the time"
        )


async def _known(host: Host) -> list[str] | None:
    """The servers that OSAPI has set; None where it never has."""
    await _installed(host)
    text = await host.read(FILE)
    return None if text is None else servers(text)


async def _use(host: Host, wanted: Sequence[str]) -> bool:
    check(wanted)
    lines = [f"server {each} iburst\n" for each in dict.fromkeys(wanted)]
    if changed := await host.write(FILE, HEADER + "".join(lines)):
        await _reload(host)
    return changed


async def _reload(host: Host) -> None:
    """Have chrony read its servers again; where it does not run, it will when it starts."""
    try:
        await host.run(*LOOK, "tracking")
    except CommandFailed as error:
        if NO_DAEMON in error.stdout:
            return
        raise
    await host.change(*RELOAD)


def _explained(error: CommandFailed) -> OperationError:
    """Why chronyc fails, which it says on its standard output."""
    if NO_DAEMON in error.stdout:
        return OperationError(
            "chrony does not run; start it with `osapi client node service start --name chrony`"
        )
    return CommandFailed(error.argv, error.exit_code, error.stdout)


def check(wanted: Iterable[str]) -> None:
    """Whether what looks like an address of IPv6 is one."""
    for server in wanted:
        try:
            if ":" in server:
                IPv6Address(server)
        except AddressValueError as error:
            raise BadInput(f"servers: {server} is no address: {error}", "servers") from None


def servers(text: str) -> list[str]:
    """The servers that a file of sources names, chrony.conf(5)."""
    lines = (line.split() for line in text.split("\n"))
    return [words[1] for words in lines if words[:1] == ["server"] and len(words) > 1]


def parse(tracking: str, sources: str) -> ntp.TimeStatus:
    """What chronyc prints of the clock and of its servers, those among them that have no address yet.

    It says how far the clock is behind, and `*` of the source that is followed, which may be a device.
    """
    fields = tracking.strip().split(",")
    stratum, behind, leap = int(fields[2]), float(fields[4]), fields[13]
    rows = [line.split(",") for line in sources.splitlines()]
    followed = next((name for _, state, name, *_ in rows if state == "*"), None)
    is_kept = followed is not None and leap != NOT_SYNCHRONISED
    return ntp.TimeStatus(
        synchronized=is_kept,
        stratum=stratum or None,
        offset=f"{0 - behind:+.9f}s" if is_kept else None,
        current_source=followed,
        servers=list(dict.fromkeys(name for mode, _, name, *_ in rows if mode != "#")) or None,
    )
