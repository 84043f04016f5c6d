"""REST, read off the declarations: one view for all operations, and one for all calls."""

import json as ascii_json
import re
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from urllib.parse import unquote

import attrs
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import UnsupportedMediaType

from controller import uploads
from controller.access import Caller
from controller.context import HANDLERS, Context
from controller.notes import notes
from controller.problems import json, problem
from controller.submit import Request, wait
from controller.traced import named
from osapi import targets, tracing, wire
from osapi.durations import parse
from osapi.errors import BadInput
from osapi.operation import Call, Declaration, Operation, catalogue, parameters

ANSWER = "Osapi-Answer"
"""Header with what would be the body of an answer to HEAD, as JSON in ASCII."""

SHARED = {"dry_run", "expires"}
"""Query parameters that belong to the request, not to the operation."""

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

View = Callable[..., Coroutine[Any, Any, Response]]


@attrs.frozen(kw_only=True)
class Preference:
    """What the Prefer header asks for (RFC 7240): an answer at once, or a bound on the wait in seconds."""

    respond_async: bool = False
    wait: float | None = None


def mount(app: QuartTrio, context: Context) -> None:
    """A route for each declaration."""
    for declaration in catalogue().values():
        spec = declaration.spec
        view: View = partial(context.recorder.serve, declaration, partial(serve, context, declaration))
        app.add_url_rule(re.sub(r"{(\w+)}", r"<\1>", spec.path), spec.name, view, methods=[spec.method])


async def serve(context: Context, declaration: type[Declaration[Any]], **raw: str) -> Response:
    """First who asks, then whether that one may, then what is asked, then do it."""
    noted = notes()
    noted.operation = declaration.spec.name
    named(declaration)
    caller = Caller("", frozenset())
    if declaration.spec.permission:
        caller = context.access.caller(request.headers.get("Authorization"))
        noted.user, noted.roles = caller.user, caller.roles
        caller.need(declaration.spec.permission)
    path = {name: decoded(name, value) for name, value in raw.items()}
    target = noted.target = path.pop("target", "")
    if declaration.spec.uploads:
        return await upload(context, declaration, caller)
    params = await read(declaration, path)
    if isinstance(params, Operation):
        return await operate(context, params, target, caller)
    assert isinstance(params, Call)
    return await answer(context, params, caller)


def decoded(name: str, raw: str) -> str:
    """A segment of the path as it was meant (RFC 3986, section 2.1)."""
    try:
        return unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise BadInput(f"{name}: {raw!r} is not UTF-8", name) from None


async def upload(context: Context, declaration: type[Declaration[Any]], caller: Caller) -> Response:
    """A call whose body is a form with a file."""
    fields = parameters(declaration)
    query = _single(declaration, request.args.to_dict(flat=False))
    if unknown := query.keys() - {field.name for field in fields if field.in_query}:
        raise BadInput(f"unknown query parameter `{min(unknown)}`", min(unknown))
    needed = {field.name for field in fields if field.required}
    form = await uploads.receive(needed, context.config.controller.api.max_upload_bytes)
    try:
        if twice := form.fields.keys() & {field.name for field in fields if field.in_query}:
            raise BadInput(f"`{min(twice)}` belongs into the query, not into the form", min(twice))
        call = wire.params(declaration, form.fields | query, text=True)
        assert isinstance(call, Call)
        return await answer(context, call, caller)
    finally:
        form.close()


async def read(declaration: type[Declaration[Any]], path: dict[str, str]) -> Declaration[Any]:
    """The parameters of a request, from its path, its query and its body."""
    spec = declaration.spec
    typed = {name: wire.parameter(declaration, name, value) for name, value in path.items()}
    shared = _shared(declaration)
    given = _single(declaration, request.args.to_dict(flat=False))
    query = {name: value for name, value in given.items() if name not in shared}
    if not spec.has_body:
        return wire.params(declaration, typed | query, text=True)
    in_query = {field.name for field in parameters(declaration) if field.in_query}
    if unknown := query.keys() - in_query:
        allowed = ", ".join(sorted(shared | in_query)) or "none"
        raise BadInput(f"unknown query parameter `{min(unknown)}`; allowed: {allowed}", min(unknown))
    typed |= {name: wire.parameter(declaration, name, value) for name, value in query.items()}
    body = await _body()
    if twice := body.keys() & (typed.keys() | in_query):
        raise BadInput(f"`{min(twice)}` belongs into the path or the query, not into the body", min(twice))
    return wire.params(declaration, typed | body)


def _shared(declaration: type[Declaration[Any]]) -> set[str]:
    if not issubclass(declaration, Operation):
        return set()
    return SHARED if declaration.spec.modifies else SHARED - {"dry_run"}


def _single(declaration: type[Declaration[Any]], query: dict[str, list[str]]) -> dict[str, Any]:
    lists = {p.name for p in parameters(declaration) if p.type.__class__.__name__ == "ListType"}
    for name, values in query.items():
        if name not in lists and len(values) > 1:
            raise BadInput(f"{name}: given {len(values)} times; once is allowed", name)
    return {name: values if name in lists else values[0] for name, values in query.items()}


async def _body() -> dict[str, Any]:
    if request.mimetype == "multipart/form-data":
        raise UnsupportedMediaType("the body is multipart/form-data; allowed: application/json")
    data = await request.get_data(cache=False)
    assert isinstance(data, bytes)
    if not data.strip():
        return {}
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise UnsupportedMediaType(
            f"the body is {request.mimetype or 'of no type'}; allowed: application/json"
        )
    body: Any = wire.decode(object, data)
    if not isinstance(body, dict):
        raise BadInput("the body must be a JSON object")
    return body


async def answer(context: Context, call: Call[Any], caller: Caller) -> Response:
    """Let the controller answer a call, once it is on record if it changes something."""
    await context.recorder.announce_call(call)
    found = await HANDLERS[type(call)](context, call, caller)
    if isinstance(found, Response):
        return found
    if found is None:
        return Response(b"", call.spec.success)
    if call.spec.method == "HEAD":
        return Response(b"", call.spec.success, {ANSWER: ascii_json.dumps(wire.plain(found))})
    return json(wire.plain(found), call.spec.success)


async def operate(context: Context, operation: Operation[Any], target: str, caller: Caller) -> Response:
    """Make a job of an operation, and answer with what came of it."""
    prefer = preference(request.headers.get("Prefer", ""))
    longest = context.config.controller.api.job_timeout
    patience = (
        0.0 if prefer.respond_async else min(prefer.wait if prefer.wait is not None else longest, longest)
    )
    noted, wanted = notes(), requested(operation, target, caller, patience)
    noted.dry_run = wanted.dry_run
    record = await context.submission.submit(wanted)
    noted.job_id, noted.hosts = record.id, tuple(record.hostnames.values())
    if prefer.respond_async:
        location = f"/api/job/{record.id}"
        return json({"job_id": record.id, "results": []}, 202, Location=location)
    try:
        with tracing.span("job.wait", {"job.id": record.id}):
            await wait(record, patience)
        items = await context.answers.items(record)
    finally:
        record.answers = None  # also where the caller has gone: nobody else keeps them in memory
    if not targets.many(target) and len(items) == 1 and items[0].get("code") in MISSED:
        error = str(items[0]["error"])
        return problem(error, MISSED[str(items[0]["code"])], str(items[0]["code"]), job_id=record.id)
    return json({"job_id": record.id, "results": items}, operation.spec.success)


MISSED = {"not_found": 404, "conflict": 409}
"""What becomes a problem where one host was asked."""


def requested(operation: Operation[Any], target: str, caller: Caller, patience: float) -> Request:
    """The headers and query parameters that say how an operation is to be done."""
    expires = request.args.get("expires")
    dry_run = request.args.get("dry_run")
    job_id = request.headers.get("Osapi-Job-Id")
    key = request.headers.get("Idempotency-Key") if operation.spec.modifies else None
    if job_id is not None and not UUID.fullmatch(job_id):
        raise BadInput(f"Osapi-Job-Id: {job_id!r} is not a UUID in lower case", "Osapi-Job-Id")
    if key is not None and not 0 < len(key) <= 255:
        raise BadInput("Idempotency-Key: 1 to 255 characters are allowed", "Idempotency-Key")
    return Request(
        operation=operation,
        target=target,
        user=caller.user,
        dry_run=dry_run is not None and wire.convert(bool, dry_run, text=True, field="dry_run"),
        wait=patience,
        expires=None if expires is None else lifetime(expires),
        job_id=job_id,
        idempotency_key=key,
    )


def lifetime(given: str) -> float:
    try:
        seconds = float(parse(given))
    except ValueError as error:
        raise BadInput(f"expires: {error}", "expires") from None
    if seconds <= 0:
        raise BadInput(f"expires: {given!r} is over already; allowed: a duration such as 10m", "expires")
    return seconds


def preference(header: str) -> Preference:
    """A Prefer header; what is not known in it is passed over, as the RFC wants."""
    found = Preference()
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "respond-async":
            found = attrs.evolve(found, respond_async=True)
        elif name.lower() == "wait" and value.isdecimal():
            found = attrs.evolve(found, wait=float(value))
    return found
