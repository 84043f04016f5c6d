"""Spans: what a part of the work was, when it began and ended, below which other, and how it went.

    with tracing.span("job.submit", {"job.id": job.id}) as span:
        ...

Where nobody records, `span` costs next to nothing, and leaves its caller where it is in a trace that came from
elsewhere (`osapi.traceparent`). Who records says so for a task and all that it starts (`recorded`); there is nothing
global, since several daemons may share a process. OpenTelemetry is imported by `osapi.tracing.recorder` only.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from osapi import traceparent
from osapi.traceparent import Traceparent

if TYPE_CHECKING:
    from osapi.tracing.recorder import Recorder, Recording

Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """A span that goes on."""

    def rename(self, name: str) -> None: ...
    def note(self, attributes: Attributes) -> None: ...
    def fail(self, kind: str) -> None:
        """It did not go well; `kind` is one word, and never what was said of it, which may hold a secret."""
        ...


class Unrecorded:
    """The span of who records none."""

    def rename(self, name: str) -> None: ...
    def note(self, attributes: Attributes) -> None: ...
    def fail(self, kind: str) -> None: ...


NONE: Span = Unrecorded()
UNCHANGED = nullcontext(NONE)

_recorder: ContextVar["Recorder | None"] = ContextVar("recorder", default=None)
_here: ContextVar[Span] = ContextVar("span", default=NONE)


def here() -> Span:
    """The innermost span that goes on."""
    return _here.get()


def recording() -> "Recorder | None":
    """Who records spans here."""
    return _recorder.get()


@contextmanager
def recorded(recorder: "Recorder | None") -> Iterator[None]:
    """Let spans of this task, and of those it starts meanwhile, be recorded; None is for not at all."""
    before = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(before)


def span(
    name: str,
    attributes: Attributes = MappingProxyType({}),
    *,
    kind: str = "internal",
    parent: Traceparent | None = None,
    root: bool = False,
) -> AbstractContextManager[Span]:
    """A part of the work, as long as the block is; an exception that leaves it makes it failed.

    It is below `parent`, else below where one is; a `root` begins a trace where there is neither, anything else is
    part of none then. `kind` is internal, server, client, producer or consumer.
    """
    above = parent or traceparent.current.get()
    recorder = _recorder.get()
    if recorder and (above or root):
        begun, place = recorder.begin(name, attributes, kind, above, remote=parent is not None)
        return _going_on(begun, place)
    if parent or (root and above is None):
        return _elsewhere(above or traceparent.fresh())
    return UNCHANGED


@contextmanager
def _going_on(begun: "Recording", place: Traceparent) -> Iterator[Span]:
    before = _here.set(begun)
    try:
        with traceparent.within(place):
            yield begun
    except BaseException as error:
        begun.fail(type(error).__name__)
        raise
    finally:
        _here.reset(before)
        begun.end()


@contextmanager
def _elsewhere(place: Traceparent) -> Iterator[Span]:
    with traceparent.within(place):
        yield NONE
