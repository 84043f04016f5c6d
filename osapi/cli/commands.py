"""A command read off a declaration: its options, its help, and an example."""

import csv
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

import asyncclick as click
import msgspec
from msgspec import inspect

from osapi import wire
from osapi.cli import session
from osapi.errors import BadInput
from osapi.operation import Declaration, Operation, Parameter, parameters
from osapi.results import EventStream

OPERATION = (
    session.kept(
        "--wait", to="wait", type=session.Duration(), help="Wait that long for the hosts, such as 2m."
    ),
    session.kept(
        "--detach", to="detach", stands_for=True, help="Do not wait; print how to follow the job instead."
    ),
    session.kept(
        "--expires",
        to="expires",
        type=session.Duration(),
        help="Queue it for hosts that are away, for that long.",
    ),
    session.kept(
        "--idempotency-key",
        to="idempotency_key",
        help="One key stands for one job, however often it is sent.",
    ),
)
MODIFY = (
    session.kept("--dry-run", to="dry_run", stands_for=True, help="Show what would be done, and do nothing."),
)
READ = (
    session.kept(
        "--watch",
        to="watch",
        type=session.Duration(),
        is_flag=False,
        flag_value="2",
        metavar="[SECONDS]",
        help="Ask again every 2 seconds, or as often as you say.",
    ),
)
OUTPUT = (
    session.kept("--stdout", to="stdout", stands_for=True, help="Print the standard output of the hosts."),
    session.kept("--stderr", to="stderr", stands_for=True, help="Print the standard error of the hosts."),
)


class Asking(click.Command):
    """A command whose help tells its own options from those that many have."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [param for param in self.params if param.expose_value]
        common = [param for param in self.get_params(ctx) if param not in own]
        for title, found in (("Options", own), ("Common options", common)):
            if found:
                with formatter.section(title):
                    formatter.write_dl(list(filter(None, (param.get_help_record(ctx) for param in found))))


def command(declared: type[Declaration[Any]]) -> click.Command:
    """The command that asks for what is declared."""
    spec = declared.spec

    @click.pass_obj
    async def callback(said: session.Session, /, **given: Any) -> int:
        from osapi.cli.ask import ask

        return await ask(asked(declared, given), said)

    return session.share(
        Asking(
            spec.command[-1],
            params=[option(parameter) for parameter in parameters(declared)],
            callback=callback,
            help=f"{spec.summary}\n\n{spec.description}",
            epilog=f"\b\nExample:\n  {example(declared)}",
        ),
        _options(declared),
    )


def asked(declared: type[Declaration[Any]], given: dict[str, Any]) -> Declaration[Any]:
    """What the options of a command ask for; errors name the option."""
    flags = {parameter.name: f"--{parameter.flag}" for parameter in parameters(declared)}
    try:
        found = {
            parameter.name: _value(parameter, given[parameter.name])
            for parameter in parameters(declared)
            if given[parameter.name] not in (None, ())
        }
        return wire.params(declared, found)
    except BadInput as error:
        root = re.split(r"[.\[]", error.field or "")[0]
        told, flag = str(error), flags.get(root, root)
        told = f"{flag}{told.removeprefix(root)}" if told.startswith(root) else f"{flag}: {told}"
        raise BadInput(told, error.field) from None


def option(parameter: Parameter) -> click.Option:
    """The option that a parameter is given by."""
    kind, flag = bare(parameter.type), f"--{parameter.flag}"
    settings: dict[str, Any] = {"type": _type(kind)}
    if isinstance(kind, inspect.BoolType):
        settings |= {"is_flag": False, "flag_value": "true", "metavar": "[true|false]"}
    if isinstance(kind, inspect.ListType):
        settings |= {"type": _type(bare(kind.item_type)), "multiple": True}
    if isinstance(kind, inspect.DictType):
        settings |= {"multiple": True, "metavar": "KEY=VALUE"}
    return click.Option(
        [flag, parameter.name], required=parameter.required, help=_help(parameter, kind), **settings
    )


def bare(kind: inspect.Type) -> inspect.Type:
    """A type without its constraints, and without None."""
    if isinstance(kind, inspect.Metadata):
        return bare(kind.type)
    if isinstance(kind, inspect.UnionType):
        some = [inner for inner in kind.types if not isinstance(inner, inspect.NoneType)]
        return bare(some[0]) if len(some) == 1 else kind
    return kind


def example(declared: type[Declaration[Any]]) -> str:
    """A command line that asks for what is declared, with what must be given."""
    words = ["osapi", "client", *declared.spec.command]
    if issubclass(declared, Operation):
        words = ["osapi", "client", "node", *declared.spec.command, "--target", "web-01"]
    for parameter in parameters(declared):
        if parameter.required:
            words += [f"--{parameter.flag}", shlex.quote(str(_sample(parameter.annotation)))]
    return " ".join(words)


def _options(declared: type[Declaration[Any]]) -> Iterator[click.Option]:
    returns = declared.spec.returns
    if issubclass(declared, Operation):
        yield from OPERATION
        if declared.spec.modifies:
            yield from MODIFY
    if not declared.spec.modifies and returns is not EventStream:
        yield from READ
    if {"stdout", "stderr", "exit_code"} <= set(getattr(returns, "__annotations__", ())):
        yield from OUTPUT


def _type(kind: inspect.Type) -> click.ParamType[Any]:
    if isinstance(kind, inspect.LiteralType):
        return click.Choice([str(value) for value in kind.values])
    if isinstance(kind, inspect.BoolType):
        return click.BOOL
    if isinstance(kind, inspect.IntType):
        return click.INT
    return click.FLOAT if isinstance(kind, inspect.FloatType) else click.STRING


def _help(parameter: Parameter, kind: inspect.Type) -> str:
    text = parameter.description
    if isinstance(kind, inspect.ListType):
        text += " (repeat it, or separate by commas)"
    if parameter.default not in (None, [], {}, False):
        text += f" (default: {str(parameter.default).lower()})"
    return text


def _value(parameter: Parameter, given: Any) -> Any:
    """The value that an option's text stands for; nested ones are given as JSON."""
    kind = bare(parameter.type)
    if isinstance(kind, inspect.DictType):
        return dict(_pair(parameter, text) for text in given)
    if isinstance(kind, inspect.ListType) and not _is_scalar(bare(kind.item_type)):
        return [_json(parameter, text) for text in given]
    if isinstance(kind, inspect.ListType):
        return list(_items(parameter, given))
    return given if _is_scalar(kind) else _json(parameter, given)


def _is_scalar(kind: inspect.Type) -> bool:
    return not isinstance(
        kind, inspect.DataclassType | inspect.StructType | inspect.ListType | inspect.DictType
    )


def _items(parameter: Parameter, given: Iterable[Any]) -> Iterator[Any]:
    """The values of an option that is repeated or separated by commas; double quotes keep a comma."""
    for value in given:
        if not isinstance(value, str) or "," not in value:
            yield value
            continue
        try:
            yield from next(csv.reader([value]))
        except csv.Error:
            reason = "is no list: put items with commas or line breaks into double quotes"
            raise BadInput(f"{parameter.name}: {value!r:.80} {reason}", parameter.name) from None


def _pair(parameter: Parameter, text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise BadInput(f"{parameter.name}: {text!r} is not KEY=VALUE", parameter.name)
    return key, value


def _json(parameter: Parameter, text: str) -> Any:
    try:
        return wire.decode(Any, text)
    except BadInput as error:
        raise BadInput(f"{parameter.name}: {error}", parameter.name) from None


def _sample(annotation: Any) -> Any:
    schema = msgspec.json.schema(annotation)
    schema = schema.get("items", schema)
    return next(iter(schema.get("examples") or schema.get("enum") or [schema.get("minimum", "VALUE")]))
