"""Requests and jobs in the traces they belong to (W3C Trace Context; OpenTelemetry's conventions for HTTP)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, HTTPScope, Scope
from quart_trio import QuartTrio

from controller.projection import Record
from osapi import traceparent, tracing
from osapi.operation import Declaration

HEADER = traceparent.HEADER.encode()

METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"}
"""What spans are named by; anybody can send another."""

BROKEN = 500
"""From this status on it is the server that failed (OpenTelemetry, "HTTP spans", status)."""


class Traced(QuartTrio):
    """An application with each request in a span of the trace that its header names, or of one of its own."""

    async def asgi_app(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await super().asgi_app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        about = {"http.request.method": method}
        with tracing.span(method, about, kind="server", parent=asked_in(scope), root=True) as span:

            async def tell(event: ASGISendEvent) -> None:
                if event["type"] == "http.response.start":
                    span.note({"http.response.status_code": event["status"]})
                    if event["status"] >= BROKEN:
                        span.fail(str(event["status"]))
                await send(event)

            await super().asgi_app(scope, receive, tell)


def asked_in(scope: HTTPScope) -> traceparent.Traceparent | None:
    """Where the caller is; it must say so once, and rightly."""
    given = [value for name, value in scope["headers"] if name == HEADER]
    return traceparent.parse(given[0].decode("latin-1")) if len(given) == 1 else None


def named(declaration: type[Declaration[Any]]) -> None:
    """Call the request by its route, and by what is asked."""
    spec = declaration.spec
    span = tracing.here()
    span.rename(f"{spec.method} {spec.path}")
    span.note({"http.route": spec.path, "osapi.operation": spec.name})


@contextmanager
def dispatching(record: Record) -> Iterator[None]:
    """Send a job to agents in its own trace; the first round is a span."""
    job = record.job
    place = traceparent.parse(job.traceparent) if job else None
    if job and place and not record.sent:
        about = {"job.id": job.id, "job.operation": job.operation, "osapi.target": job.target}
        with tracing.span("job.dispatch", about, kind="producer", parent=place):
            yield
    else:
        with traceparent.within(place):
            yield


def headers() -> dict[str, str] | None:
    """What a message to an agent carries, where there are spans that its job does not know of."""
    place = traceparent.current.get()
    return {traceparent.HEADER: str(place)} if place and tracing.recording() else None
