"""Spans on their way out of a process: made by OpenTelemetry's SDK, kept in a queue that has an end, sent in batches.

The SDK's own processor and exporters send from threads that nothing can stop; so the sending is ours (decision 0018).
"""

import os
import socket
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import attrs
import trio
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from osapi import __version__
from osapi.config.telemetry import Tracing
from osapi.errors import Error, Unavailable
from osapi.traceparent import Traceparent
from osapi.tracing import Attributes

ROOM = 4096
"""Spans that may wait; what comes beyond them is dropped."""

BATCH = 512
"""Spans that are sent at once."""

LONGEST = 1024
"""Characters of an attribute that are kept."""

FLUSH = 2.0
"""Seconds that sending the last spans may hold up an end."""

KINDS = {kind.name.lower(): kind for kind in SpanKind}


class Sender(Protocol):
    """Takes spans to where they are kept; `where` names that."""

    @property
    def where(self) -> str: ...
    async def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Raises `Unavailable` where it may be tried again, `Error` where it is of no use."""
        ...

    async def aclose(self) -> None: ...


@attrs.frozen
class Recording:
    """A span that is recorded, or, not being sampled, only has an id."""

    span: trace.Span

    def rename(self, name: str) -> None:
        self.span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self.span.set_attributes(attributes)

    def fail(self, kind: str) -> None:
        self.span.set_attribute("error.type", kind)
        self.span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        self.span.end()


@attrs.define(eq=False)
class Queue(SpanProcessor):
    """Spans that have ended, until they are sent; `dropped` are those for which there was no room."""

    waiting: deque[ReadableSpan] = attrs.field(factory=deque)
    dropped: int = 0
    full: trio.Event = attrs.field(factory=trio.Event)

    def on_end(self, span: ReadableSpan) -> None:
        if not (span.context and span.context.trace_flags.sampled):
            return
        if len(self.waiting) >= ROOM:
            self.dropped += 1
            return
        self.waiting.append(span)
        if len(self.waiting) >= BATCH:
            self.full.set()

    def take(self) -> list[ReadableSpan]:
        batch = [self.waiting.popleft() for _ in range(min(BATCH, len(self.waiting)))]
        if len(self.waiting) < BATCH:
            self.full = trio.Event()
        return batch


@attrs.frozen(eq=False)
class Recorder:
    """The spans of one service; without a sender they have ids and nothing more."""

    tracer: trace.Tracer
    queue: Queue
    sender: Sender | None

    @property
    def where(self) -> str:
        return self.sender.where if self.sender else ""

    def begin(
        self, name: str, attributes: Attributes, kind: str, above: Traceparent | None, *, remote: bool
    ) -> tuple[Recording, Traceparent]:
        """A new span and its place; below `above`, maybe of another process, and sampled as that is."""
        span = self.tracer.start_span(name, _context(above, remote), KINDS[kind], attributes)
        own = span.get_span_context()
        place = Traceparent(f"{own.trace_id:032x}", f"{own.span_id:016x}", own.trace_flags.sampled)
        return Recording(span), place

    async def send(self) -> None:
        """Send all that has ended.

        Raises what the sender does. What could not be sent waits on; what was refused is dropped.
        """
        while self.sender and (batch := self.queue.take()):
            sent = False
            try:
                await self.sender.send(batch)
                sent = True
            except Unavailable:
                raise
            except Error:
                self.queue.dropped += len(batch)
                sent = True
                raise
            finally:
                if not sent:
                    self.queue.waiting.extendleft(reversed(batch))

    async def close(self) -> str:
        """Send what is left, within a bound, also when cancelled; returns why not all of it was sent, or nothing."""
        if self.sender is None:
            return ""
        reason = f"it took longer than {FLUSH:g} s"
        with trio.CancelScope(shield=True):
            with trio.move_on_after(FLUSH):
                reason = await self._send_last()
            await self.sender.aclose()
        return reason

    async def _send_last(self) -> str:
        try:
            await self.send()
        except Error as error:
            return str(error)
        return ""


def _context(above: Traceparent | None, remote: bool) -> Context:
    """A parent as the SDK takes it; never that of its own context variable, which we leave alone."""
    if above is None:
        return Context()
    parent = SpanContext(
        int(above.trace_id, 16),
        int(above.span_id, 16),
        is_remote=remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if above.sampled else TraceFlags.DEFAULT),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())


def recorder(settings: Tracing, service: str, sender: Sender | None) -> Recorder:
    """A recorder for a service; what begins a trace is sampled by ratio, all else as its parent is."""
    queue = Queue()
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        resource=resource(service),
        shutdown_on_exit=False,
        span_limits=SpanLimits(max_attribute_length=LONGEST),
    )
    provider.add_span_processor(queue)
    return Recorder(provider.get_tracer("osapi", __version__), queue, sender)


def resource(service: str) -> Resource:
    """Who records, after OpenTelemetry's semantic conventions; OTEL_RESOURCE_ATTRIBUTES may say more."""
    own: dict[str, str | int] = {
        "service.name": service,
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid4()),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    return OTELResourceDetector().detect().merge(Resource({**own}))
