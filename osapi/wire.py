"""Bytes to values and back; the one place input is checked.

An answer travels flat: `{"hostname", "status", "changed", "error"?, "code"?, "plan"?}` and beside them the
fields of the result. A result that has a `status` of its own has it in the place of `ok`. A result that is a list
travels as one item for each entry, and an empty one as one item that has no fields but those of the outcome.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cache
from itertools import groupby
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import attrs
import msgspec

from osapi.errors import BadInput, Unsupported
from osapi.operation import Declaration, Operation, Parameter, annotations, parameters
from osapi.results import Outcome, Results, Status

D = TypeVar("D", bound=Declaration[Any])
T = TypeVar("T")

DEEPEST = 100
"""Far beyond anything of ours, and far below where Python gives up."""
TOO_DEEP = f"lists and objects lie more than {DEEPEST} deep in each other"

FACT = "@fact."
OUTER = frozenset(field.name for field in attrs.fields(Outcome)) - {"result"}


class UnknownField(BadInput):
    """A member that a declaration does not have; of what another version wrote, one that it has there."""


def params(
    declaration: type[D], given: Mapping[str, Any], *, text: bool = False, resolved: bool = False
) -> D:
    """Checked parameters of a declaration.

    Unknown names are refused, nested ones too. `text=True` reads strings as what they stand for, as a
    query or a path has nothing else. A string that refers to a fact, where it is not literal, is checked only
    once the agent has put the fact in its place: then all is `resolved`, whatever it looks like.
    """
    _known_only(declaration, given, "")
    try:
        resolved = resolved or not issubclass(declaration, Operation)  # the controller puts in no facts
        if not resolved and (referring := _referring(declaration, given)):
            return _with_references(declaration, given, referring, text=text)
        return convert(declaration, given, text=text)
    except BadInput as error:
        raise _in_words(declaration, error, given) from None


def parameter(declaration: type[Declaration[Any]], name: str, given: str) -> Any:
    """One checked parameter of a declaration, from what stands for it in a path."""
    kind = annotations(declaration)[name]
    if issubclass(declaration, Operation) and refers(given):
        kind = _bare(kind)
    try:
        return convert(kind, given, text=True, field=name)
    except BadInput as error:
        raise _in_words(declaration, error, {name: given}) from None


def convert(kind: type[T], given: Any, *, text: bool = False, field: str = "") -> T:
    """A value of `kind` from plain lists, dicts, strings and numbers; `BadInput` names what is wrong."""
    try:
        return msgspec.convert(given, kind, strict=not text)
    except msgspec.ValidationError as error:
        raise _bad_input(str(error), field) from None


def decode(kind: type[T], data: bytes | str | msgspec.Raw) -> T:
    """A value of `kind` from JSON; `BadInput` also where lists and objects lie deeper in each other than DEEPEST."""
    raw = data.encode() if isinstance(data, str) else bytes(data)
    try:
        if raw.count(b"[") + raw.count(b"{") > DEEPEST:
            _refuse_deep(msgspec.json.decode(raw))
        return msgspec.json.decode(raw, type=kind)
    except RecursionError:
        raise BadInput(TOO_DEEP) from None
    except msgspec.ValidationError as error:
        raise _bad_input(str(error), "") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"not JSON: {error}") from None


def _refuse_deep(value: Any) -> None:
    """Look at one level after the other: what is too deep for us is too deep for recursion."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise BadInput(TOO_DEEP)


def encode(value: object) -> bytes:
    """A value as JSON."""
    return msgspec.json.encode(value)


def plain(value: object) -> Any:
    """A value as the dicts, lists, strings and numbers that JSON has; what is None is left out."""
    return _present(msgspec.to_builtins(value))


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_present(inner) for inner in value]
    return value


def given(declaration: Declaration[Any]) -> dict[str, Any]:
    """The parameters of a declaration as they travel; those left at a default of None are left out."""
    found: dict[str, Any] = plain(
        {name: getattr(declaration, name) for name in annotations(type(declaration))}
    )
    return found


def flatten(outcome: Outcome[Any]) -> dict[str, Any]:
    """An outcome as it travels; a `status` of the result stands in the place of `ok`."""
    found = {name: getattr(outcome, name) for name in OUTER}
    item: dict[str, Any] = {
        "hostname": outcome.hostname,
        "status": outcome.status.value,
        "changed": outcome.changed,
        **{name: plain(value) for name, value in found.items() if value is not None},
    }
    if outcome.result is not None:
        item |= plain(outcome.result)
    return item


def status(item: Mapping[str, Any]) -> Status:
    """How it went on a host. What is neither failed nor skipped, and has no error, went well, whatever it says."""
    said = item.get("status")
    if said in (Status.FAILED, Status.SKIPPED):
        return Status(said)
    if item.get("error") is None:
        return Status.OK
    return Status.SKIPPED if item.get("code") == Unsupported.code else Status.FAILED


def results(declaration: type[Declaration[Any]], data: bytes) -> Results[Any]:
    """The answer of a job, decoded into the declared result."""
    body, returns = decode(dict[str, Any], data), declaration.spec.returns
    items = body.get("results") or ()
    return Results(
        job_id=body.get("job_id", ""),
        results=[_unflatten(returns, item) for item in (gathered(items) if is_list(returns) else items)],
    )


def is_list(returns: Any) -> bool:
    """Whether a result is a list, of which each entry is an item of the answer."""
    return get_origin(returns) is list


def gathered(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items of a result that is a list, those of one host as one, which has them as `entries`.

    They stand one after the other, and differ in nothing but their entries.
    """
    return [
        {name: value for name, value in item.items() if name in OUTER}
        | {"entries": [each for each in (item, *more) if each.keys() - OUTER]}
        for item, *more in (list(group) for _, group in groupby(items, _host))
    ]


def _host(item: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the items of one host have in common; two hosts may have the same name."""
    return item.get("hostname"), status(item), item.get("error")


def _unflatten(returns: Any, item: dict[str, Any]) -> Outcome[Any]:
    outer = {name: item[name] for name in OUTER if name in item}
    outcome: Outcome[Any] = convert(Outcome, outer | {"status": status(item)})
    if outcome.status is not Status.OK or returns is type(None):
        return outcome
    return attrs.evolve(outcome, result=convert(returns, item["entries"] if is_list(returns) else item))


def refers(value: Any) -> bool:
    """Whether a value holds a reference to a fact, however deep."""
    if isinstance(value, str):
        return FACT in value
    if isinstance(value, Mapping):
        return any(map(refers, value.values()))
    return isinstance(value, list | tuple) and any(map(refers, value))


def _referring(declaration: type[Declaration[Any]], given: Mapping[str, Any]) -> set[str]:
    """The parameters that refer to facts; what is literal never does."""
    found = {name for name, value in given.items() if refers(value)}
    return found and found - {parameter.name for parameter in parameters(declaration) if parameter.literal}


def _with_references(
    declaration: type[D], given: Mapping[str, Any], referring: Container[str], *, text: bool
) -> D:
    for parameter in parameters(declaration):
        if parameter.required and parameter.name not in given:
            raise BadInput(f"missing field `{parameter.name}`", parameter.name)
    fields = annotations(declaration)
    checked: dict[str, Any] = {
        name: convert(
            _bare(fields[name]) if name in referring else fields[name], value, text=text, field=name
        )
        for name, value in given.items()
    }
    return declaration(**checked)


@cache
def _bare(annotation: Any) -> Any:
    """A type without its constraints: what a value must be before facts are put in."""
    if hasattr(annotation, "__metadata__"):
        return _bare(annotation.__origin__)
    if arguments := get_args(annotation):
        bare = tuple(_bare(argument) for argument in arguments)
        if get_origin(annotation) in {Union, UnionType}:
            return Union[bare]  # noqa: UP007 - of a tuple
        return get_origin(annotation)[bare]
    return annotation


def _known_only(kind: Any, value: Any, path: str) -> None:
    """Refuse members that an attrs class does not have: msgspec would pass over them."""
    for inside in _inside(kind, value, path):
        _known_only(*inside)


def _inside(kind: Any, value: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    """What is in a value, each with its type and where it is."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield arguments[0], value, path
    elif origin in {Union, UnionType}:
        yield from ((argument, value, path) for argument in arguments)
    elif origin is list and isinstance(value, list):
        yield from ((arguments[0], inner, f"{path.rstrip('.')}[{i}].") for i, inner in enumerate(value))
    elif origin is dict and isinstance(value, Mapping):
        yield from ((arguments[1], inner, f"{path}{name}.") for name, inner in value.items())
    elif isinstance(value, Mapping) and attrs.has(kind):
        yield from ((_field(kind, name, path), inner, f"{path}{name}.") for name, inner in value.items())


def _field(kind: type[Any], name: str, path: str) -> Any:
    """The type of a field; `BadInput` where there is no such field."""
    known = annotations(kind)
    if name not in known:
        allowed = ", ".join(known) or "none"
        raise UnknownField(f"unknown field `{path}{name}`; allowed: {allowed}", f"{path}{name}")
    return known[name]


MOST_TOLD = 60
"""Characters of a value that an error repeats."""


def _bad_input(message: str, field: str) -> BadInput:
    reason, _, where = message.partition(" - at `$")
    within = "" if where.startswith("[...]") else where.rstrip("`")  # a member, of which msgspec has no name
    name = (field + within).lstrip(".")
    if not name and "missing required field" in reason:
        name = reason.split("`")[1]
    return BadInput(f"{name}: {reason}" if name else reason, name or None)


def _in_words(declaration: type[Declaration[Any]], error: BadInput, given: Mapping[str, Any]) -> BadInput:
    """The same, with the value, and what the declaration says of the field in place of a regular expression."""
    root = re.split(r"[.\[]", error.field or "")[0]
    if "matching regex" in str(error):
        for parameter in parameters(declaration):
            if parameter.name == root:
                value = given.get(root)
                shown = f"{value!r} is " if isinstance(value, str) and _tellable(parameter, value) else ""
                return BadInput(
                    f"{error.field}: {shown}not allowed; expected: {parameter.description}", error.field
                )
    return error


def _tellable(parameter: Parameter, value: str) -> bool:
    """Whether a message may have a value in it: no secret, and no page of text."""
    return not parameter.secret and len(value) <= MOST_TOLD
