"""`osapi agent install` and `uninstall`, and those of controller and broker: daemons as units of systemd."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncclick as click

from osapi.cli.session import Session

if TYPE_CHECKING:
    from osapi.install.daemons import Daemon
    from osapi.install.machine import Machine, Step

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

EVERYWHERE = (
    click.option(
        "--root",
        type=click.Path(exists=True, file_okay=False, path_type=Path, resolve_path=True),
        default=Path("/"),
        help="Another root directory, such as that of an image; nothing is started.",
    ),
    click.option("--dry-run", is_flag=True, help="Only say what would be written and run."),
)
TO_INSTALL = (
    click.option("--start/--no-start", default=True, help="Start it now, and not only at the next boot."),
    click.option("--prefix", default=sys.prefix, help="Where bin/osapi is; that which runs, unless given."),
    *EVERYWHERE,
)
TO_UNINSTALL = (
    click.option(
        "--purge", is_flag=True, help="Remove its state, and the configuration with the last daemon."
    ),
    *EVERYWHERE,
)
USER = click.option("--user", help="Whom it runs as, with sudo; as before unless given, and root at first.")


def taking(*options: Decorator) -> Decorator:
    """Have a command take these options."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            function = option(function)
        return click.pass_obj(function)

    return decorate


@click.command("install", help="Have systemd run the agent on this host.")
@taking(USER, *TO_INSTALL)
def agent_install(session: Session, **said: Any) -> None:
    from osapi.install.daemons import AGENT

    _install(session, AGENT, **said)


@click.command("uninstall", help="Take away what install wrote; configuration and state stay.")
@taking(*TO_UNINSTALL)
def agent_uninstall(session: Session, **said: Any) -> None:
    from osapi.install.daemons import AGENT

    _uninstall(session, AGENT, **said)


@click.command("install", help="Have systemd run a controller on this machine.")
@taking(*TO_INSTALL)
def controller_install(session: Session, **said: Any) -> None:
    from osapi.install.daemons import CONTROLLER

    _install(session, CONTROLLER, **said)


@click.command("uninstall", help="Take away what install wrote; configuration and state stay.")
@taking(*TO_UNINSTALL)
def controller_uninstall(session: Session, **said: Any) -> None:
    from osapi.install.daemons import CONTROLLER

    _uninstall(session, CONTROLLER, **said)


@click.command("install", help="Have systemd run the broker on this machine.")
@taking(*TO_INSTALL)
def nats_server_install(session: Session, **said: Any) -> None:
    from osapi.install.daemons import BROKER

    _install(session, BROKER, **said)


@click.command("uninstall", help="Take away what install wrote; configuration and state stay.")
@taking(*TO_UNINSTALL)
def nats_server_uninstall(session: Session, **said: Any) -> None:
    from osapi.install.daemons import BROKER

    _uninstall(session, BROKER, **said)


def _install(
    session: Session,
    daemon: "Daemon",
    *,
    root: Path,
    dry_run: bool,
    prefix: str,
    start: bool,
    user: str | None = None,
) -> None:
    from osapi.cli.privileges import sudoers_on
    from osapi.install.installing import Wanted, install

    wanted = Wanted(
        daemon=daemon,
        prefix=prefix,
        environ=session.environ,
        sudoers=lambda user: sudoers_on(root, user),
        user=user,
        start=start,
    )
    with _machine(session, root, dry=dry_run) as machine:
        install(machine, wanted)


def _uninstall(session: Session, daemon: "Daemon", *, root: Path, dry_run: bool, purge: bool) -> None:
    from osapi.install.installing import uninstall

    with _machine(session, root, dry=dry_run) as machine:
        uninstall(machine, daemon, purge=purge)


@contextmanager
def _machine(session: Session, root: Path, *, dry: bool) -> Iterator["Machine"]:
    """The machine to work on; what was done to it is told at the end, also where that was an error."""
    from osapi.errors import Error
    from osapi.install.machine import Machine

    machine = Machine(root, dry=dry)
    if machine.here and not dry and os.geteuid():
        raise Error("this needs root: use sudo; --dry-run and --root DIR do without")
    done = False
    try:
        yield machine
        done = True
    finally:
        if done or machine.steps:
            _tell(session, machine)


def _tell(session: Session, machine: "Machine") -> None:
    import attrs

    if session.json:
        steps = [attrs.asdict(step) for step in machine.steps]
        click.echo(json.dumps({"changed": machine.changed, "dry_run": machine.dry, "steps": steps}))
        return
    for line in map(_line, machine.steps):
        click.echo(line)
    if machine.dry:
        click.echo("Nothing was done: this is what would be.")
    elif not machine.changed:
        click.echo("Nothing had to be changed.")


def _line(step: "Step") -> str:
    diff = "".join(f"\n    {line}" for line in step.diff.splitlines())
    return f"{step.verb:<10} {step.what}{diff}"
