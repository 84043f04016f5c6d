"""`osapi doctor`: what keeps OSAPI from working here, and what mends it."""

import os
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import asyncclick as click
import attrs
from rich.console import Console
from rich.text import Text

from osapi.cli import formats
from osapi.cli.session import Session
from osapi.cli.visiting import Place, find
from osapi.cli.written import written
from osapi.doctor.daemons import LOCKS, UNITS, running, user
from osapi.doctor.examine import CHECKS, examine
from osapi.doctor.findings import ROLES, Finding, Level, Machine, fail, ok, skip, worst
from osapi.errors import ConfigError, NotFound, OperationError
from osapi.install.daemons import UNITS as FOLDER
from osapi.install.daemons import Daemon
from osapi.state import VARIABLE, StateDirectory

FOLDERS = (FOLDER, FOLDER.replace("/etc/", "/usr/lib/", 1))
"""Where systemd finds units."""

STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red", Level.SKIP: "dim"}
NAMES = {Level.OK: "ok", Level.WARN: "to be looked at", Level.FAIL: "wrong", Level.SKIP: "not known"}


@click.command(
    "doctor",
    epilog="\b\nExample:\n  sudo osapi doctor\n  osapi doctor --role client --context prod",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What this machine is; may be repeated. What has been started or installed here, unless given.",
)
@click.pass_obj
async def doctor(session: Session, roles: tuple[str, ...]) -> int:
    """Look for what keeps OSAPI from working on this machine, and say what mends it.

    Nothing is changed, and nothing needs to run. Without root, what only root may see is left out. The exit code is 1
    where something is wrong, and 0 where there are warnings at most.
    """
    machine = look(session, roles)
    findings = await examine(machine, [*CHECKS, privileges])
    level = worst(findings)
    if session.output in {"json", "yaml"}:
        told = [attrs.asdict(finding) for finding in findings]
        written(session, {"status": level, "roles": machine.present, "findings": told})
    else:
        from osapi.cli.render import console

        draw(console(), findings, machine.present)
    return 1 if level is Level.FAIL else 0


def look(session: Session, roles: Sequence[str]) -> Machine:
    """This machine, for the roles that were named or that it has."""
    place = find(session)
    problems = list(place.problems)
    try:
        context = session.in_context()
    except (ConfigError, NotFound) as error:
        context = None
        problems.append(str(error))
    machine = Machine(
        config=place.config,
        file=place.file,
        problems=problems,
        notes=place.notes,
        states=states(session, place),
        roles=frozenset(ROLES),
        environ=session.environ,
        context=context,
    )
    return attrs.evolve(machine, roles=frozenset(roles) or present(machine))


def states(session: Session, place: Place) -> dict[str, StateDirectory]:
    """The state directory of each daemon: that of its unit, where it has one and no other was named."""
    named = VARIABLE in session.environ or place.config.state_dir
    return {
        role: StateDirectory(Path(unit.state)) if installed(unit) and not named else place.state
        for role, unit in UNITS.items()
    }


def installed(unit: Daemon) -> bool:
    """Whether systemd has a unit of a daemon."""
    return any(Path(folder, unit.unit).exists() for folder in FOLDERS)


def present(machine: Machine) -> frozenset[str]:
    """The daemons that are installed or have run here, and the command line."""
    found = {
        role
        for role, unit in UNITS.items()
        if installed(unit) or os.path.lexists(machine.state(role).path / f"{LOCKS[role]}.lock")
    }
    return frozenset({*found, "client"})


async def privileges(machine: Machine) -> list[Finding]:
    """Whether an agent that is not root has its rules of sudo and its capabilities."""
    if "agent" not in machine.roles:
        return []
    who, configured = await user(machine, "agent"), machine.config.agent.privilege_escalation.enabled
    if not configured and (who == "root" or not installed(UNITS["agent"])):
        return []
    from agent.examination import examine as look_at

    try:
        found = await look_at(who, running(machine, "agent"))
    except OperationError as error:
        return [skip("sudo", f"cannot be asked: {error}", "run this with sudo")]
    if found.refused:
        some = "; ".join(found.refused[:3]) + (" …" if len(found.refused) > 3 else "")
        fix = f"osapi agent sudoers --user {found.user} > /etc/sudoers.d/osapi"
        return [fail("sudo", f"{found.user} may not run {len(found.refused)} of {found.rules}: {some}", fix)]
    if found.lacking:
        fix = "AmbientCapabilities= in the agent's unit: osapi agent install --user"
        return [fail("sudo", f"the agent lacks {', '.join(found.lacking)}", fix)]
    return [ok("sudo", f"{found.user} may run all {found.rules} commands that need root")]


def draw(screen: Console, findings: Sequence[Finding], roles: Sequence[str]) -> None:
    """A line for each finding, and one for what mends it."""
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        _draw(screen, finding, width)
    counts = Counter(finding.status for finding in findings)
    told = ", ".join(f"{counts[level]} {NAMES[level]}" for level in Level if counts[level])
    screen.print(f"\n  {', '.join(roles)}: {told}")


def _draw(screen: Console, finding: Finding, width: int) -> None:
    room = screen.width - width - 10 if screen.is_terminal else 10_000
    lines = textwrap.wrap(formats.printable(finding.found), max(room, 20)) or [""]
    head = Text.assemble(
        "  ", (f"{finding.status:<4}", STYLES[finding.status]), f"  {finding.check:<{width}}  "
    )
    screen.print(head + Text(lines[0]))
    for line in lines[1:]:
        screen.print(" " * (width + 10) + line)
    if finding.fix and finding.status is not Level.OK:
        for number, line in enumerate(textwrap.wrap(finding.fix, max(room - 2, 20))):
            screen.print(Text(" " * (width + 10) + ("→ " if number == 0 else "  ") + line, "cyan"))
