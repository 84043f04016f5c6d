"""Carry out a command: ask, show that hosts are at work, print what came, and say how it went in a number.

Exit codes: 0 done, 1 failed, 3 failed on some hosts or some did not answer, 4 none answered in time; the rest
is in `osapi.cli.main`.
"""

import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import trio

from osapi import wire
from osapi.cli.session import Session
from osapi.client import Client, Terms
from osapi.errors import Conflict, NotFound
from osapi.operation import Declaration, Operation
from osapi.results import EventStream, Status

if TYPE_CHECKING:
    from rich.console import Console

Item = Mapping[str, Any]

FAILED, SOME_FAILED, NONE_ANSWERED = 1, 3, 4

JUDGED = {"health.liveness", "health.ready", "health.status", "notification.test", "notification.redeliver"}
"""Calls whose answer says with its status how it went."""


async def ask(asked: Declaration[Any], said: Session) -> int:
    """Do what a command line asks for; returns the exit code."""
    async with said.client(anonymous=not asked.spec.permission) as osapi:
        if asked.spec.returns is EventStream:
            from osapi.cli.follow import tell

            return await tell(osapi, getattr(asked, "id", None), said)
        if said.watch is not None:
            from osapi.cli.watch import watch

            return await watch(osapi, asked, said)
        return await once(osapi, asked, said)


async def once(osapi: Client, asked: Declaration[Any], said: Session, screen: "Console | None" = None) -> int:
    """Ask, and print the answer: on a screen, or else on standard output."""
    if not isinstance(asked, Operation):
        if asked.spec.method == "HEAD":
            return await look(osapi, asked, said, screen)
        body = await osapi.request(asked)
        show(asked, body, said, screen)
        if asked.spec.name == "agent.drain" and said.wait:
            from osapi.cli.drained import until_cordoned

            return 0 if await until_cordoned(osapi, asked, said.wait) else NONE_ANSWERED
        return FAILED if asked.spec.name in JUDGED and _is_bad(body) else 0
    terms = Terms(
        on=said.target,
        dry_run=said.dry_run,
        wait=said.wait if said.wait is not None else _time_of(asked),
        expires=said.expires,
        detach=said.detach,
        idempotency_key=said.idempotency_key,
        job_id=str(uuid.uuid4()),
    )
    if said.detach:
        show(asked, await osapi.request(asked, terms), said, screen)
        return 0
    if (said.stdout or said.stderr) and said.output in {"table", "wide"}:
        from osapi.cli.follow import live

        return await live(osapi, asked, terms, said)
    if sys.stderr.isatty():
        from osapi.cli.follow import with_progress

        body = await with_progress(osapi, asked, terms)
    else:
        body = await answer(osapi, asked, terms)
    show(asked, body, said, screen)
    return exit_code(items(body))


async def look(osapi: Client, asked: Declaration[Any], said: Session, screen: "Console | None") -> int:
    """Show whether a thing is there, and what is known of it."""
    try:
        found = {"exists": True, **wire.decode(dict[str, Any], await osapi.request(asked))}
    except NotFound:
        found = {"exists": False, **wire.given(asked)}
    show(asked, wire.encode(found), said, screen)
    return 0 if found["exists"] else FAILED


async def answer(osapi: Client, asked: Operation[Any], terms: Terms) -> bytes:
    """The answers of hosts, waited for as long as the terms say.

    A controller waits no longer than its job_timeout, while the job goes on; so it is asked on, by the same
    job id.
    """
    deadline = trio.current_time() + (terms.wait or 0)
    body = await osapi.request(asked, terms)
    while (left := deadline - trio.current_time()) > 1 and any(map(silent, items(body))):
        try:
            body = await osapi.request(asked, attrs.evolve(terms, wait=left))
        except Conflict:
            return body
    return body


def show(asked: Declaration[Any], body: bytes, said: Session, screen: "Console | None" = None) -> None:
    """Print an answer as it was asked for."""
    if said.output == "json":
        from osapi.cli.raw import as_json

        sys.stdout.write(as_json(asked, body).rstrip() + "\n")
    elif said.output == "yaml":
        import yaml

        plain = wire.decode(object, body or b"{}")
        sys.stdout.write(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    else:
        from osapi.cli.render import console
        from osapi.cli.views import view

        view(asked, wire.decode(dict[str, Any], body or b"{}"), said, screen or console())


def items(body: bytes) -> Sequence[Item]:
    """The answers in the envelope of a job, one for each host."""
    found: Sequence[Item] = wire.decode(dict[str, Any], body).get("results") or []
    return found


def silent(item: Item) -> bool:
    """Whether a host did not answer."""
    return item.get("code") in {"no_answer", "expired", "lost"}


def exit_code(found: Sequence[Item]) -> int:
    failed = [item for item in found if wire.status(item) is Status.FAILED]
    if len(failed) < len(found):
        return SOME_FAILED if failed else 0
    if failed and all(map(silent, failed)):
        return NONE_ANSWERED
    return FAILED if failed else 0


def _is_bad(answer: bytes) -> bool:
    return wire.decode(dict[str, Any], answer).get("status") not in {"ok", "ready", "delivered"}


def _time_of(asked: Operation[Any]) -> float | None:
    """How long what is asked may take by itself, and a little more, where it says so."""
    timeout = getattr(asked, "timeout", None)
    return None if timeout is None else float(timeout) + 5
