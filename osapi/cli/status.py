"""`osapi client agent|controller|nats status`: the health of one kind of component."""

import asyncclick as click

from osapi import wire
from osapi.calls.health import Health, Status
from osapi.cli.ask import show
from osapi.cli.session import Session


def _of(kind: str) -> click.Command:
    @click.pass_obj
    async def callback(said: Session, /) -> None:
        asked = Status()
        async with said.client() as osapi:
            body = await osapi.request(asked)
        found = wire.decode(dict[str, object], body)
        entries = [entry for entry in wire.decode(Health, body).registry or () if entry.type == kind]
        show(asked, wire.encode(found | {"registry": entries}), said)

    return click.Command("status", callback=callback, help=f"Show how the {kind} components are.")


agent, controller, nats = (_of(kind) for kind in ("agent", "controller", "nats"))
