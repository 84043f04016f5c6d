"""The daemons as commands: the composition root, and the one place of `osapi` that knows agent and controller."""

import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import asyncclick as click
import attrs
import trio

from osapi import configfile
from osapi.cli.session import Session
from osapi.config import Config, load
from osapi.durations import Duration
from osapi.state import StateDirectory, locate
from osapi.systemd import notify

INTERACTIVE_DRAIN = 3.0
"""Seconds that running jobs have after Ctrl-C."""

AT_FIRST = """\
OSAPI is up.

  URL    {url}
  token  {token}  (admin; only its owner can read it)

Try, in another shell:

  {osapi} client node hostname get
  {osapi} client node command exec --command uname --args -a
  {osapi} client node timezone update --timezone Europe/Berlin --dry-run

Ctrl-C ends it.
"""


@attrs.frozen
class Setting:
    """What a daemon starts from: `file` is None where none was given, and so the embedded defaults hold."""

    config: Config
    state: StateDirectory
    file: Path | None

    @property
    def secure(self) -> bool:
        return self.file is None


def settle(session: Session) -> Setting:
    """Read the configuration, make the state directory, and set up the logs."""
    from osapi.embedded import secured
    from osapi.logs import configure

    path = session.file or configfile.find(session.environ)
    config = load(path, session.environ)
    configure(debug=config.debug)
    state = StateDirectory(locate(config.state_dir, session.environ)).create()
    if path is None:
        config = secured(config, state)
    return Setting(config, state, path)


async def until_signal(stop: trio.Event, task_status: trio.TaskStatus[None]) -> None:
    """Set `stop` at SIGTERM or SIGINT; a second one ends the process where it stands."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            if stop.is_set():
                raise KeyboardInterrupt
            notify("STOPPING=1")
            stop.set()


Daemon = Callable[[trio.Event, trio.TaskStatus[None]], Awaitable[None]]


async def run_until_stopped(daemon: Daemon) -> None:
    """Run a daemon until a signal; it tells when it is ready, and is ended at once if it is not yet."""
    stop, ready = trio.Event(), trio.Event()

    async def give_up(scope: trio.CancelScope) -> None:
        await stop.wait()
        if not ready.is_set():
            scope.cancel()

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await daemon(stop, task_status)

    async with trio.open_nursery() as signals:
        await signals.start(until_signal, stop)
        async with trio.open_nursery() as running:
            signals.start_soon(give_up, running.cancel_scope)
            await running.start(run)
            ready.set()
            notify("READY=1")
        signals.cancel_scope.cancel()


@click.command(help="Run a broker, a controller and an agent in one process, until Ctrl-C.")
@click.pass_obj
async def start(session: Session) -> None:
    from osapi.embedded import server_settings

    setting = settle(session)
    agent = setting.config.agent
    drain = Duration(min(agent.drain_timeout, INTERACTIVE_DRAIN))
    config = attrs.evolve(setting.config, agent=attrs.evolve(agent, drain_timeout=drain))
    settings = server_settings(config, setting.state, secure=setting.secure)

    async def all_three(stop: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        from agent.daemon import run_agent
        from controller.daemon import run_controller
        from osapi.broker import run_broker

        last = trio.Event()
        with setting.state.lock("nats"):
            async with trio.open_nursery() as broker:
                await broker.start(run_broker, config, settings, last)
                async with trio.open_nursery() as daemons:
                    controller = partial(run_controller, service="osapi")
                    url = await daemons.start(controller, config, setting.state, stop)
                    agent = partial(run_agent, file=setting.file, service="osapi")
                    await daemons.start(agent, config, setting.state, stop)
                    introduce(url, config, setting.state)
                    task_status.started()
                last.set()

    await run_until_stopped(all_three)


def introduce(url: str, config: Config, state: StateDirectory) -> None:
    """Say what a user of a fresh machine needs to know."""
    state.admin_token(config.controller.api.security.signing_key or state.signing_key())
    program = Path(sys.argv[0])
    on_path = shutil.which("osapi")
    if on_path and Path(on_path).resolve() == program.resolve():
        name = "osapi"
    else:
        name = os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program)
    click.echo(AT_FIRST.format(url=url, token=state.path / "admin.token", osapi=name))


@click.command("start", help="Run a controller, until SIGTERM.")
@click.pass_obj
async def controller_start(session: Session) -> None:
    from controller.daemon import run_controller

    setting = settle(session)

    async def controller(stop: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_controller, setting.config, setting.state, stop)
            introduce(url, setting.config, setting.state)
            task_status.started()

    await run_until_stopped(controller)


@click.command("start", help="Run an agent on this host, until SIGTERM.")
@click.pass_obj
async def agent_start(session: Session) -> None:
    from agent.daemon import run_agent

    setting = settle(session)

    async def agent(stop: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        await run_agent(setting.config, setting.state, stop, file=setting.file, task_status=task_status)

    await run_until_stopped(agent)


@click.command("start", help="Run the broker, until SIGTERM.")
@click.pass_obj
async def nats_server_start(session: Session) -> None:
    from osapi.broker import run_broker
    from osapi.embedded import server_settings

    setting = settle(session)
    settings = server_settings(setting.config, setting.state, secure=setting.secure)

    async def broker(stop: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        with setting.state.lock("nats"):
            await run_broker(setting.config, settings, stop, task_status=task_status)

    await run_until_stopped(broker)
