"""What must hold of each declaration: one place, every surface."""

import re
import sys
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from controller import answers
from controller.context import HANDLERS
from controller.openapi import document
from osapi import wire
from osapi.operation import Call, Operation, calls, catalogue, operations, parameters
from osapi.permissions import known

EVERY = pytest.mark.parametrize("declaration", catalogue().values(), ids=catalogue())
EVERY_OPERATION = pytest.mark.parametrize("operation", operations().values(), ids=operations())
EVERY_CALL = pytest.mark.parametrize("call", calls().values(), ids=calls())

ROOT = Path(__file__).parents[2]

EXAMPLES = {
    entry["operationId"]: entry.get("x-example", {})
    for methods in document()["paths"].values()
    for entry in methods.values()
}


def test_there_is_a_catalogue():
    assert operations()
    assert calls()
    assert operations().keys() | calls().keys() == catalogue().keys()


def test_no_two_declarations_share_a_route():
    routes = [(d.spec.method, re.sub(r"{\w+}", "{}", d.spec.path)) for d in catalogue().values()]

    assert len(set(routes)) == len(routes)


@pytest.mark.parametrize("kind", [Operation, Call])
def test_no_two_declarations_share_a_command(kind):
    commands = [d.spec.command for d in catalogue().values() if issubclass(d, kind)]

    assert len(set(commands)) == len(commands)


@EVERY
def test_no_command_is_the_group_of_another(declaration):
    own = declaration.spec.command
    kind = Operation if issubclass(declaration, Operation) else Call

    longer = [d for d in catalogue().values() if issubclass(d, kind) and d.spec.command[: len(own)] == own]

    assert longer == [declaration]


@EVERY
def test_it_is_documented_in_sentences(declaration):
    spec = declaration.spec

    assert re.fullmatch(r"[A-Z][^\n]*\.", spec.summary, re.DOTALL)
    assert not spec.description or spec.description.endswith(".")
    assert (sys.modules[declaration.__module__].__doc__ or "").strip()


@EVERY
def test_its_permission_exists(declaration):
    permission = declaration.spec.permission

    assert permission == "" or permission in known()
    assert permission == "" or re.fullmatch(r"[a-z]+:(read|write|execute|admin)", permission)


@EVERY
def test_only_what_reads_is_open_or_for_readers(declaration):
    spec = declaration.spec

    assert not (spec.modifies and (not spec.permission or spec.permission.endswith(":read")))


@EVERY
def test_its_fields_in_the_path_are_parameters(declaration):
    names = {parameter.name for parameter in parameters(declaration)}

    assert declaration.spec.in_path <= names | {"target"}
    assert all(p.required for p in parameters(declaration) if p.name in declaration.spec.in_path)


@EVERY
def test_its_parameters_are_described(declaration):
    for parameter in parameters(declaration):
        assert parameter.description, parameter.name
        assert not parameter.description.endswith(".")
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", parameter.flag)


@EVERY
def test_no_two_parameters_share_a_flag(declaration):
    flags = [flag for each in parameters(declaration) for flag in (each.flag, each.off_flag) if flag]

    assert len(set(flags)) == len(flags)


@EVERY
def test_its_secrets_are_not_in_what_it_looks_like(declaration):
    example = EXAMPLES[declaration.spec.name]
    secrets = {parameter.name for parameter in parameters(declaration) if parameter.secret}

    looks = repr(wire.params(declaration, example))

    assert [name for name in secrets & example.keys() if str(example[name]) in looks] == []
    assert all(f"{name}=" in looks for name in example.keys() - secrets)


@EVERY
def test_its_parameters_leave_the_common_ones_alone(declaration):
    names = {parameter.name for parameter in parameters(declaration)}

    assert not names & {"dry_run", "expires", "target"}


@EVERY
def test_its_schemas_validate(declaration):
    kinds = [parameter.annotation for parameter in parameters(declaration)]

    found, components = msgspec.json.schema_components(kinds)

    for schema in [*found, *components.values()]:
        Draft202012Validator.check_schema(schema)


@EVERY
def test_its_example_decodes_and_travels_back(declaration):
    example = EXAMPLES[declaration.spec.name]

    decoded = wire.params(declaration, example)

    assert wire.given(decoded).items() >= example.items()
    assert wire.params(declaration, wire.given(decoded)) == decoded


@EVERY
def test_it_refuses_what_it_does_not_know(declaration):
    with pytest.raises(wire.BadInput, match="unknown field `nonsense`"):
        wire.params(declaration, {**EXAMPLES[declaration.spec.name], "nonsense": 1})


@EVERY_OPERATION
def test_what_hosts_answer_has_fields(operation):
    info = msgspec.inspect.type_info(operation.spec.item)

    assert isinstance(info, msgspec.inspect.DataclassType | msgspec.inspect.StructType)
    assert info.fields


@EVERY_OPERATION
def test_what_only_reads_can_be_repeated(operation):
    assert operation.spec.modifies or operation.spec.repeatable


@EVERY_CALL
def test_a_call_is_answered_by_the_module_of_its_name(call):
    answers.load()

    assert HANDLERS[call].__module__ == call.__module__.replace("osapi.calls", "controller.answers")


@EVERY_OPERATION
def test_an_operation_has_a_test_and_a_page_of_its_name(operation):
    name = operation.__module__.removeprefix("osapi.operations.").replace(".", "/")
    folder, _, module = f"/{name}".rpartition("/")

    assert (ROOT / f"tests/providers{folder}/test_{module}.py").exists()
    assert (ROOT / f"docs/reference/operations/{name.replace('_', '-')}.md").exists()


def test_results_have_names_of_their_own():
    returned = {d.spec.item for d in catalogue().values()}

    assert len({kind.__name__ for kind in returned}) == len(returned)
