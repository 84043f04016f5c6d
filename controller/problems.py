"""Errors as RFC 9457 has them, with the member `error` that older clients read."""

import math

import attrs
import structlog
from quart import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from osapi import wire
from osapi.errors import BadInput, Error, NotAuthenticated, TooManyRequests, Unavailable
from osapi.traceparent import trace_id

log = structlog.get_logger()

JSON = "application/json"

TITLES = {
    400: "Bad input",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    409: "Conflict",
    413: "Too large",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
    507: "No space",
}


@attrs.frozen(kw_only=True)
class FieldProblem:
    field: str
    message: str


@attrs.frozen(kw_only=True)
class Problem:
    """What went wrong, for programs (`type`, `errors`) and for people (`detail`).

    `code` is the status once more: a number, as existing clients expect it.
    """

    type: str
    title: str
    status: int
    detail: str
    code: int
    error: str
    trace_id: str
    errors: list[FieldProblem] | None = None
    job_id: str | None = None


def json(value: object, status: int = 200, **headers: str) -> Response:
    return Response(wire.encode(value) + b"\n", status, headers, content_type=JSON)


def problem(
    detail: str, status: int, kind: str, *, field: str | None = None, job_id: str | None = None
) -> Response:
    found = Problem(
        type=f"urn:osapi:problem:{kind}",
        title=TITLES.get(status, "Error"),
        status=status,
        detail=detail,
        code=status,
        error=detail,
        trace_id=trace_id() or "",
        errors=[FieldProblem(field=field, message=detail)] if field else None,
        job_id=job_id,
    )
    return Response(wire.encode(wire.plain(found)) + b"\n", status, content_type="application/problem+json")


def respond(error: Exception) -> Response:
    """Any error as its response; what nobody foresaw is logged with a traceback, and told without one."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, HTTPException):
        name = (error.name or "error").lower().replace(" ", "_")
        detail = error.description or error.name
        if isinstance(error, NotFound):
            detail = f"there is no {request.path}; /api/docs has what there is"
        response = problem(detail, error.code or 500, name)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response
    if not isinstance(error, Error):
        log.error("a request broke", method=request.method, path=request.path, exc_info=error)
        return problem("internal error; the controller's log has more", 500, "internal")
    response = problem(
        str(error), error.status, error.code, field=error.field if isinstance(error, BadInput) else None
    )
    if isinstance(error, NotAuthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyRequests | Unavailable):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return response
