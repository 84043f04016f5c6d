"""The system time zone: the link /etc/localtime (localtime(5)), set through systemd-timedated where that runs."""

from datetime import datetime
from difflib import get_close_matches
from io import BytesIO
from zoneinfo import ZoneInfo

from agent.dispatch import performs
from agent.host import Host
from osapi.errors import NotFound, OperationError
from osapi.operations import timezone

LINK = "/etc/localtime"
NAME = "/etc/timezone"
"""Debian also writes the name here."""
DATABASE = "/usr/share/zoneinfo/"
MAGIC = b"TZif"
"""What a file of the database begins with (RFC 8536)."""


@performs(timezone.Get)
async def get(host: Host, _: timezone.Get) -> timezone.Timezone:
    data = await host.read_bytes(LINK)
    offset = f"{datetime.now(ZoneInfo.from_file(BytesIO(data))):%:z}" if data else "+00:00"
    return timezone.Timezone(timezone=await current(host), utc_offset=offset)


@performs(timezone.Update, "debian", "redhat", "suse", "arch")
async def update(host: Host, p: timezone.Update) -> timezone.TimezoneChanged:
    await check(host, p.timezone)
    ...
