"""The system time zone: the link /etc/localtime (localtime(5)), set through systemd-timedated where that runs."""

from datetime import datetime
from difflib import get_close_matches
from io import BytesIO
from zoneinfo import ZoneInfo

from agent.dispatch import performs
from agent.host import Host
from osapi.errors import NotFound, OperationError
from osapi.operations import timezone

PRIVILEGED = (("timedatectl", "set-timezone", "*"),)

LINK = "/etc/localtime"
NAME = "/etc/timezone"
"""Debian also writes the name here."""
DATABASE = "/usr/share/zoneinfo/"
MAGIC = b"TZif"
"""What a file of the database begins with (RFC 8536)."""


@performs(timezone.Get)
async def get(host: Host, _: timezone.Get) -> timezone.Timezone:
    return timezone.Timezone(timezone=await current(host), utc_offset=offset(await host.read_bytes(LINK)))


@performs(timezone.Update, "debian", "redhat", "suse", "arch")
async def update(host: Host, p: timezone.Update) -> timezone.TimezoneChanged:
    await check(host, p.timezone)
    if changed := await current(host) != p.timezone:
        if await host.stat("/run/systemd/system"):  # sd_booted(3)
            await host.change("timedatectl", "set-timezone", p.timezone)
        else:
            await host.symlink(LINK, DATABASE + p.timezone)
    if await host.read(NAME) is not None:
        changed |= await host.write(NAME, f"{p.timezone}\n")
    return timezone.TimezoneChanged(timezone=p.timezone, changed=changed)


async def current(host: Host) -> str:
    """The name of the zone; what has no name is `OperationError`."""
    if target := await host.link(LINK):
        return target.rpartition("zoneinfo/")[2]
    if await host.stat(LINK) is None:
        return "UTC"
    if name := (await host.read(NAME) or "").strip():
        return name
    raise OperationError(f"{LINK} is not a link into {DATABASE}, so that the zone has no name")


def offset(data: bytes | None) -> str:
    """What a time zone file (tzfile(5)) says of this moment, such as `+02:00`; without one it is UTC."""
    if not data:
        return "+00:00"
    return datetime.now(ZoneInfo.from_file(BytesIO(data))).isoformat(timespec="minutes")[-6:]


async def check(host: Host, zone: str) -> None:
    """`NotFound`, with names that are close, where the database has no such zone.

    Zones begin with a capital letter; `localtime`, which leads back to the link, and other files do not.
    """
    if zone[0].isupper() and (await host.read_bytes(DATABASE + zone) or b"").startswith(MAGIC):
        return
    names = [name.removeprefix(DATABASE) for name in await host.glob(f"{DATABASE}[A-Z]*/**/*")]
    close = get_close_matches(zone, names)
    raise NotFound(f"there is no time zone {zone}" + (f"; close to it: {', '.join(close)}" if close else ""))
