"""A command read off a declaration: its options, its help, and an example."""

import csv
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import asyncclick as click
import attrs
import msgspec
from msgspec import inspect

from osapi import wire
from osapi.cli import hidden, session
from osapi.errors import BadInput
from osapi.operation import Declaration, Operation, Parameter, annotations, parameters
from osapi.results import Download, EventStream

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

DRAIN = (
    session.kept(
        "--wait",
        to="wait",
        type=session.Duration(),
        help="Wait until no job runs there any more, at most so long, such as 10m.",
    ),
)

UPLOAD = click.Option(
    ["--file", "source"],
    type=click.Path(),
    metavar="FILE",
    help="File to upload; - is standard input (or the argument FILE).",
)
DOWNLOAD = (
    click.Option(
        ["--to", "target"],
        type=click.Path(),
        metavar="FILE",
        help="Where to write it, - is standard output; under its own name in the current folder, unless told.",
    ),
    click.Option(["--force"], is_flag=True, help="Replace a file there that has other content."),
)


@attrs.frozen
class Place:
    """An option that may be given without its name, as an argument, too; `needed` is whether it must be given."""

    name: str
    flag: str
    needed: bool

    @property
    def metavar(self) -> str:
        return self.flag.upper() if self.needed else f"[{self.flag.upper()}]"


FILE = Place("source", "file", needed=True)

ARGUMENTS = "arguments"
"""What stands without the name of an option, until it is in its place."""


class Asking(click.Command):
    """A command whose help tells its own options from those that many have; arguments stand for some of its own."""

    def __init__(
        self, name: str, *, params: Sequence[click.Parameter], places: Sequence[Place], **settings: Any
    ) -> None:
        self.places = places
        if places:
            metavar = " ".join(place.metavar for place in places)
            kinds = {param.name: param.type for param in params}
            loose = click.Argument([ARGUMENTS], nargs=-1, metavar=metavar, type=kinds[places[0].name])
            params = [*params, loose]
        super().__init__(name, params=list(params), **settings)

    async def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = await super().parse_args(ctx, args)
        given = list(ctx.params.pop(ARGUMENTS, None) or ())
        free = [place for place in self.places if ctx.params.get(place.name) is None]
        for place in free[: len(given)]:
            ctx.params[place.name] = given.pop(0)
        if ctx.resilient_parsing:
            return rest
        if given:
            named = [f"--{place.flag} is given already" for place in self.places if place not in free]
            ctx.fail("; ".join([f"Got unexpected extra argument ({' '.join(given)})", *named]))
        for place in self.places:
            if place.needed and ctx.params[place.name] is None:
                hint = f"'{place.metavar}' (or option '--{place.flag}')"
                raise click.MissingParameter(ctx=ctx, param_hint=hint, param_type="argument")
        return rest

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
        if spec.uploads or spec.returns is Download:
            from osapi.cli.transfer import transfer

            return await transfer(asked(declared, given), given, said)
        from osapi.cli.ask import ask

        return await ask(asked(declared, given), said)

    places = [Place(each.name, each.flag, each.required) for each in parameters(declared) if each.positional]
    return session.share(
        Asking(
            spec.command[-1],
            params=[*chain.from_iterable(map(options, parameters(declared))), *_of_files(declared)],
            places=[*places, FILE] if spec.uploads else places,
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
            parameter.name: _value(parameter, said)
            for parameter in parameters(declared)
            if (said := _said(parameter, given)) not in (None, ())
        }
        return wire.params(declared, found)
    except BadInput as error:
        root = re.split(r"[.\[]", error.field or "")[0]
        told, flag = str(error), flags.get(root, root)
        told = f"{flag}{told.removeprefix(root)}" if told.startswith(root) else f"{flag}: {told}"
        raise BadInput(told, error.field) from None


def options(parameter: Parameter) -> Iterator[click.Option]:
    """The option that a parameter is given by, and the one that says the opposite, where there is one."""
    yield option(parameter)
    if parameter.off_flag:
        flags = [f"--{parameter.off_flag}", _opposite(parameter)]
        yield click.Option(flags, is_flag=True, help=f"The opposite of --{parameter.flag}")


def option(parameter: Parameter) -> click.Option:
    """The option that takes its value."""
    kind, flag = bare(parameter.type), f"--{parameter.flag}"
    settings: dict[str, Any] = {"type": _type(kind)}
    if isinstance(kind, inspect.BoolType):
        settings |= {"is_flag": False, "flag_value": "true", "metavar": "[true|false]"}
    if isinstance(kind, inspect.ListType):
        settings |= {"type": _type(bare(kind.item_type)), "multiple": True}
    if isinstance(kind, inspect.DictType):
        settings |= {"multiple": True, "metavar": "KEY=VALUE"}
    flags = [flag, *(f"--{alias}" for alias in parameter.aliases)]
    return click.Option(
        [*flags, parameter.name],
        required=parameter.required and not parameter.positional and not parameter.secret,
        help=_help(parameter, kind),
        **settings,
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
            words += [] if parameter.positional else [f"--{parameter.flag}"]
            sample = hidden.STDIN if parameter.secret else str(_sample(parameter.type, parameter.annotation))
            words.append(shlex.quote(sample))
    return " ".join([*words, "app.conf"] if declared.spec.uploads else words)


def _of_files(declared: type[Declaration[Any]]) -> Sequence[click.Option]:
    """The options of what moves a file, which say what file it is here."""
    if declared.spec.uploads:
        return (UPLOAD,)
    return DOWNLOAD if declared.spec.returns is Download else ()


def _options(declared: type[Declaration[Any]]) -> Iterator[click.Option]:
    returns = declared.spec.returns
    if issubclass(declared, Operation):
        yield from OPERATION
        if declared.spec.modifies:
            yield from MODIFY
    if not declared.spec.modifies and returns not in {EventStream, Download}:
        yield from READ
    if {"stdout", "stderr", "exit_code"} <= set(getattr(returns, "__annotations__", ())):
        yield from OUTPUT
    if declared.spec.name == "agent.drain":
        yield from DRAIN


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
    if parameter.positional:
        text += f" (or the argument {parameter.flag.upper()})"
    if parameter.secret and not isinstance(kind, inspect.ListType):
        text += f" ({hidden.STDIN} reads it from standard input)"
    if parameter.default not in (None, [], {}, False):
        text += f" (default: {str(parameter.default).lower()})"
    return text


def _opposite(parameter: Parameter) -> str:
    return f"not_{parameter.name}"


def _said(parameter: Parameter, given: dict[str, Any]) -> Any:
    """What the options of a parameter say."""
    value = given[parameter.name]
    if parameter.secret and not isinstance(value, tuple):
        return hidden.told(parameter, value)
    if parameter.off_flag and given[_opposite(parameter)]:
        if value is not None:
            raise BadInput(f"{parameter.name}: --{parameter.off_flag} is given too", parameter.name)
        return False
    return value


def _value(parameter: Parameter, given: Any) -> Any:
    """The value that an option's text stands for; nested ones are given as JSON."""
    kind = bare(parameter.type)
    if isinstance(kind, inspect.ListType) and given == ("",) and _is_never_empty(bare(kind.item_type)):
        return []
    if isinstance(kind, inspect.DictType):
        return dict(_pair(parameter, text) for text in given)
    if isinstance(kind, inspect.ListType) and not _is_scalar(item := bare(kind.item_type)):
        return list(_nested(parameter, item, given))
    if isinstance(kind, inspect.ListType):
        return list(_items(parameter, given))
    return given if _is_scalar(kind) else _json(parameter, given)


def _is_scalar(kind: inspect.Type) -> bool:
    return not isinstance(
        kind, inspect.DataclassType | inspect.StructType | inspect.ListType | inspect.DictType
    )


def _is_never_empty(kind: inspect.Type) -> bool:
    """Whether no value is an empty text, so that one can stand for none at all."""
    return isinstance(kind, inspect.StrType) and bool(kind.pattern) and not re.search(kind.pattern or "", "")


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


def _nested(parameter: Parameter, kind: inspect.Type, given: Iterable[str]) -> Iterator[Any]:
    """The members of what is in a list: as JSON, or where its type has words for them, as it reads those."""
    parse = getattr(getattr(kind, "cls", None), "parse", None)
    for text in given:
        if parse is None or text.startswith("{"):
            yield _json(parameter, text)
        else:
            yield from (wire.plain(parse(words)) for words in text.split(","))


def _json(parameter: Parameter, text: str) -> Any:
    try:
        return wire.decode(Any, text)
    except BadInput as error:
        raise BadInput(f"{parameter.name}: {error}", parameter.name) from None


def _sample(kind: inspect.Type, annotation: Any) -> Any:
    item = bare(kind.item_type) if isinstance(kind, inspect.ListType) else kind
    if isinstance(item, inspect.DataclassType) and hasattr(item.cls, "parse"):
        types = annotations(item.cls)
        needed = [field for field in item.fields if field.required]
        return item.cls(**{field.name: _sample(field.type, types[field.name]) for field in needed})
    schema = msgspec.json.schema(annotation)
    schema = schema.get("items", schema)
    return next(iter(schema.get("examples") or schema.get("enum") or [schema.get("minimum", "VALUE")]))
