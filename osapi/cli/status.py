"""`osapi client agent|controller|nats status`: the health of one kind of component."""

import asyncclick as click

from osapi.calls.health import Status
from osapi.cli.ask import ask
from osapi.cli.commands import READ
from osapi.cli.session import Session


def _of(kind: str) -> click.Command:
    @click.pass_obj
    async def callback(said: Session, /) -> int:
        said.component = kind
        return await ask(Status(), said)

    return click.Command(
        "status", params=[*READ], callback=callback, help=f"Show how the {kind} components are, part by part."
    )


agent, controller, nats = (_of(kind) for kind in ("agent", "controller", "nats"))
