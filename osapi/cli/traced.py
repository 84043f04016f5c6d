"""The command line in traces: each command begins one, and records its own span where the configuration wants it."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncclick as click

from osapi import configfile, traceparent, tracing
from osapi.errors import ConfigError

if TYPE_CHECKING:
    from osapi.tracing.recorder import Recorder

EXPORTER = "telemetry.tracing.exporter"
SERVICE = "osapi-cli"


@asynccontextmanager
async def traced(file: Path | None, environ: Mapping[str, str], *, debug: bool) -> AsyncIterator[None]:
    """Run a command in a trace of its own; its span is sent at its end, or given up within a bound."""
    recorder = recorder_of(file, environ) if may_record(file, environ) else None
    name = click.get_current_context().command_path
    try:
        with tracing.recorded(recorder), tracing.span(name, kind="client", root=True):
            if debug:
                click.echo(f"Trace id: {traceparent.trace_id()}", err=True)
            yield
    finally:
        if recorder and (reason := await recorder.close()):
            click.echo(f"Warning: the trace was not delivered to {recorder.where}: {reason}", err=True)


def may_record(file: Path | None, environ: Mapping[str, str]) -> bool:
    """Whether an exporter is named at all; what it takes to read all of the configuration costs a command time.

    A file that is not for this user, or is broken, is for those to complain of who need it.
    """
    named: Any = environ.get(configfile.variable(EXPORTER))
    if named is None and file:
        with suppress(ConfigError):
            named = configfile.read(file)
            for word in EXPORTER.split("."):
                named = named.get(word) if isinstance(named, dict) else None
    return named not in {None, "", "none"}


def recorder_of(file: Path | None, environ: Mapping[str, str]) -> "Recorder | None":
    from osapi.config import load

    config = load(file, environ)
    settings = config.telemetry.tracing
    if not (settings.enabled or config.debug):
        return None
    from osapi.tracing.otlp import sender
    from osapi.tracing.recorder import recorder

    return recorder(settings, SERVICE, sender(settings, sys.stderr))
