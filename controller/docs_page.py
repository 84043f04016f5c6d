"""The reference as one HTML page that needs nothing else: no network, no font, no script from elsewhere."""

import json
import shlex
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

import attrs

from controller.openapi import TARGET, document
from controller.schemas import REF, Row, Schema, description, kind, resolved, rows


@attrs.frozen
class Endpoint:
    """One entry of the document, with where it is."""

    method: str
    path: str
    entry: Schema

    @property
    def name(self) -> str:
        return str(self.entry["operationId"])

    @property
    def permission(self) -> str:
        """What the token needs; empty where no token is asked for."""
        return next((p for scheme in self.entry["security"] for names in scheme.values() for p in names), "")

    @property
    def success(self) -> Schema:
        """The first answer that is one, with its content."""
        return next(r for status, r in self.entry["responses"].items() if status.startswith("2"))


def endpoints(whole: Schema, tag: str) -> list[Endpoint]:
    """The endpoints of a tag, in the document's order."""
    return [
        Endpoint(method.upper(), path, entry)
        for path, methods in whole["paths"].items()
        for method, entry in methods.items()
        if tag in entry["tags"]
    ]


def docs_page() -> str:
    """The page, rendered from the document."""
    whole = document()
    components = whole["components"]["schemas"]
    groups = [(tag, endpoints(whole, tag["name"])) for tag in whole["tags"]]
    page = Template((files("controller") / "docs_page.html").read_text())
    return page.substitute(
        version=escape(whole["info"]["version"]),
        menu="".join(_menu(tag["name"], found) for tag, found in groups),
        groups="".join(_group(tag, found, components) for tag, found in groups),
        problems=_problems(whole),
    )


def _menu(tag: str, found: list[Endpoint]) -> str:
    links = "".join(f'<li><a href="#{escape(e.name)}">{escape(e.name.partition(".")[2])}</a>' for e in found)
    return f'<li><a href="#{escape(tag)}">{escape(tag)}</a><ul>{links}</ul>'


def _group(tag: Schema, found: list[Endpoint], components: dict[str, Schema]) -> str:
    inside = "".join(_endpoint(endpoint, components) for endpoint in found)
    name = escape(tag["name"])
    return f'<section id="{name}"><h2>{name}</h2><p>{_text(tag["description"])}</p>{inside}</section>'


def _endpoint(endpoint: Endpoint, components: dict[str, Schema]) -> str:
    entry, method = endpoint.entry, endpoint.method
    words = " ".join([endpoint.name, method, endpoint.path, entry["summary"], endpoint.permission])
    needed = (
        f"Needs <code>{escape(endpoint.permission)}</code>." if endpoint.permission else "Needs no token."
    )
    return (
        f'<details id="{escape(endpoint.name)}" data-words="{escape(words.lower())}"><summary>'
        f'<b class="{method.lower()}">{method}</b><code>{escape(endpoint.path)}</code>'
        f"<span>{_text(entry['summary'])}</span></summary>"
        f"{_paragraphs(entry.get('description', ''))}<p>{needed}</p>"
        f"<h4>Command line</h4><pre>{escape(entry['x-command'])}</pre>"
        f"<h4>curl</h4><pre>{escape(curl(endpoint))}</pre>"
        f"{_table('Parameters', parameter_rows(entry, components))}"
        f"{_table('Body', rows(body(entry), components))}"
        f"{_table('Answer', *answer(endpoint, components))}"
        f"<h4>Statuses</h4><ul>{_statuses(entry)}</ul></details>"
    )


def parameter_rows(entry: Schema, components: dict[str, Schema]) -> Iterator[Row]:
    """The parameters of an endpoint in words."""
    for found in entry["parameters"]:
        where = f"{found['in']}, {kind(found['schema'], components)}"
        yield Row(found["name"], where, found["required"], description(found | found["schema"]))


def body(entry: Schema) -> Schema:
    """The schema of the body of a request; empty where there is none."""
    content: dict[str, dict[str, Schema]] = entry.get("requestBody", {}).get("content", {})
    return next((media["schema"] for media in content.values()), {})


def answer(endpoint: Endpoint, components: dict[str, Schema]) -> tuple[Iterable[Row], str]:
    """The fields of a successful answer, or of each event of a stream, in words; and what they are."""
    for content in endpoint.success.get("content", {}).values():
        schema = content.get("x-event", content["schema"])
        whole = resolved(schema, components)
        item = resolved(whole.get("properties", {}).get("results", {}).get("items", whole), components)
        return rows(schema, components), description(item)
    return (), ""


def curl(endpoint: Endpoint) -> str:
    """A command line that asks for it; `$OSAPI` is the address, and `$TOKEN` a token."""
    given, path = dict(endpoint.entry.get("x-example", {})), endpoint.path
    for parameter in endpoint.entry["parameters"]:
        if parameter["in"] == "path":
            name = parameter["name"]
            value = "_all" if parameter == TARGET else given.pop(name)
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
    streams = "text/event-stream" in endpoint.success.get("content", {})
    verb = {"GET": [], "HEAD": ["--head"]}.get(endpoint.method, ["-X", endpoint.method])
    lines = [shlex.join(["curl", "-sSN" if streams else "-sS", *verb])]
    if endpoint.permission:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if "multipart/form-data" in endpoint.entry.get("requestBody", {}).get("content", {}):
        lines += [f"-F {shlex.quote(f'{name}={value}')}" for name, value in given.items()]
        lines.append("-F file=@FILE")
    elif given:
        lines.append(f"-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(given))}")
    return " \\\n  ".join([*lines, f'"$OSAPI{path}"'])


def _statuses(entry: Schema) -> str:
    found = []
    for status, response in entry["responses"].items():
        problem = response.get("$ref", "").rpartition("/")[2]
        text = f'<a href="#problems">{problem}</a>' if problem else _text(response["description"])
        found.append(f"<li><code>{status}</code> {text}")
    return "".join(found)


def _problems(whole: Schema) -> str:
    found = "".join(
        f"<li>{name}: {_text(response['description'])}"
        for name, response in whole["components"]["responses"].items()
    )
    fields = rows({"$ref": f"{REF}Problem"}, whole["components"]["schemas"])
    return f"<ul>{found}</ul>{_table('application/problem+json', fields)}"


def _table(title: str, found: Iterable[Row], about: str = "") -> str:
    lines = "".join(
        f"<tr><td><code>{escape(row.path)}</code>{'<sup>*</sup>' if row.required else ''}"
        f"<td>{escape(row.kind)}<td>{_text(row.description)}"
        for row in found
    )
    return f"<h4>{title}</h4>{_paragraphs(about)}<table>{lines}</table>" if lines else ""


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_text(paragraph)}</p>" for paragraph in text.split("\n\n") if paragraph)


def _text(text: str) -> str:
    """Escaped, with what is between backticks as code."""
    parts = escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
