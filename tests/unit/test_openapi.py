"""The OpenAPI document and the page made of it."""

import json
import re
from html.parser import HTMLParser

import pytest
from jsonschema import Draft202012Validator

from controller.docs_page import docs_page
from controller.openapi import document
from controller.schemas import kind, rows
from osapi.operation import catalogue

DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]
ENTRIES = [
    pytest.param(path, method, entry, id=entry["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, entry in methods.items()
]


def inside(value):
    """A value and all that is in it."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(inner)


def follow(reference):
    found = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_it_is_json():
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_it_has_the_members_that_openapi_3_1_asks_for():
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert re.fullmatch(r"\d+\.\d+\.\d+", DOCUMENT["info"]["version"])
    assert set(DOCUMENT["components"]) <= {"schemas", "responses", "securitySchemes"}


def test_every_reference_leads_somewhere():
    references = [value["$ref"] for value in inside(DOCUMENT) if isinstance(value, dict) and "$ref" in value]

    found = [follow(reference) for reference in references]

    assert found
    assert all(isinstance(target, dict) for target in found)


def test_every_component_is_referred_to():
    references = {value["$ref"] for value in inside(DOCUMENT) if isinstance(value, dict) and "$ref" in value}

    assert {f"#/components/schemas/{name}" for name in SCHEMAS} <= references


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_component_is_a_schema_with_a_plain_name(name):
    Draft202012Validator.check_schema(SCHEMAS[name])

    assert re.fullmatch(r"[A-Za-z0-9]+", name)


def test_every_declaration_is_in_it_once():
    names = [entry["operationId"] for methods in DOCUMENT["paths"].values() for entry in methods.values()]

    assert sorted(names) == sorted(catalogue())


@pytest.mark.parametrize(("path", "method", "entry"), ENTRIES)
def test_an_entry_is_whole(path, method, entry):
    in_path = {p["name"] for p in entry["parameters"] if p["in"] == "path"}

    assert method in {"get", "head", "put", "patch", "post", "delete"}
    assert in_path == set(re.findall(r"{(\w+)}", path))
    assert all(p["required"] for p in entry["parameters"] if p["in"] == "path")
    assert len({(p["name"], p["in"]) for p in entry["parameters"]}) == len(entry["parameters"])
    assert any(status.startswith("2") for status in entry["responses"])
    assert all("$ref" in response or response["description"] for response in entry["responses"].values())
    assert set(entry["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    for parameter in entry["parameters"]:
        Draft202012Validator.check_schema(parameter["schema"])


@pytest.mark.parametrize(("path", "method", "entry"), ENTRIES)
def test_an_example_is_what_the_schema_of_the_body_allows(path, method, entry):
    in_path = {p["name"] for p in entry["parameters"]}
    given = {name: value for name, value in entry.get("x-example", {}).items() if name not in in_path}

    if given:
        [content] = entry["requestBody"]["content"].items()
        given |= {"file": "anything"} if content[0] == "multipart/form-data" else {}
        schema = content[1]["schema"]
        whole = follow(schema["$ref"]) | {"components": DOCUMENT["components"]}
        Draft202012Validator(whole).validate(given)


def test_an_operation_shows_its_target_as_hostname_and_its_options():
    names = [p["name"] for p in DOCUMENT["paths"]["/api/node/{hostname}/timezone"]["put"]["parameters"]]

    assert names == ["hostname", "dry_run", "expires", "Prefer", "Idempotency-Key", "Osapi-Job-Id"]


def test_a_query_cannot_be_dry_run():
    names = [p["name"] for p in DOCUMENT["paths"]["/api/node/{hostname}/timezone"]["get"]["parameters"]]

    assert names == ["hostname", "expires", "Prefer", "Osapi-Job-Id"]


def test_an_item_has_the_fields_of_the_result_flat_beside_those_of_the_outcome():
    item = SCHEMAS["TimezoneGetItem"]

    assert list(item["properties"]) == [
        "hostname", "status", "changed", "timezone", "utc_offset", "error", "code", "plan",
    ]  # fmt: skip
    assert item["required"] == ["hostname", "status", "changed"]
    assert follow(item["properties"]["status"]["$ref"])["enum"] == ["failed", "ok", "skipped"]


def test_an_item_of_a_list_has_the_fields_of_one_entry():
    item, whole = SCHEMAS["SysctlListItem"], SCHEMAS["SysctlListResults"]

    assert list(item["properties"]) == [
        "hostname", "status", "changed", "key", "value", "kept", "error", "code", "plan",
    ]  # fmt: skip
    assert item["required"] == ["hostname", "status", "changed"]
    assert whole["properties"]["results"]["items"] == {"$ref": "#/components/schemas/SysctlListItem"}
    assert "each entry of each host" in whole["properties"]["results"]["description"]


def test_the_values_of_a_list_are_given_one_by_one_on_the_command_line():
    entry = DOCUMENT["paths"]["/api/node/{hostname}/ntp"]["post"]

    assert entry["x-example"] == {"servers": ["ntp.example.org"]}
    assert entry["x-command"] == "osapi client node ntp create --servers ntp.example.org"


def test_an_optional_field_is_not_required_and_never_null():
    page = SCHEMAS["JobPage"]

    assert page["properties"]["next_cursor"] == {"type": "string"}
    assert "next_cursor" not in page["required"]


def test_nothing_is_ever_null():
    assert {"type": "null"} not in list(inside(DOCUMENT))


def test_patterns_are_those_of_every_dialect():
    patterns = [
        value["pattern"] for value in inside(DOCUMENT) if isinstance(value, dict) and "pattern" in value
    ]

    assert patterns
    assert all(re.compile(pattern) and "(?!" not in pattern for pattern in patterns)


def test_public_endpoints_ask_for_no_token_and_all_others_for_a_permission():
    public = {
        entry["operationId"]
        for methods in DOCUMENT["paths"].values()
        for entry in methods.values()
        if not entry["security"]
    }

    assert public == {"health.liveness", "health.ready"}


def test_what_comes_empty_and_what_comes_as_a_stream():
    paths = DOCUMENT["paths"]

    assert paths["/api/job/{id}"]["delete"]["responses"]["204"] == {"description": "Done."}
    assert list(paths["/api/events"]["get"]["responses"]["200"]["content"]) == ["text/event-stream"]


def test_readiness_answers_in_its_own_words_when_it_is_not_ready():
    responses = DOCUMENT["paths"]["/api/health/ready"]["get"]["responses"]

    assert responses["503"]["content"] == responses["200"]["content"]


def test_problems_are_those_of_rfc_9457():
    problem = SCHEMAS["Problem"]

    assert {"type", "title", "status", "detail", "code", "error"} <= set(problem["required"])
    for response in DOCUMENT["components"]["responses"].values():
        assert list(response["content"]) == ["application/problem+json"]


def test_rows_name_every_field_by_its_path():
    found = {row.path: row for row in rows(SCHEMAS["NodeDiskResults"], SCHEMAS)}

    assert found["results[].disks[].total"].kind == "integer"
    assert found["results[].disks[].total"].required
    assert not found["results[].disks"].required


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer 1 to 9"),
        ({"type": "integer", "minimum": 1}, "integer from 1"),
        ({"type": "integer", "maximum": 9}, "integer to 9"),
        ({"enum": ["a", "b"]}, "a or b"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "map to string"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "boolean or null"),
        ({"type": "string", "format": "date-time"}, "date-time"),
        ({}, "anything"),
    ],
)
def test_a_type_in_words(schema, words):
    assert kind(schema, {}) == words


class Page(HTMLParser):
    """What a page holds: ids, where links lead, and what it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.fetched, self.words = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        self.fetched += [given[name] for name in ("src", "srcset") if name in given]
        self.fetched += [given["href"]] if tag == "link" else []

    def handle_data(self, data):
        self.words += data


PAGE = Page(docs_page())


def test_the_page_shows_every_declaration_and_every_link_leads_somewhere():
    assert set(catalogue()) <= set(PAGE.ids)
    assert len(set(PAGE.ids)) == len(PAGE.ids)
    assert all(link == "openapi.json" or link.removeprefix("#") in PAGE.ids for link in PAGE.links)


def test_the_page_fetches_nothing():
    assert PAGE.fetched == []
    assert not re.search(r"url\(|@import|fetch\(|(src|href|action)\s*=\s*.?https?://", docs_page())


def test_the_page_shows_how_to_ask_on_the_command_line_and_with_curl():
    assert "osapi client node timezone update --timezone Europe/Berlin" in PAGE.words
    assert '-d \'{"timezone": "Europe/Berlin"}\'' in PAGE.words
    assert '"$OSAPI/api/node/_all/process/4711/signal"' in PAGE.words
    assert '-d \'{"hostname": "web-01"}\' \\\n  "$OSAPI/api/node/_all/hostname"' in PAGE.words
    assert "curl -sSN" in PAGE.words
