"""`osapi client agent|controller|nats status`: the health of one kind of component."""

from typing import Any

import asyncclick as click

from osapi import wire
from osapi.calls.health import Status
from osapi.cli.ask import show
from osapi.cli.session import Session


def _of(kind: str) -> click.Command:
    @click.pass_obj
    async def callback(said: Session, /) -> None:
        asked = Status()
        async with said.client() as osapi:
            found = wire.decode(dict[str, Any], await osapi.request(asked))
        entries = [entry for entry in found.get("registry") or () if entry["type"] == kind]
        if said.output in {"json", "yaml"}:
            show(asked, wire.encode(found | {"registry": entries}), said)
        else:
            from osapi.cli.render import console, rows
            from osapi.cli.views import REGISTRY

            rows(console(), REGISTRY, entries)

    return click.Command("status", callback=callback, help=f"Show how the {kind} components are.")


agent, controller, nats = (_of(kind) for kind in ("agent", "controller", "nats"))
