"""Units of systemd: what systemctl(1) says of them, which are OSAPI's own, and which OSAPI runs in.

OSAPI's own are called `osapi-NAME`, with files in /etc/systemd/system that are on record as deployed.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

import attrs
import trio

from agent.files import Attributes
from agent.host import Host
from osapi.errors import CommandFailed, OperationError, Refused, Unsupported

FOLDER = "/etc/systemd/system"
PREFIX = "osapi-"
RELOAD = ("systemctl", "daemon-reload")
TIMEOUT = 300.0
"""Seconds: systemd gives a service 90 to start and as many to stop, unless its unit file says otherwise."""

SHOWN = (
    "Id", "LoadState", "ActiveState", "UnitFileState", "Description", "MainPID", "FragmentPath", "CanReload",
    "NeedDaemonReload", "InvocationID", "SuccessAction", "Unit", "TimersCalendar",
)  # fmt: skip
SHOW = ("systemctl", "show", f"--property={','.join(SHOWN)}", "--")
COMMANDS = ("systemctl", "show", "--property=ExecStart", "--")

DAEMON = re.compile(
    r"argv\[\]=(?:\S+ )*?\S*/(?:osapi (?:(?:agent|controller|nats server) )?start|nats-server)(?: |$)"
)
"""Programs, as `ExecStart` has them, without which OSAPI does not run."""

NOT_YET = re.compile(r"is not executable|/start: Unit \S+ not found", re.IGNORECASE)
PASSED_OVER = re.compile(r"ignoring", re.IGNORECASE)
"""What systemd-analyze(1) says of a unit file that can be loaded for all that."""

LAST = "10"
"""Lines of the journal that are told of what failed."""


@attrs.frozen(kw_only=True)
class Unit:
    """A unit, as systemd has it now; the words are those of systemctl(1) and org.freedesktop.systemd1(5).

    `invocation` is another one after each start, `file` where its unit file is; of a timer, `starts` is what it starts,
    and `calendar` when.
    """

    id: str
    load: str = ""
    active: str = ""
    file_state: str = ""
    description: str = ""
    pid: int = 0
    file: str = ""
    can_reload: bool = False
    is_outdated: bool = False
    invocation: str = ""
    action: str = ""
    starts: str = ""
    calendar: str = ""

    @property
    def is_known(self) -> bool:
        return self.load != "not-found"

    @property
    def runs(self) -> bool:
        return self.active in {"active", "reloading"}

    @property
    def has_stopped(self) -> bool:
        return self.active in {"inactive", "failed"}


def parse(text: str) -> list[Unit]:
    """What `systemctl show` prints of units, asked by `SHOW`; a property can be there several times."""
    return [_unit(block) for block in text.strip().split("\n\n") if block.strip()]


def _unit(block: str) -> Unit:
    found: dict[str, list[str]] = {}
    for name, _, value in (line.partition("=") for line in block.splitlines()):
        found.setdefault(name, []).append(value)

    def of(name: str) -> str:
        return found.get(name, [""])[0]

    return Unit(
        id=of("Id"),
        load=of("LoadState"),
        active=of("ActiveState"),
        file_state=of("UnitFileState"),
        description=of("Description"),
        pid=int(of("MainPID") or 0),
        file=of("FragmentPath"),
        can_reload=of("CanReload") == "yes",
        is_outdated=of("NeedDaemonReload") == "yes",
        invocation=of("InvocationID"),
        action=of("SuccessAction"),
        starts=of("Unit"),
        calendar=", ".join(_calendars(found.get("TimersCalendar", ()))),
    )


def _calendars(values: Sequence[str]) -> Iterator[str]:
    for value in values:
        if found := re.search(r"OnCalendar=(.+?) ;", value):
            yield found[1]


async def check_booted(host: Host) -> None:
    """`Unsupported` where systemd does not run: sd_booted(3)."""
    if not await host.stat("/run/systemd/system"):
        raise Unsupported("units are systemd's, which does not run here")


async def look(host: Host, name: str) -> Unit:
    """A unit by its full name, which can be an alias; one that is not there is `not-found`."""
    [unit] = parse(await host.run(*SHOW, name))
    return unit


async def matching(host: Host, pattern: str) -> list[Unit]:
    """The units that systemd has loaded, by a glob pattern."""
    return parse(await host.run(*SHOW, pattern))


async def file_state(host: Host, name: str) -> str:
    """Whether it is enabled, as systemctl has it: also of scripts in /etc/init.d, and of templates."""
    return (await host.run("systemctl", "is-enabled", "--", name, check=False)).strip()


def path(name: str) -> str:
    """Where the unit file of OSAPI's lies that a unit is made of: an instance, of its template."""
    return f"{FOLDER}/{re.sub(r'@[^@]*[.]', '@.', name)}"


async def is_own(host: Host, name: str) -> bool:
    """Whether OSAPI has deployed the file that a unit is made of."""
    record = await host.store.deployment(path(name)) if name.startswith(PREFIX) else None
    return record is not None and record.present


async def runs_osapi(host: Host, unit: Unit) -> bool:
    """Whether this agent is in it, or a controller, or a broker."""
    groups = (await host.read("/proc/self/cgroup") or "").splitlines()
    if any(unit.id in group.split("/") for group in groups):
        return True
    return DAEMON.search(await host.run(*COMMANDS, unit.id)) is not None


async def refuse_osapi(host: Host, unit: Unit, verb: str) -> None:
    if await runs_osapi(host, unit):
        raise Refused(
            f"{unit.id} is part of OSAPI: it is not {verb} through OSAPI, do that on the host itself"
        )


async def last_words(host: Host, name: str) -> str:
    """The last lines that the journal has of a unit; none where the agent may not read it."""
    journal = ("journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={LAST}", f"--unit={name}")
    with suppress(OperationError):
        return (await host.run(*journal)).strip()
    return ""


async def verify(host: Host, name: str, content: bytes) -> None:
    """`Refused` where systemd could not load that as the file of a unit: systemd-analyze(1).

    Programs and units that are not there yet may come later. The file it looks at must have the name of the unit; it is
    among what the agent keeps for itself, also in a dry run, and is gone again afterwards.
    """
    folder = f"{host.versions}/verify-{name}"
    own = attrs.evolve(host, dry=False)
    try:
        await own.make_folder(folder, Attributes(mode=0o700))
        await own.replace(f"{folder}/{name}", content)
        await host.run("systemd-analyze", "verify", "--man=no", f"{folder}/{name}")
    except CommandFailed as error:
        said = error.stderr.replace(f"{folder}/", "")
        if reasons := objections(said, name):
            raise Refused(f"systemd would not load {name}: {reasons}") from None
    finally:
        with trio.CancelScope(shield=True):
            await own.remove_tree(folder)


def objections(said: str, name: str) -> str:
    """What systemd-analyze has against a unit file; nothing where that is only what it passes over, or misses yet."""
    own = [line for line in said.splitlines() if name.rpartition(".")[0] in line and not NOT_YET.search(line)]
    return "; ".join(own) if any(not PASSED_OVER.search(line) for line in own) else ""
