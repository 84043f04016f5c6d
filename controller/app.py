"""The HTTP application: routes, limits, errors and headers."""

import random
import re
from functools import cache, partial

from quart import Response, g, request
from quart_trio import QuartTrio

from controller import openapi
from controller.answers import load
from controller.audit.recorder import sender
from controller.context import Context
from controller.docs_page import docs_page
from controller.notes import Notes
from controller.problems import respond
from controller.routes import mount
from controller.traced import Traced
from osapi import traceparent, wire

REQUEST_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)


def create(context: Context) -> QuartTrio:
    """The application of one controller."""
    load()
    app = Traced("controller", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = context.config.controller.api.max_body_bytes
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # /api/node//disk names no host; it is not /api/node/disk
    app.register_error_handler(Exception, respond)
    app.before_request(partial(name_request, context.config.controller.api.trusted_proxies))
    app.after_request(add_headers)
    app.after_request(context.metrics.served)
    origins = context.config.controller.api.security.cors.allow_origins
    if origins:
        share(app, frozenset(origins))
    mount(app, context)
    describe(app)
    return app


async def name_request(proxies: list[str]) -> None:
    """Give each request an id, the caller's where there is one, so that caller and log speak of the same."""
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
    g.notes = Notes(
        request_id=g.request_id,
        trace_id=traceparent.trace_id() or "",
        source=sender(proxies),
        method=request.method,
        path=request.path,
    )


async def add_headers(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    response.headers[traceparent.TRACE_ID] = g.notes.trace_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def share(app: QuartTrio, origins: frozenset[str]) -> None:
    """Let pages of some origins use the API (Fetch Standard, CORS); without any, browsers keep them out."""

    async def allow(response: Response) -> Response:
        origin = request.headers.get("Origin", "")
        if origin in origins or "*" in origins:
            response.headers["Access-Control-Allow-Origin"] = origin if origin in origins else "*"
            response.headers["Vary"] = "Origin"
        return response

    async def preflight(_: str) -> Response:
        headers = {
            "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Prefer, Last-Event-ID",
            "Access-Control-Max-Age": "600",
        }
        return Response(b"", 204, headers)

    app.after_request(allow)
    app.add_url_rule("/api/<path:_>", "preflight", preflight, methods=["OPTIONS"])


def describe(app: QuartTrio) -> None:
    """The API's own description, and the readiness that older clients poll outside of /api."""

    @cache
    def document() -> bytes:
        return wire.encode(openapi.document()) + b"\n"

    @cache
    def page() -> str:
        return docs_page()

    async def api_document() -> Response:
        return Response(document(), content_type="application/json")

    async def api_page() -> Response:
        return Response(page(), content_type="text/html; charset=utf-8")

    app.add_url_rule("/api/openapi.json", "openapi", api_document)
    app.add_url_rule("/api/docs", "docs", api_page)
    app.add_url_rule("/health/ready", "ready", app.view_functions["health.ready"])
