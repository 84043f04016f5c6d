"""Writes the reference pages that are read off the code; `--check` only says which of them are not as they should be.

Pages of operations and calls come from the OpenAPI document, config.md from the configuration's classes, and
errors.md from the errors'. Everything else in docs/ is written by hand.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from inspect import cleandoc, getdoc
from pathlib import Path
from typing import Any

import attrs

from controller.docs_page import Endpoint, answer, body, curl, endpoints, parameter_rows
from controller.openapi import DRY_RUN, EXPIRES, IDEMPOTENCY_KEY, JOB_ID, OUTCOME, PREFER, document
from controller.schemas import Row, Schema, rows
from osapi import errors
from osapi.config.kinds import Kind, kind_of
from osapi.config.loading import NO_EFFECT, NOT_YET
from osapi.config.schema import Config
from osapi.configfile import variable
from osapi.operation import Operation, catalogue

REFERENCE = Path(__file__).parent / "reference"
HEAD = "<!-- Written by docs/generate.py: change the code it is read off, then run `./justw docs`. -->\n\n"


def pages() -> dict[Path, str]:
    """Every generated page by where it belongs."""
    whole = document()
    found = {
        REFERENCE / "config.md": config_page(),
        REFERENCE / "errors.md": errors_page(whole),
        REFERENCE / "operations" / "README.md": index(whole),
    }
    grouped: dict[Path, list[Endpoint]] = {}
    for endpoint in every(whole):
        grouped.setdefault(REFERENCE / page_of(endpoint.name), []).append(endpoint)
    for path, members in grouped.items():
        found[path] = module_page(members, whole["components"]["schemas"])
    return {path: f"{HEAD}{text.rstrip()}\n" for path, text in found.items()}


def every(whole: Schema) -> Iterator[Endpoint]:
    """All endpoints, in the order of their tags."""
    for tag in whole["tags"]:
        yield from endpoints(whole, tag["name"])


def page_of(name: str) -> str:
    """The page of a declaration, named as the module that it is declared in."""
    folder = "operations" if issubclass(catalogue()[name], Operation) else "calls"
    return f"{folder}/{name.rpartition('.')[0].replace('.', '/')}.md"


def index(whole: Schema) -> str:
    """The list of all operations and calls, and what all operations share."""
    components = whole["components"]["schemas"]
    found = list(every(whole))
    lines = [
        f"| [`{e.entry['x-command'].partition(' --')[0]}`]({link(e)}) | `{e.method} {e.path}` "
        f"| {f'`{e.permission}`' if e.permission else ''} | {e.entry['summary']} |"
        for e in found
    ]
    modification = next(endpoint for endpoint in found if DRY_RUN in endpoint.entry["parameters"])
    shared = [row for row in parameter_rows(modification.entry, components) if row.path in SHARED]
    answered = [row for row in answer(modification, components)[0] if common(row)]
    head = "| command | endpoint | permission | what it does |\n|---|---|---|---|"
    parts = ["\n".join([head, *lines]), table("Parameter", shared), table("Answer", answered)]
    return INDEX.format(*parts)


def common(row: Row) -> bool:
    """Whether a field of an answer is the same for all operations."""
    return re.fullmatch(rf"job_id|results|results\[\]\.({'|'.join(OUTCOME)})([.\[].*)?", row.path) is not None


def link(endpoint: Endpoint) -> str:
    """Where an endpoint is described, from operations/README.md."""
    anchor = endpoint.name.rpartition(".")[2]
    return page_of(endpoint.name).replace("operations/", "").replace("calls/", "../calls/") + f"#{anchor}"


def module_page(members: list[Endpoint], components: dict[str, Schema]) -> str:
    """The page of one module of declarations."""
    declared = sys.modules[catalogue()[members[0].name].__module__]
    name = members[0].name.rpartition(".")[0].replace(".", " ")
    sections = [section(endpoint, components) for endpoint in members]
    return "\n\n".join([f"# {name}", cleandoc(declared.__doc__ or ""), *sections])


def section(endpoint: Endpoint, components: dict[str, Schema]) -> str:
    """One endpoint: how to ask on the command line and over REST, and what comes back."""
    entry = endpoint.entry
    needed = f"Needs `{endpoint.permission}`." if endpoint.permission else "Needs no token."
    is_operation = issubclass(catalogue()[endpoint.name], Operation)
    found, about = answer(endpoint, components)
    own = [row for row in parameter_rows(entry, components) if not (is_operation and row.path in SHARED)]
    fields = [row for row in found if not (is_operation and common(row))]
    parts = [
        f"## {endpoint.name.rpartition('.')[2]}",
        entry["summary"],
        entry.get("description", ""),
        f"`{endpoint.method} {endpoint.path}` {needed}",
        f"```\n{entry['x-command']}\n```",
        f"```\n{curl(endpoint)}\n```",
        table("Parameter", own),
        table("Body", rows(body(entry), components)),
        about if fields else "",
        table("Answer", fields),
    ]
    return "\n\n".join(part for part in parts if part)


def table(title: str, found: Iterable[Row]) -> str:
    """Rows as a Markdown table; what is always there is marked."""
    lines = [
        f"| `{row.path}`{MARK if row.required else ''} | {row.kind} | {row.description} |" for row in found
    ]
    return "\n".join([f"| {title} | type | meaning |", "|---|---|---|", *lines]) if lines else ""


def config_page() -> str:
    """Every key of osapi.yaml."""
    return "\n\n".join([CONFIG, *sections(Config(), "")])


def sections(section: Any, at: str) -> Iterator[str]:
    """The tables of a section and of those below it."""
    lines, inner = [], []
    for field in attrs.fields(type(section)):
        key, value = f"{at}{field.name}", getattr(section, field.name)
        if kind := kind_of(field.type):
            lines.append(f"| `{key}` | {default(kind, value)} | {allowed(kind)} |")
        elif attrs.has(type(value)):
            inner.append((value, f"{key}."))
        else:
            inner.append((value_type(field.type)(), f"{key}.NAME."))
    if lines:
        title = f"## {at.rstrip('.')}" if at else "## At the top"
        about = getdoc(type(section)) or ""
        heading = [title, about] if about else [title]
        yield "\n\n".join([*heading, "\n".join(["| key | default | allowed |", "|---|---|---|", *lines])])
    for value, key in inner:
        yield from sections(value, key)


def value_type(annotation: Any) -> Any:
    """The section that each name of a mapping has."""
    return annotation.__args__[1]


def default(kind: Kind, value: Any) -> str:
    """A default as one would write it."""
    if kind.secret or value in ("", [], {}):
        return ""
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def allowed(kind: Kind) -> str:
    """What a key may hold, safe within a table."""
    return kind.allowed.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


def errors_page(whole: Schema) -> str:
    """What errors look like, and every kind of them."""
    problems = [f"| {status} | {response['description']} |" for status, response in statuses(whole)]
    codes = [
        f"| `{kind.code}` | {first_line(kind)} |"
        for kind in kinds(errors.Error)
        if issubclass(kind, errors.OperationError | errors.Unsupported)
    ]
    return ERRORS.format(
        problems="\n".join(problems),
        codes="\n".join([*codes, *(f"| `{code}` | {meaning} |" for code, meaning in ENDINGS.items())]),
    )


def statuses(whole: Schema) -> list[tuple[str, Schema]]:
    """The statuses of problems with their responses, sorted."""
    found = {}
    for endpoint in every(whole):
        for status, response in endpoint.entry["responses"].items():
            if "$ref" in response:
                found[status] = whole["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return sorted(found.items())


def kinds(error: type[errors.Error]) -> Iterator[type[errors.Error]]:
    """The kinds of an error, each before its own kinds."""
    for kind in error.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
            yield from kinds(kind)


def first_line(kind: type[Any]) -> str:
    return (getdoc(kind) or "").partition("\n")[0]


SHARED = {
    "hostname",
    *(parameter["name"] for parameter in (DRY_RUN, EXPIRES, PREFER, IDEMPOTENCY_KEY, JOB_ID)),
}
"""Parameters that are the same for all operations."""

MARK = "\\*"

INDEX = """# Operations and calls

Operations are carried out by hosts, as jobs; calls are answered by the controller itself.

{0}

## What every operation takes

`dry_run` and `Idempotency-Key` are for modifications only.

{1}

## What every operation answers

The fields of an operation's own result lie beside these, in the items whose `status` is `ok`.
What is marked \\* is always there.

{2}
"""

CONFIG = f"""# Configuration

OSAPI needs no configuration file. With one (`-f FILE`, `{variable("osapifile")}`, or `/etc/osapi/osapi.yaml`) every key
below can be set, and each can be overridden by an environment variable: `OSAPI_` and the key in capitals, with `_` for
dots, such as `{variable("controller.api.port")}`. An option beats a variable, and a variable the file.

Keys that do not exist, and values that are not allowed, stop the start with one line that names the key, the
value and what is allowed; exit code 2. `osapi config check` says everything that is wrong, and `osapi config show`
prints every key with the value it has, secrets as `****`.

Lengths of time are written as `90s`, `1h30m` or `7d`. A list may be one line of text with commas.

These are understood, since existing files have them, and have no effect:
{", ".join(f"`{name}*`" for name in NO_EFFECT)}.

These are understood, and this version does nothing with them; `osapi config check` says so where they are set:
{", ".join(f"`{name}*`" if name.endswith(".") else f"`{name}`" for name in NOT_YET)}."""

ENDINGS = {
    "cancelled": "It was cancelled.",
    "expired": "No agent took it in time.",
    "lost": "An agent took it, and did not come back before it expired.",
    "no_answer": "It did not answer while the request waited.",
    "unknown": "It was begun, the agent died, and doing it again could do it twice. Look at the host.",
    "too_large": "The result is larger than the object store takes.",
    "bad_input": "With facts in the place of `@fact.…`, a parameter is not allowed.",
    "internal": "The agent's own fault; its log has more.",
}

ERRORS = """# Errors

## Requests

A request that fails is answered with `application/problem+json` (RFC 9457):

```json
{{
  "type": "urn:osapi:problem:bad_input",
  "title": "Bad input",
  "status": 400,
  "detail": "timezone: not allowed; expected: IANA name, such as Europe/Berlin",
  "code": 400,
  "error": "timezone: not allowed; expected: IANA name, such as Europe/Berlin",
  "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
  "errors": [{{"field": "timezone", "message": "timezone: not allowed; expected: IANA name, such as Europe/Berlin"}}]
}}
```

`error` has the same text as `detail`, for older clients. Whether a token is valid is checked first, then what it
permits, then what was asked: 401, 403, 400.

| status | when |
|---|---|
{problems}

## Hosts

A host that failed does not make the request fail: it is an item of `results` with `status` `failed`, and the
answer's own status is that of success. The exceptions are `not_found` (404) and `conflict` (409) where one host was
asked, by name or with `_any`.

| `code` of an item | when |
|---|---|
{codes}

The answer of a host with `no_answer` is recorded when it comes: see `osapi client job get`.
"""


def main() -> int:
    """Write the pages, or with `--check` compare them with those that are there."""
    wanted = pages()
    generated = {path for path in REFERENCE.rglob("*.md") if path.read_text().startswith(HEAD)}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    gone = sorted(generated - wanted.keys())
    if "--check" in sys.argv[1:]:
        for path in (*stale, *gone):
            sys.stdout.write(f"{path}: not as the code has it; run `./justw docs`\n")
        return 1 if stale or gone else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    for path in gone:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
