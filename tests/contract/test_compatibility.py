"""Our document beside the contract of existing clients: nothing may be missing or narrower.

No operation is missing. `narrower.txt` lists what takes less than it did, on purpose: the difference in words, below
the reason for it. It only ever shrinks: a line that no longer holds fails as well.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.openapi import document

HERE = Path(__file__).parent
CONTRACT = json.loads((HERE / "contract.json").read_text())
NARROWER = [line for line in (HERE / "narrower.txt").read_text().splitlines() if line and line[0] != "#"]

Schema = dict[str, Any]


def differences(theirs: Schema, ours: Schema) -> Iterator[str]:
    """What our document lacks of theirs, a line each."""
    for path, methods in theirs["paths"].items():
        for method, entry in methods.items():
            name = f"{method.upper()} {path}"
            mine = ours["paths"].get(path, {}).get(method)
            if mine is None:
                yield name
                continue
            for difference in Comparison(theirs, ours).operation(entry, mine):
                yield f"{name}: {difference}"


class Comparison:
    """Two documents, and what one operation lacks; each method yields differences in words."""

    def __init__(self, theirs: Schema, ours: Schema) -> None:
        self.theirs, self.ours = theirs, ours

    def operation(self, theirs: Schema, ours: Schema) -> Iterator[str]:
        if "security" in theirs:
            for permission in permissions(ours) - permissions(theirs):
                yield f"needs {permission}"
        yield from self.parameters(theirs, ours)
        if "requestBody" in theirs:
            yield from self.body(theirs["requestBody"], ours.get("requestBody"))
        for status, response in theirs["responses"].items():
            if status.startswith("2"):
                yield from self.success(status, response, ours["responses"].get(status))

    def parameters(self, theirs: Schema, ours: Schema) -> Iterator[str]:
        asked = {(p["name"], p["in"]): p for p in map(self.in_theirs, theirs.get("parameters", ()))}
        taken = {(p["name"], p["in"]): p for p in map(self.in_ours, ours.get("parameters", ()))}
        for (name, where), parameter in asked.items():
            mine = taken.get((name, where))
            if mine is None:
                yield f"{where} parameter {name} is missing"
                continue
            if mine["required"] and not parameter["required"]:
                yield f"{where} parameter {name} is required"
            yield from self.takes(parameter["schema"], mine["schema"], f"{where} parameter {name}")
        for name, where in taken.keys() - asked.keys():
            if taken[name, where]["required"]:
                yield f"{where} parameter {name} is required and new"

    def body(self, theirs: Schema, ours: Schema | None) -> Iterator[str]:
        if ours is None:
            yield "the body is missing"
            return
        if ours["required"] and not theirs["required"]:
            yield "the body is required"
        for kind, content in theirs["content"].items():
            if kind not in ours["content"]:
                yield f"a body of {kind} is missing"
            else:
                yield from self.takes(content["schema"], ours["content"][kind]["schema"], "body")

    def takes(self, theirs: Schema, ours: Schema, where: str) -> Iterator[str]:
        """What they may send and we do not take."""
        theirs, ours = self.in_theirs(theirs), self.in_ours(ours)
        sent, taken = kinds(theirs), kinds(ours)
        if not sent <= taken and not (sent == {"integer"} and "number" in taken):
            yield f"{where} takes {words(taken)}, not {words(sent)}"
            return
        if "enum" in ours and not set(theirs.get("enum", ["anything"])) <= set(ours["enum"]):
            yield f"{where} takes less than {theirs.get('enum', 'any text')}"
        if ours.get("minimum", float("-inf")) > theirs.get("minimum", float("-inf")):
            yield f"{where} begins at {ours['minimum']}"
        if ours.get("maximum", float("inf")) < theirs.get("maximum", float("inf")):
            yield f"{where} ends at {ours['maximum']}"
        for name in set(ours.get("required", ())) - set(theirs.get("required", ())):
            yield f"{where}.{name} is required"
        for name, field in theirs.get("properties", {}).items():
            if name in ours.get("properties", {}):
                yield from self.takes(field, ours["properties"][name], f"{where}.{name}")
            else:
                yield f"{where}.{name} is missing"
        if "items" in theirs:
            yield from self.takes(theirs["items"], ours["items"], f"{where}[]")

    def success(self, status: str, theirs: Schema, ours: Schema | None) -> Iterator[str]:
        if ours is None:
            yield f"{status} is missing"
            return
        for kind, content in theirs.get("content", {}).items():
            if kind not in ours.get("content", {}):
                yield f"{status} as {kind} is missing"
            else:
                yield from self.gives(content["schema"], ours["content"][kind]["schema"], status)

    def gives(self, theirs: Schema, ours: Schema, where: str) -> Iterator[str]:
        """What they expect and we do not answer."""
        theirs, ours = self.in_theirs(theirs), self.in_ours(ours)
        expected, given = kinds(theirs), kinds(ours)
        if not given <= expected | ({"integer"} if "number" in expected else set()):
            yield f"{where} is {words(given)}, not {words(expected)}"
            return
        if theirs.get("format") == "date-time" != ours.get("format"):
            yield f"{where} is no date-time"
        for name, field in theirs.get("properties", {}).items():
            if name not in ours.get("properties", {}):
                yield f"{where}.{name} is missing"
                continue
            mine = ours["properties"][name]
            if name in theirs.get("required", ()) and name not in ours.get("required", ()) and not sent(mine):
                yield f"{where}.{name} may be left out"
            yield from self.gives(field, mine, f"{where}.{name}")
        if "items" in theirs:
            yield from self.gives(theirs["items"], ours["items"], f"{where}[]")
        if isinstance(values := theirs.get("additionalProperties"), dict):
            yield from self.gives(values, ours.get("additionalProperties") or {}, f"{where}.*")

    def in_theirs(self, schema: Schema) -> Schema:
        return resolved(schema, self.theirs)

    def in_ours(self, schema: Schema) -> Schema:
        return resolved(schema, self.ours)


def sent(field: Schema) -> bool:
    """Whether it is always there, though its type does not require it: a default is sent as well."""
    return field.get("default") is not None


def permissions(entry: Schema) -> set[str]:
    return {permission for scheme in entry["security"] for names in scheme.values() for permission in names}


ANYTHING = {"string", "integer", "number", "boolean", "object", "array", "null"}


def kinds(schema: Schema) -> set[str]:
    """The JSON types that a schema allows."""
    if "anyOf" in schema:
        return set().union(*map(kinds, schema["anyOf"]))
    found = {schema["type"]} if "type" in schema else {"string"} if "enum" in schema else ANYTHING
    return found | {"null"} if schema.get("nullable") else found


def words(found: set[str]) -> str:
    return "anything" if found == ANYTHING else " or ".join(sorted(found))


def resolved(schema: Schema, whole: Schema) -> Schema:
    while "$ref" in schema:
        found = whole
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def test_nothing_is_missing_and_nothing_is_narrower_but_what_is_listed():
    found = set(differences(CONTRACT, document()))

    unexpected = sorted(found - set(NARROWER))

    assert not unexpected, "existing clients would miss:\n" + "\n".join(unexpected)


def test_what_is_listed_is_still_narrower():
    found = set(differences(CONTRACT, document()))

    stale = sorted(set(NARROWER) - found)

    assert not stale, "take these out of narrower.txt:\n" + "\n".join(stale)


def test_the_list_says_nothing_twice():
    assert len(set(NARROWER)) == len(NARROWER)


def test_no_operation_is_left_out():
    assert not [line for line in NARROWER if ": " not in line]


def test_the_contract_lacks_nothing_of_itself():
    assert list(differences(CONTRACT, CONTRACT)) == []


PATH = "/api/job"


@pytest.mark.parametrize(
    ("where", "value", "difference"),
    [
        (("get", "parameters", 1, "schema", "minimum"), 5, "query parameter limit begins at 5"),
        (("get", "parameters", 1, "schema", "maximum"), 50, "query parameter limit ends at 50"),
        (
            ("get", "parameters", 1, "schema", "type"),
            "string",
            "query parameter limit takes string, not integer",
        ),
        (("get", "parameters", 1, "required"), True, "query parameter limit is required"),
        (("get", "parameters", 1, "name"), "most", "query parameter limit is missing"),
        (("get", "responses"), {"202": {}}, "200 is missing"),
    ],
)
def test_what_is_narrower_is_found(where, value, difference):
    narrower = json.loads(json.dumps(CONTRACT))
    place = narrower["paths"][PATH]
    for step in where[:-1]:
        place = place[step]

    place[where[-1]] = value

    assert list(differences(CONTRACT, narrower)) == [f"GET {PATH}: {difference}"]


def test_a_field_that_is_gone_or_of_another_type_is_found():
    narrower = json.loads(json.dumps(CONTRACT))
    fields = narrower["components"]["schemas"]["JobDetailResponse"]["properties"]

    del fields["error"]
    fields["hostname"] = {"type": "integer"}

    assert {
        "GET /api/job/{id}: 200.error is missing",
        "GET /api/job/{id}: 200.hostname is integer, not string",
    } <= set(differences(CONTRACT, narrower))


def test_a_choice_that_is_gone_is_found():
    narrower = json.loads(json.dumps(CONTRACT))
    narrower["components"]["schemas"]["ProcessSignalRequest"]["properties"]["signal"]["enum"].remove("HUP")

    [found] = differences(CONTRACT, narrower)

    assert "body.signal takes less than" in found
