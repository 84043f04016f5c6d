"""The packages of Debian: what dpkg and apt print, and how apt is asked to change something.

It asks no questions: configuration files that an administrator has changed stay as they are, new ones come with the
package, and services are not restarted behind one's back. It waits for others that use the database.

Sources: apt-get(8), apt.conf(5), dpkg-query(1), debconf(7), needrestart(1).
"""

import re
from collections.abc import Mapping, Sequence

import trio

from agent.host import Host
from osapi.errors import CommandFailed, Error, NotFound
from osapi.operations.package import PackageChange, PackageInfo, UpdateInfo

Changes = list[PackageChange]

LOCK_WAIT = 120
"""Seconds to wait for another one that uses the database."""
PAUSE = 2.0
"""Seconds between two tries where apt itself does not wait."""
TIMEOUT = 600.0
"""Seconds that a change may take."""
LAST_LINES = 12
"""Lines of what dpkg printed that an error tells."""

ASK = (
    "apt-get", "--assume-yes",
    "-o", f"DPkg::Lock::Timeout={LOCK_WAIT}",
    "-o", "Dpkg::Options::=--force-confdef",
    "-o", "Dpkg::Options::=--force-confold",
    "-o", "APT::Cmd::Pattern-Only=true",  # a dot in a name is a dot, not a regular expression
)  # fmt: skip
APT = ("env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l", *ASK)
COMPLETE = (
    "env", "DEBIAN_FRONTEND=noninteractive",
    "dpkg", "--force-confdef", "--force-confold", "--configure", "--pending",
)  # fmt: skip
LOOK = (*ASK, "--simulate")

QUERY = (
    "dpkg-query",
    "--show",
    r"--showformat=${Package}\t${Architecture}\t${Version}\t${db:Status-Status}\t${Installed-Size}\t${binary:Summary}\n",
)
GONE = {"not-installed", "config-files"}
WORKING = {"installed", "triggers-awaited", "triggers-pending"}
"""States of a package, of dpkg(1): of which nothing is left but perhaps configuration, and with all in place."""

STEP = re.compile(r"^(Inst|Conf|Remv) (\S+)(?: \[([^\]]+)\])?(?: \((\S+))?", re.MULTILINE)
UPGRADABLE = re.compile(r"^([^/\s]+)/\S* (\S+) (\S+) \[upgradable from: ([^\]]+)\]$", re.MULTILINE)
UNKNOWN = re.compile(
    r"^E: (?:Unable to locate package (\S+)|Package '([^']+)' has no installation candidate)$", re.MULTILINE
)
NO_VERSION = re.compile(r"^E: Version '([^']+)' for '([^']+)' was not found$", re.MULTILINE)
REASONS = re.compile(
    r"^(?:WARNING: )?The following (?:held packages|essential packages|packages have unmet|packages will be DOWN).*\n"
    r"(?:This should.*\n)?(?: .*\n)+",
    re.MULTILINE,
)
INTERRUPTED = "E: dpkg was interrupted"
DPKG = "E: Sub-process /usr/bin/dpkg"
"""What apt complains of where dpkg was stopped in the middle, and where it failed."""
LOCKED = re.compile(r"^E: Could not get lock /var/(?:lib/apt/lists|cache/apt/archives)/lock\b", re.MULTILINE)


async def packages(host: Host) -> dict[str, PackageInfo]:
    """What is on the host, by name; one of a foreign architecture has that in its name, as `libc6:i386`."""
    return parse_packages(await host.run(*QUERY))


def parse_packages(text: str) -> dict[str, PackageInfo]:
    """What dpkg-query prints, asked by `QUERY`."""
    rows = [line.split("\t", 5) for line in text.splitlines()]
    native = {"all", *(row[1] for row in rows if row[0] == "dpkg")}
    found = {}
    for package, architecture, version, status, kib, summary in rows:
        if status not in GONE:
            name = package if architecture in native else f"{package}:{architecture}"
            found[name] = PackageInfo(
                name=name,
                version=version,
                status=status,
                description=summary or None,
                size=int(kib) * 1024 if kib else None,
            )
    return found


def versions(found: Mapping[str, PackageInfo]) -> dict[str, str]:
    """The versions of what is completely installed."""
    return {name: package.version for name, package in found.items() if package.status in WORKING}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> Changes:
    """What became of packages, by the versions there were and are."""
    return [
        PackageChange(name=name, before=before.get(name), after=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


async def upgradable(host: Host) -> list[UpdateInfo]:
    """The packages of which the lists know a newer version."""
    here = await packages(host)
    return [
        UpdateInfo(
            name=full if (full := f"{name}:{architecture}") in here else name,
            current_version=current,
            new_version=new,
        )
        for name, new, architecture, current in UPGRADABLE.findall(
            await host.run("apt", "list", "--upgradable")
        )
    ]


async def simulate(host: Host, *words: str) -> Changes:
    """What `apt-get` would do, by package; an error that names the culprit where it could not."""
    try:
        return parse_steps(await host.run(*LOOK, *words))
    except CommandFailed as error:
        raise explained(error) from None


def parse_steps(text: str) -> Changes:
    """What `apt-get --simulate` prints. What is only configured had been left half installed."""
    found: dict[str, PackageChange] = {}
    for verb, name, before, after in STEP.findall(text):
        if verb == "Conf":
            found.setdefault(name, PackageChange(name=name, after=after or None))
        else:
            found[name] = PackageChange(name=name, before=before or None, after=after or None)
    return sorted(found.values(), key=lambda change: change.name)


def explained(error: CommandFailed) -> Error:
    """Why apt does not do it: it complains on one stream, and gives the reasons on the other."""
    advice = "mind the name, or fetch the lists anew (package update)"
    if unknown := UNKNOWN.search(error.stderr):
        return NotFound(f"there is no package {unknown[1] or unknown[2]} in the lists of this host; {advice}")
    if missing := NO_VERSION.search(error.stderr):
        return NotFound(
            f"there is no version {missing[1]} of {missing[2]} in the lists of this host; {advice}"
        )
    reasons = "".join(REASONS.findall(error.stdout))
    return CommandFailed(("apt-get",), error.exit_code, f"{error.stderr.strip()}\n{reasons}")


async def change(host: Host, *argv: str) -> None:
    """Have apt do something, as root.

    It waits for who holds a lock for which apt does not wait by itself, and first completes what was cut short: by
    a cancelled job, a crash or a power failure.
    """
    deadline = trio.current_time() + LOCK_WAIT
    completed = False
    while True:
        try:
            await host.change(*argv, timeout=TIMEOUT)
            return
        except CommandFailed as error:
            if INTERRUPTED in error.stderr and not completed:
                await host.change(*COMPLETE, timeout=TIMEOUT)
                completed = True
            elif LOCKED.search(error.stderr) and trio.current_time() < deadline:
                await trio.sleep(PAUSE)
            else:
                raise told(error) from None


def told(error: CommandFailed) -> CommandFailed:
    """Why a change failed: what packages themselves say comes with the progress, on standard output."""
    lines = re.split(r"[\r\n]+", error.stdout) if DPKG in error.stderr else []
    return CommandFailed(
        ("apt-get",), error.exit_code, "\n".join([error.stderr.strip(), *lines[-LAST_LINES:]])
    )


async def plain(host: Host, name: str) -> str:
    """The name as `packages` has it: `libc6:amd64` is libc6 where that is the architecture of the host."""
    bare, _, architecture = name.partition(":")
    native = (await host.run("dpkg", "--print-architecture")).strip() if architecture else ""
    return bare if architecture in {native, "all"} else name


async def automatic(host: Host, names: Sequence[str]) -> list[str]:
    """Those that were installed only because others need them, and may go with those."""
    return (await host.run("apt-mark", "showauto", "--", *names)).split() if names else []
