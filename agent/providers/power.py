"""Switching off and booting again: shutdown(8), and the file in which systemd-logind keeps what is scheduled."""

import time
from datetime import UTC, datetime

import attrs

from agent.dispatch import performs
from agent.host import Host
from osapi.errors import BadInput, Conflict, Unsupported
from osapi.operations import power

PRIVILEGED = (
    ("shutdown", "--reboot", "--", "**"),
    ("shutdown", "--poweroff", "--", "**"),
    ("shutdown", "-c"),
)
SCHEDULED = "/run/systemd/shutdown/scheduled"
ACTIONS = {"poweroff": "shutdown", "halt": "shutdown", "kexec": "reboot"}
"""What systemd calls otherwise than the API."""

YEAR = 365 * 24 * 3600
SAME = 60.0
"""Seconds that two plans may be apart, which are the same for all that: shutdown(8) counts in minutes."""


@attrs.frozen(kw_only=True)
class Scheduled:
    """What is going to happen; `at` in seconds since the epoch."""

    action: str
    at: float
    message: str = ""

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")
        return f"a {self.action} is scheduled for {when}" + f' ("{self.message}")' * bool(self.message)


@performs(power.Reboot, "debian", "redhat", "suse", "arch")
async def reboot(host: Host, p: power.Reboot) -> power.PowerPlan:
    return await _schedule(host, "reboot", "--reboot", p.delay or 0, p.message or "")


@performs(power.Shutdown, "debian", "redhat", "suse", "arch")
async def shutdown(host: Host, p: power.Shutdown) -> power.PowerPlan:
    return await _schedule(host, "shutdown", "--poweroff", p.delay or 0, p.message or "")


@performs(power.Cancel, "debian", "redhat", "suse", "arch")
async def cancel(host: Host, _: power.Cancel) -> power.PowerPlan:
    async with host.turns.at(SCHEDULED):
        if planned := await _scheduled(host):
            await host.change("shutdown", "-c")
    return power.PowerPlan(action="cancel", changed=planned is not None)


async def _schedule(host: Host, action: str, option: str, delay: int, message: str) -> power.PowerPlan:
    if delay > YEAR:
        raise BadInput(f"delay is {delay}; allowed are {YEAR} seconds, a year", "delay")
    minutes, now = in_minutes(delay), time.time()
    async with host.turns.at(SCHEDULED):
        planned = await _scheduled(host)
        if planned is None:
            words = [message] if message else []
            await host.change("shutdown", option, "--", f"+{minutes}", *words)
            return power.PowerPlan(action=action, delay=minutes * 60)
    if planned.action != action or abs(planned.at - now - minutes * 60) >= SAME:
        raise Conflict(f"{planned}; cancel that first (power cancel)")
    if message not in {"", planned.message}:
        raise Conflict(f"{planned}, with another message; cancel that first (power cancel)")
    return power.PowerPlan(action=action, delay=in_minutes(planned.at - now) * 60, changed=False)


def in_minutes(seconds: float) -> int:
    """Whole minutes, rounded up; one at least, in which an agent can still answer."""
    return max(1, int(-(-seconds // 60)))


async def _scheduled(host: Host) -> Scheduled | None:
    """What is scheduled; `Unsupported` where there is no systemd to do it (sd_booted(3))."""
    if not await host.stat("/run/systemd/system"):
        raise Unsupported("hosts are switched off through systemd, which does not run here")
    text = await host.read(SCHEDULED)
    planned = parse(text) if text else None
    return planned if planned and planned.at > time.time() else None


def parse(text: str) -> Scheduled:
    """The file of systemd-logind; a message is escaped in octal by systemd 252, and in hexadecimal by 257."""
    found = dict(line.partition("=")[::2] for line in text.splitlines())
    mode, message = found.get("MODE", ""), found.get("WALL_MESSAGE", "")
    unescaped = message.encode("ascii", "replace").decode("unicode_escape")
    return Scheduled(
        action=ACTIONS.get(mode, mode),
        at=int(found.get("USEC", 0)) / 1_000_000,
        message=unescaped.encode("latin-1", "replace").decode(errors="replace"),
    )
