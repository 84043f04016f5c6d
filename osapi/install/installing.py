"""What `install` and `uninstall` do to a machine, step by step. A second time they find nothing to do."""

from collections.abc import Callable, Collection, Mapping
from pathlib import PurePosixPath

import attrs

from osapi.errors import ConfigError, Error
from osapi.install.configuration import first, remarks
from osapi.install.daemons import CONFIGURATION, DAEMONS, Daemon, check_prefix, check_user
from osapi.install.machine import Machine


@attrs.frozen(kw_only=True)
class Wanted:
    """How a daemon is to be installed.

    `user` is that of an agent; None stands for the one it is installed with, else root. `sudoers` makes the
    file that lets a user run what the agent runs as root.
    """

    daemon: Daemon
    prefix: str
    environ: Mapping[str, str]
    sudoers: Callable[[str], str]
    user: str | None = None
    start: bool = True


def install(machine: Machine, wanted: Wanted) -> None:
    """Have a daemon on a machine: its files, its user, its start at boot, and where systemd runs, itself."""
    daemon = wanted.daemon
    user = check_user(wanted.user or installed_user(machine, daemon))
    prefix = check_prefix(wanted.prefix, hidden=daemon.fenced or user != "root")
    if not machine.has(f"{prefix}/bin/osapi"):
        raise ConfigError(f"--prefix {prefix}: there is no {machine.at(prefix)}/bin/osapi")
    sudoers = "" if user == "root" else wanted.sudoers(user)
    found = daemon.files(prefix, user, sudoers)
    machine.refuse_others(file.path for file in found)
    if sudoers and machine.here:
        machine.run("visudo", "--check", "--quiet", "--file=-", given=sudoers)
    configure(machine, wanted)
    unit, *_ = map(machine.place, found)
    for path in set(daemon.paths) - {file.path for file in found}:
        if machine.owns(path):
            machine.remove(path)
    settle(machine, daemon, [file.path for file in found])
    machine.link(daemon.link, unit)
    if machine.booted:
        run_unit(machine, daemon, start=wanted.start)
    else:
        machine.tell("note", f"systemd does not run here: {daemon.unit} is started at the next boot")


def configure(machine: Machine, wanted: Wanted) -> None:
    """Have a configuration: a first one, or the one that is there as it is."""
    if not machine.has(CONFIGURATION):
        machine.place(first(wanted.daemon, wanted.environ))
        return
    machine.tell("kept", CONFIGURATION)
    for remark in remarks(machine, wanted.daemon, wanted.environ):
        machine.tell("note", remark)


def settle(machine: Machine, daemon: Daemon, written: Collection[str]) -> None:
    """Make users and folders, where a file changed that may want some."""
    if not machine.changed:
        return
    root = [] if machine.here else [f"--root={machine.root}"]
    try:
        if daemon.accounts in written:
            machine.run("systemd-sysusers", *root, f"{daemon.name}.conf")
        machine.run("systemd-tmpfiles", *root, "--create", f"{daemon.name}.conf")
    except Error as error:
        if machine.here:
            raise
        machine.tell("note", f"users and folders are left to the first boot: {error}")


def run_unit(machine: Machine, daemon: Daemon, *, start: bool) -> None:
    """Let systemd know, and have the daemon run as it now is."""
    if machine.changed:
        machine.run("systemctl", "daemon-reload")
    if start:
        machine.run("systemctl", "restart" if machine.changed else "start", daemon.unit)


def installed_user(machine: Machine, daemon: Daemon) -> str:
    """Whom the agent of a machine runs as."""
    if daemon.fenced:
        return "root"
    lines = machine.read(daemon.drop_in).splitlines()
    return next((line.removeprefix("User=") for line in lines if line.startswith("User=")), "root")


def uninstall(machine: Machine, daemon: Daemon, *, purge: bool = False) -> None:
    """Take away what `install` wrote, with `purge` configuration and state too unless another daemon needs them.

    What a package brought stays, and so do users: files that they own may be anywhere.
    """
    if machine.booted and any(map(machine.has, (daemon.unit_path, daemon.link))):
        machine.run("systemctl", "stop", daemon.unit)
    machine.remove(daemon.link)
    for path in daemon.paths:
        if machine.owns(path):
            machine.remove(path)
        elif machine.has(path):
            machine.tell("kept", f"{path}, which was not written by `osapi`")
    if not daemon.fenced:
        machine.remove_empty(str(PurePosixPath(daemon.drop_in).parent))
    if machine.booted and machine.changed:
        machine.run("systemctl", "daemon-reload")
    if purge:
        forget(machine, daemon)


def forget(machine: Machine, daemon: Daemon) -> None:
    """Remove state and configuration."""
    others = [other for other in DAEMONS if other is not daemon and machine.has(other.link)]
    for path, needed in (
        (daemon.state, [other for other in others if other.state == daemon.state]),
        (CONFIGURATION, others),
    ):
        if needed and machine.has(path):
            machine.tell("kept", f"{path}, which {needed[0].unit} needs")
        else:
            machine.remove(path)
    machine.remove_empty(str(PurePosixPath(CONFIGURATION).parent))
