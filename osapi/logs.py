"""Logs of the daemons: for a person at a terminal, else one JSON object a line, as journald and collectors take it.

What looks like a secret is masked, by the name of the value and in any text.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from osapi import traceparent

MASK = "****"

_NAMES = re.compile(
    r"passw(or)?d|passphrase|token|secret|signing_key|nkey|seed|authorization|bearer|credential"
    r"|(api|access|private)_?key",
    re.IGNORECASE,
)
_TEXT = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # a token (RFC 7519)
    r"|(?<=://)[^\s/@]+(?=@)"  # user and password of a URL
    r"|\bS[OAUNC][A-Z2-7]{56}\b"  # the seed of an nkey
    r"|(?<=[Bb]earer )[\w.~+/=-]{8,}"  # RFC 6750
)


def configure(*, debug: bool = False, to: TextIO | None = None) -> None:
    """Set up structlog, and let the standard library's logging (of the libraries) go the same way."""
    stream = to or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        placed,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _last(person=stream.isatty())
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if debug else logging.WARNING, force=True)


def _last(*, person: bool) -> list[Processor]:
    """Write an event out. Tracebacks are plain: richer ones show the values of variables."""
    render: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if person
        else structlog.processors.JSONRenderer(default=str)
    )
    return [structlog.processors.format_exc_info, mask, render]


def placed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the trace, and the place in it, of what was being done (a structlog processor)."""
    if place := traceparent.current.get():
        event.update(trace_id=place.trace_id, span_id=place.span_id)
    return event


def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put `****` for what looks like a secret (a structlog processor)."""
    return {name: MASK if _NAMES.search(name) and value else _masked(value) for name, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _TEXT.sub(MASK, value)
    if isinstance(value, Mapping):
        return mask(None, "", {str(name): inner for name, inner in value.items()})
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    if isinstance(value, BaseException):
        return _masked(str(value))
    return value
