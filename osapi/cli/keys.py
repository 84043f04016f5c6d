"""Commands around the keys that agents and controllers have on this machine, and the list of who wants in."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import asyncclick as click

from osapi import wire
from osapi.calls import agent, enrollment
from osapi.cli.commands import command
from osapi.cli.session import Session

if TYPE_CHECKING:
    from osapi.config import Config


def _config(said: Session) -> "Config":
    from osapi.config import load
    from osapi.configfile import find

    return load(said.file or find(said.environ), said.environ)


def _fingerprint(kind: str, said: Session) -> None:
    from osapi.cli.render import console, pairs
    from osapi.keys import KeyDirectory

    config = _config(said)
    folder = KeyDirectory(Path((config.agent.pki if kind == "agent" else config.controller.pki).key_dir))
    pair = folder.known_pair(kind)
    if pair is None:
        pair = folder.pair(kind)
        click.echo(f"There was no key of the {kind} in {folder.path}; one was made.", err=True)
    if said.json:
        click.echo(wire.encode({"fingerprint": pair.public.fingerprint}))
    else:
        pairs(console(), [("Fingerprint", pair.public.fingerprint)])


def _of(kind: str) -> click.Command:
    return click.Command(
        "fingerprint",
        callback=click.pass_obj(partial(_fingerprint, kind)),
        help=f"Print the fingerprint of the {kind}'s key on this machine; it is made where there is none.",
    )


agent_fingerprint, controller_fingerprint = _of("agent"), _of("controller")


@click.command(
    "rotate",
    help="Give the controllers another key than the one on this machine.\n\n"
    "It takes effect when this controller is restarted; agents learn it from the former key, which is kept beside it "
    "and is good for controller.pki.rotation_grace_period. Copy the files to the other controllers in that time.",
)
@click.pass_obj
def rotate(said: Session) -> None:
    from osapi.keys import KeyDirectory

    pki = _config(said).controller.pki
    former, new = KeyDirectory(Path(pki.key_dir)).rotate(grace=pki.rotation_grace_period)
    click.echo(f"Former fingerprint: {former.public.fingerprint}")
    click.echo(f"New fingerprint:    {new.public.fingerprint}")
    click.echo("Restart this controller, and give the others the files of its key_dir.")


async def _agents(said: Session, /, *, pending: bool) -> int:
    from osapi.cli.ask import ask

    return await ask(enrollment.Pending() if pending else agent.List(), said)


agents = command(agent.List)
agents.params.append(click.Option(["--pending"], is_flag=True, help="List those that wait to be accepted."))
agents.callback = click.pass_obj(_agents)
