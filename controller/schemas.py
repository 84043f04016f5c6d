"""JSON Schema of what travels, read off the declarations' types, and what it says in words.

Optional fields are left out on the wire rather than sent as null, so here they are fields that are not
required.
"""

from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from typing import Any

import attrs
import msgspec

from osapi.operation import Declaration, annotations, parameters
from osapi.results import Outcome

Schema = dict[str, Any]

REF = "#/components/schemas/"


@attrs.frozen
class Shapes:
    """The schemas of one declaration: of its parameters by name, and of its result."""

    parameters: dict[str, Schema]
    returns: Schema


@attrs.frozen
class Schemas:
    """Those of every declaration, those of an outcome's own fields, and all that they refer to."""

    shapes: dict[str, Shapes]
    outcome: dict[str, Schema]
    components: dict[str, Schema]


def read(declared: Sequence[type[Declaration[Any]]], also: Sequence[type[Any]] = ()) -> Schemas:
    """The schemas of declarations, by the names of these, and among the components those of other types."""
    outcome = {name: kind for name, kind in annotations(Outcome).items() if name != "result"}
    kinds = [
        kind
        for declaration in declared
        for kind in (_json(declaration.spec.item), *(p.annotation for p in parameters(declaration)))
    ]
    found, components = msgspec.json.schema_components(
        [*kinds, *outcome.values(), *also], ref_template=f"{REF}{{name}}"
    )
    following = map(_tidy, found)
    shapes = {}
    for declaration in declared:
        returns = next(following)
        fields = {p.name: next(following) for p in parameters(declaration)}
        shapes[declaration.spec.name] = Shapes(fields, returns)
    return Schemas(
        shapes=shapes,
        outcome={name: next(following) for name in outcome},
        components={name: _tidy(schema) for name, schema in components.items()},
    )


def _json(returns: Any) -> Any:
    """The type of a JSON body; none where the answer is empty or a stream."""
    return returns if attrs.has(returns) else Any


def _tidy(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidy(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found: Schema = {
        key: {name: _tidy(field) for name, field in value.items()} if key == "properties" else _tidy(value)
        for key, value in schema.items()
        if key != "title" and not (key == "default" and value is None)
    }
    if "pattern" in found:
        found["pattern"] = found["pattern"].removesuffix(r"(?!\n)")
    if "description" in found:
        found["description"] = cleandoc(found["description"])
    return _without_null(found)


def _without_null(schema: Schema) -> Schema:
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**choices[0]} | {key: value for key, value in schema.items() if key != "anyOf"}


def referred(value: Any) -> Iterator[str]:
    """The names of the components that a value refers to, itself and not through others."""
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str) and reference.startswith(REF):
            yield reference.removeprefix(REF)
        for inner in value.values():
            yield from referred(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from referred(inner)


def used(value: Any, components: Mapping[str, Schema]) -> dict[str, Schema]:
    """The components that a value refers to, directly or through others, sorted by name."""
    found: set[str] = set()
    open_ends = set(referred(value))
    while open_ends:
        name = open_ends.pop()
        found.add(name)
        open_ends |= set(referred(components[name])) - found
    return {name: components[name] for name in sorted(found)}


@attrs.frozen
class Row:
    """A field in words; `path` such as `results[].disks[].name`."""

    path: str
    kind: str
    required: bool
    description: str


def rows(schema: Schema, components: Mapping[str, Schema], path: str = "") -> Iterator[Row]:
    """The fields of a schema and of all that is in it, outermost first."""
    schema = resolved(schema, components)
    if items := schema.get("items"):
        yield from rows(items, components, f"{path}[]")
    elif isinstance(inner := schema.get("additionalProperties"), dict):
        yield from rows(inner, components, f"{path}.*")
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield Row(here, kind(field, components), name in schema.get("required", ()), description(field))
        yield from rows(field, components, here)


def resolved(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    """A schema, or the one it refers to."""
    return components[schema["$ref"].removeprefix(REF)] if "$ref" in schema else schema


def description(schema: Schema) -> str:
    """What a field means, and what it is where it is not given."""
    words = str(schema.get("description", ""))
    return f"{words} (default: {schema['default']})".lstrip() if schema.get("default") else words


def kind(schema: Schema, components: Mapping[str, Schema]) -> str:
    """What a value may be, such as `integer 1 to 300` or `list of string`."""
    schema = resolved(schema, components)
    if choices := schema.get("enum"):
        return " or ".join(map(str, choices))
    if choices := schema.get("anyOf"):
        return " or ".join(kind(choice, components) for choice in choices)
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'], components)}"
    if isinstance(inner := schema.get("additionalProperties"), dict):
        return f"map to {kind(inner, components)}"
    return " ".join([str(schema.get("format", schema.get("type", "anything"))), *_bounds(schema)])


def _bounds(schema: Schema) -> Iterator[str]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        yield f"{least} to {most}"
    elif least is not None:
        yield f"from {least}"
    elif most is not None:
        yield f"to {most}"


def example(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """A value that the schema allows: its own example, its default, or the least there is."""
    schema = resolved(schema, components)
    if examples := schema.get("examples"):
        return examples[0]
    if schema.get("default") not in (None, []):
        return schema["default"]
    if choices := schema.get("enum"):
        return choices[0]
    if schema.get("type") == "array":
        return [example(schema["items"], components)]
    if schema.get("type") == "object":
        needed = schema.get("required", ())
        return {name: example(schema["properties"][name], components) for name in needed}
    return {"integer": schema.get("minimum", 0), "boolean": True, "number": 0.0}.get(
        schema.get("type", ""), "text"
    )
