"""The OpenAPI 3.1 document, read off the declarations.

Three members are our own: `x-command`, the same on the command line; `x-example`, parameters by name; and
`x-event`, what the data of a server-sent event is.
"""

import shlex
import sys
from typing import Any

from controller.problems import Problem
from controller.routes import ANSWER
from controller.schemas import REF, Schema, Schemas, Shapes, example, read, used
from osapi import __version__
from osapi.jobs import Event
from osapi.operation import API, Declaration, Operation, Parameter, Spec, catalogue, parameters
from osapi.results import Download, EventStream
from osapi.targets import HELP
from osapi.wire import is_list

BEARER = "BearerAuth"
PROBLEMS = {
    "400": ("BadInput", "What was asked is not well formed; `errors` names the fields."),
    "401": ("NotAuthenticated", "There is no token, or it is not valid."),
    "403": ("NotAllowed", "The token lacks the permission."),
    "404": ("NotFound", "What is named is not there."),
    "409": ("Conflict", "It is there already, has changed meanwhile, or the Idempotency-Key was another's."),
    "413": ("TooLarge", "The body is larger than is taken at once."),
    "415": ("OtherType", "The body is not said to be JSON, or of an upload multipart/form-data."),
    "429": ("TooManyRequests", "The token asks too often; `Retry-After` says when to come back."),
    "500": ("Internal", "It failed here; the controller's log has more."),
    "503": ("Unavailable", "The broker is away; `Retry-After` says when to come back."),
    "507": ("NoSpace", "The store is full."),
}
RETRY_LATER = {"429", "503"}
ALSO_WHEN_UNAVAILABLE = {"health.ready", "health.status"}
"""Calls whose own answer comes with 503 too: that things do not work is what they are asked for."""

OUTCOME = {
    "hostname": "Name of the host",
    "status": "How it went on this host",
    "changed": "Whether anything was changed",
    "error": "Why it failed or was skipped",
    "code": "The same for programs, such as not_found, conflict, refused or timeout",
    "plan": "After a dry run: what would be changed",
}
"""What the fields beside the result's own mean (see `osapi.results.Outcome`)."""

ITEM = ("hostname", "status", "changed")
"""Those of them that are always there."""

EACH = "One item for each host"
LISTED = "One item for each entry of each host; a host without any is one item that has none of its fields"
"""What the items of an answer are; the latter where the result is a list."""

TARGET = {
    "name": "hostname",
    "in": "path",
    "required": True,
    "description": f"Which hosts; {HELP}",
    "schema": {"type": "string", "minLength": 1, "examples": ["_all"]},
}
DRY_RUN = {
    "name": "dry_run",
    "in": "query",
    "required": False,
    "description": "Change nothing, and answer with what would be changed",
    "schema": {"type": "boolean", "default": False},
}
EXPIRES = {
    "name": "expires",
    "in": "query",
    "required": False,
    "description": "How long hosts may take it up, such as 10m; as long as the answer is waited for, unless "
    "told otherwise",
    "schema": {"type": "string", "examples": ["10m"]},
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`respond-async` answers at once with 202; `wait=N` waits at most N seconds (RFC 7240)",
    "schema": {"type": "string", "examples": ["respond-async", "wait=10"]},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and request is one job and has one answer, for as long as the job is kept",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
JOB_ID = {
    "name": "Osapi-Job-Id",
    "in": "header",
    "required": False,
    "description": "The id that the job shall have, to follow or cancel it while this request waits",
    "schema": {"type": "string", "format": "uuid"},
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "Go on after this event",
    "schema": {"type": "string"},
}


FILE = {"file": {"type": "string", "format": "binary", "description": "The content, of any size"}}
"""The part of an upload that is not a parameter."""


BINARY = {"type": "string", "format": "binary"}


def document() -> dict[str, Any]:
    """The document, as plain dicts; made anew each time."""
    declared = list(catalogue().values())
    schemas = read(declared, also=[Problem, Event])
    components = dict(schemas.components)
    paths: dict[str, dict[str, Any]] = {}
    for declaration in declared:
        spec = declaration.spec
        entry = _entry(declaration, schemas, components)
        paths.setdefault(spec.path.replace("{target}", "{hostname}"), {})[spec.method.lower()] = entry
    responses = {name: _problem(status, text) for status, (name, text) in PROBLEMS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "OSAPI", "version": __version__, "description": "Linux servers as appliances."},
        "servers": [{"url": "/"}],
        "tags": _tags(declared),
        "paths": paths,
        "components": {
            "schemas": used([paths, responses], components),
            "responses": responses,
            "securitySchemes": {BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _tags(declared: list[type[Declaration[Any]]]) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for declaration in declared:
        package = ".".join(declaration.__module__.split(".")[:3])
        described = (sys.modules[package].__doc__ or "").partition("\n")[0]
        found.setdefault(declaration.spec.domain, described)
    return [{"name": name, "description": text} for name, text in found.items()]


def _entry(declaration: type[Declaration[Any]], schemas: Schemas, components: dict[str, Schema]) -> Schema:
    spec, shapes = declaration.spec, schemas.shapes[declaration.spec.name]
    fields = parameters(declaration)
    given = {p.name: example(shapes.parameters[p.name], components) for p in fields if p.required}
    entry: dict[str, Any] = {
        "operationId": spec.name,
        "tags": [spec.domain],
        "summary": spec.summary,
        "description": spec.description,
        "security": [{BEARER: [spec.permission]}] if spec.permission else [],
        "parameters": [*_of_all(declaration), *_own(spec, fields, shapes)],
        "responses": _responses(declaration, schemas, components),
        "x-command": command(declaration, given),
        "x-example": given,
    }
    if body := _body(spec, fields, shapes):
        name = f"{_title(spec)}Request"
        components[name] = body
        entry["requestBody"] = {
            "required": bool(body["required"]),
            "content": {_media(spec): {"schema": _ref(name)}},
        }
    return {key: value for key, value in entry.items() if value not in ("", {})}


def command(declaration: type[Declaration[Any]], given: dict[str, Any]) -> str:
    """The command line that asks for it, with these parameters."""
    words = ["osapi", "client", *(["node"] if issubclass(declaration, Operation) else [])]
    words += declaration.spec.command
    for parameter in parameters(declaration):
        value = given.get(parameter.name, [])
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{parameter.flag}", str(each)]
    if declaration.spec.uploads:
        words += ["--file", "FILE"]
    return shlex.join(words)


def _of_all(declaration: type[Declaration[Any]]) -> list[Schema]:
    """The parameters that come with the kind of declaration."""
    if not issubclass(declaration, Operation):
        return [LAST_EVENT_ID] if declaration.spec.returns is EventStream else []
    if declaration.spec.modifies:
        return [TARGET, DRY_RUN, EXPIRES, PREFER, IDEMPOTENCY_KEY, JOB_ID]
    return [TARGET, EXPIRES, PREFER, JOB_ID]


def _own(spec: Spec, fields: tuple[Parameter, ...], shapes: Shapes) -> list[Schema]:
    return [
        {
            "name": field.name,
            "in": "path" if field.name in spec.in_path else "query",
            "required": field.required,
            "description": field.description,
            "schema": _undescribed(shapes.parameters[field.name]),
        }
        for field in fields
        if field.name in spec.in_path or field.in_query or not spec.has_body
    ]


def _undescribed(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "description"}


def _body(spec: Spec, fields: tuple[Parameter, ...], shapes: Shapes) -> Schema | None:
    rest = [field for field in fields if field.name not in spec.in_path and not field.in_query]
    if not spec.has_body or not (rest or spec.uploads):
        return None
    return {
        "type": "object",
        "properties": {
            field.name: shapes.parameters[field.name]
            | ({"description": field.description} if field.description else {})
            for field in rest
        }
        | (FILE if spec.uploads else {}),
        "required": [field.name for field in rest if field.required] + ([*FILE] if spec.uploads else []),
        "additionalProperties": False,
    }


def _responses(
    declaration: type[Declaration[Any]], schemas: Schemas, components: dict[str, Schema]
) -> dict[str, Any]:
    spec = declaration.spec
    found = {str(spec.success): _success(declaration, schemas, components)}
    if issubclass(declaration, Operation):
        accepted = found[str(spec.success)] | {
            "description": "Accepted; `Location` is the job, and `results` are those there are.",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "Path of the job"}},
        }
        found["202"] = accepted
    found |= {status: {"$ref": f"#/components/responses/{PROBLEMS[status][0]}"} for status in _problems(spec)}
    if spec.name in ALSO_WHEN_UNAVAILABLE:
        found["503"] = found["200"] | {"description": "It does not work, for this reason."}
    return dict(sorted(found.items()))


def _success(
    declaration: type[Declaration[Any]], schemas: Schemas, components: dict[str, Schema]
) -> dict[str, Any]:
    spec, returns = declaration.spec, schemas.shapes[declaration.spec.name].returns
    if issubclass(declaration, Operation):
        name = _title(spec)
        components[f"{name}Item"] = _item(spec, returns, schemas)
        several = LISTED if is_list(spec.returns) else EACH
        components[f"{name}Results"] = _results(f"{name}Item", several)
        return {"description": f"{several}.", "content": _content(_ref(f"{name}Results"))}
    if spec.returns is EventStream:
        stream = {"schema": {"type": "string"}, "x-event": _ref("Event")}
        return {"description": EventStream.__doc__, "content": {"text/event-stream": stream}}
    if spec.returns is Download:
        return {"description": Download.__doc__, "content": {"application/octet-stream": {"schema": BINARY}}}
    if spec.returns is type(None):
        return {"description": "Done."}
    if spec.method == "HEAD":
        told = {"schema": {"type": "string"}, "description": "What is known, as JSON"}
        return {"description": "It is there.", "headers": {ANSWER: told}}
    also = {spec.also: {"schema": {"type": "string"}}} if spec.also else {}
    return {"description": "The answer.", "content": _content(returns) | also}


def _item(spec: Spec, returns: Schema, schemas: Schemas) -> Schema:
    """The fields of an outcome, and flat beside them those of the result."""
    result = schemas.components[returns["$ref"].removeprefix(REF)]
    own = result["properties"]
    outer = {name: schema | {"description": OUTCOME[name]} for name, schema in schemas.outcome.items()}
    first = {name: outer[name] for name in ITEM}
    return {
        "type": "object",
        "description": result.get("description", spec.summary)
        + (f"\n\n{LISTED}." if is_list(spec.returns) else ""),
        "properties": first
        | {name: outer.get(name, field) for name, field in own.items()}
        | outer
        | ({"status": _either(own["status"], schemas)} if "status" in own else {}),
        "required": list(ITEM),
    }


def _either(own: Schema, schemas: Schemas) -> Schema:
    """The status of a result that has one of its own, which stands in the place of `ok`."""
    if "enum" not in own:
        return own
    outer = schemas.components[schemas.outcome["status"]["$ref"].removeprefix(REF)]["enum"]
    return own | {"type": "string", "enum": sorted({*own["enum"], *outer} - {"ok"})}


def _results(item: str, several: str) -> Schema:
    return {
        "type": "object",
        "properties": {
            "job_id": {"type": "string", "format": "uuid", "description": "Id of the job"},
            "results": {"type": "array", "items": _ref(item), "description": several},
        },
        "required": ["job_id", "results"],
    }


def _problems(spec: Spec) -> list[str]:
    """The statuses that its errors can have."""
    operation = "{target}" in spec.path
    conditions = {
        "400": True,
        "401": bool(spec.permission),
        "403": bool(spec.permission),
        "404": operation or bool(spec.in_path),
        "409": operation
        or spec.modifies
        or spec.returns is Download
        or spec.path.startswith(f"{API}/agent/"),
        "413": spec.has_body,
        "415": spec.has_body,
        "429": bool(spec.permission),
        "500": True,
        "503": True,
        "507": spec.uploads,
    }
    return [status for status, possible in conditions.items() if possible]


def _problem(status: str, text: str) -> dict[str, Any]:
    """RFC 9457."""
    response: dict[str, Any] = {
        "description": text,
        "content": {"application/problem+json": {"schema": _ref("Problem")}},
    }
    if status in RETRY_LATER:
        seconds = {"schema": {"type": "integer"}, "description": "Seconds to wait"}
        response["headers"] = {"Retry-After": seconds}
    return response


def _title(spec: Spec) -> str:
    return "".join(word.capitalize() for word in spec.name.replace("-", ".").split("."))


def _ref(name: str) -> Schema:
    return {"$ref": REF + name}


def _media(spec: Spec) -> str:
    """What the body of a request is."""
    return "multipart/form-data" if spec.uploads else "application/json"


def _content(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
