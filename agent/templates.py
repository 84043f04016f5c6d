"""Templates rendered on a host: Jinja2, and Go's text/template, told apart by `agent.templating.language`.

A template is rendered by a process of its own, with no rights, no files, no environment, and little time and memory.
"""

import signal
import sys
from pathlib import Path
from typing import Any

import attrs
import msgspec
import structlog
import trio

from agent.commands import Finished, run_program
from agent.templating import LARGEST
from agent.templating.language import Language, language
from osapi.errors import OperationError, TimedOut

TIMEOUT = 5.0
"""Seconds that a template may take."""
MARKS = (b"{{", b"{%", b"{#")
"""What a text has that is a template."""
SHOWN = 1000
"""Characters of a message; a template may have a name of megabytes."""

log = structlog.get_logger()


@attrs.frozen
class Context:
    """What a template knows; facts and vars are values of JSON.

    Jinja2 calls them `hostname`, `facts` and `vars`; Go `.Hostname`, `.Facts` and `.Vars`.
    """

    hostname: str
    facts: dict[str, Any]
    vars: dict[str, Any]


@attrs.frozen
class Answer:
    """What `agent.templating.child` says: the output, or what is wrong, and in which line."""

    output: bytes | None = None
    message: str | None = None
    line: int | None = None


async def render(source: bytes, context: Context, *, name: str, timeout: float = TIMEOUT) -> bytes:
    """What a template makes of a context; a text without an expression is left as it is.

    `name` is how errors call it. Raises `OperationError` where the template is wrong, a name in it is not known, or its
    result is larger than 10 MiB, and `TimedOut` where it takes longer than `timeout` in seconds.
    """
    if not any(mark in source for mark in MARKS):
        return source
    if len(source) > LARGEST:
        raise OperationError(f"{name}: the template is larger than {LARGEST >> 20} MiB")
    # in a thread, for there may be megabytes to look through before the language shows
    written_in = await trio.to_thread.run_sync(language, source.decode(errors="surrogateescape"))
    if not written_in:
        return source
    request = msgspec.json.encode({"source": source, **attrs.asdict(context, recurse=False)})
    answer = _answer(await _run(written_in, request.decode(), name, timeout), name)
    if answer.output is None:
        line = f", line {answer.line}" if answer.line else ""
        raise OperationError(f"{name}{line}: {(answer.message or '')[:SHOWN]}")
    return answer.output


async def _run(written_in: Language, request: str, name: str, timeout: float) -> Finished:
    child = (sys.executable, "-I", "-m", "agent.templating.child", written_in)
    too_long = f"{name}: rendering it took longer than {timeout:g} s"
    try:
        finished = await run_program(
            ("env", "-i", *child),
            cwd=Path("/"),
            timeout=timeout,
            input=request,
            limit=2 * LARGEST,
        )
    except TimedOut:
        raise TimedOut(too_long) from None
    if finished.exit_code == 128 + signal.SIGXCPU:
        raise TimedOut(too_long)
    return finished


def _answer(finished: Finished, name: str) -> Answer:
    """What the process said; it says nothing that can be read where it was killed, or is not what it should be."""
    if finished.exit_code == 0:
        try:
            return msgspec.json.decode(finished.stdout, type=Answer)
        except msgspec.DecodeError:
            pass
    log.warning(
        "a template was not rendered", template=name, exit_code=finished.exit_code, stderr=finished.stderr
    )
    raise OperationError(f"{name}: the process that renders it ended with {finished.exit_code} and no result")
