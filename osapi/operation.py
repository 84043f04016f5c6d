"""An operation, declared once.

A subclass of `Operation` (what hosts are asked) or `Call` (what the controller answers itself) is the
declaration: its fields are the parameters, its docstring the documentation, its type argument the result,
its class keywords the route. REST, OpenAPI, permissions, commands, SDK, dispatch and reference pages are
read off `spec` and `parameters`.

Class keywords: `GET="/path"` (or HEAD, PUT, PATCH, POST, DELETE), and where the default does not fit
`permission="domain:verb"` ("" is public), `command="words of the command line"`, `success=202`,
`query=True` (a POST that only reads), `repeatable=False` (never run a second time after a crash),
`body=True` (a DELETE that has one), `uploads=True` (the body is multipart/form-data, with a part `file` of any size
beside the parameters), `also="type/name"` (what its answer is besides JSON, where that is asked for).

A subclass without a route is none yet: it has the parameters that several declarations share, which are made from it.

A result that is a list, `Operation[list[Entry]]`, travels as one item for each entry of a host.

What `text` and `msgspec.Meta(extra=…)` may say of a field besides: `flag` (its option, without dashes) and
`aliases` (others that mean the same), `off_flag` (the option that says False), `positional` (the command line takes
it without the option, too), `secret` (never shown), `literal` (`@fact.…` in it stands for itself), `in_query` (in the
query, though there is a body).
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from inspect import cleandoc
from pkgutil import walk_packages
from string import Formatter
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
)

import attrs
import msgspec

R = TypeVar("R", covariant=True)

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

NODE = "/api/node/{target}"
API = "/api"


@attrs.frozen(kw_only=True)
class Spec:
    """Everything about a declaration but its parameters."""

    name: str
    command: tuple[str, ...]
    method: Method
    path: str
    in_path: frozenset[str]
    permission: str
    success: int
    modifies: bool
    repeatable: bool
    uploads: bool
    body: bool
    also: str
    returns: Any
    summary: str
    description: str

    @property
    def domain(self) -> str:
        """The group it is documented in, such as `timezone`."""
        return self.name.partition(".")[0]

    @property
    def has_body(self) -> bool:
        """Whether parameters that are not in the path travel as JSON, rather than in the query."""
        return self.body or self.method in {"POST", "PUT", "PATCH"}

    @property
    def item(self) -> Any:
        """The type of what an item of the answer holds: the result, or each of those in a list."""
        return get_args(self.returns)[0] if get_origin(self.returns) is list else self.returns


@attrs.frozen(kw_only=True)
class Parameter:
    """One field of a declaration, as every surface shows it."""

    name: str
    type: msgspec.inspect.Type
    annotation: Any
    required: bool
    default: Any
    description: str
    flag: str
    aliases: tuple[str, ...]
    off_flag: str | None
    positional: bool
    secret: bool
    literal: bool
    in_query: bool


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field,))
class Declaration(Generic[R]):
    """What can be asked for."""

    spec: ClassVar[Spec]
    prefix: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    """Filled in when `parameters()` is first asked."""

    def __init_subclass__(
        cls,
        *,
        prefix: str | None = None,
        permission: str | None = None,
        command: str | None = None,
        success: int = 200,
        query: bool = False,
        repeatable: bool = True,
        uploads: bool = False,
        body: bool = False,
        also: str = "",
        **route: str,
    ) -> None:
        if prefix is not None:
            cls.prefix = prefix
            return
        if route:
            [(method, path)] = route.items()
            cls.spec = cls._specified(
                method,
                path,
                permission=permission,
                command=command,
                success=success,
                modifies=method not in {"GET", "HEAD"} and not query,
                repeatable=repeatable,
                uploads=uploads,
                body=body,
                also=also,
            )
        attrs.frozen(cls, kw_only=True, slots=False, field_transformer=_without_secrets)

    @classmethod
    def _specified(
        cls,
        method: str,
        path: str,
        *,
        permission: str | None,
        command: str | None,
        modifies: bool,
        **said: Any,
    ) -> Spec:
        module = cls.__module__.partition(".")[2].partition(".")[2].replace("_", "-")
        verb = _dashed(cls.__name__)
        summary, _, description = cleandoc(cls.__doc__ or "").partition("\n\n")
        domain = module.rpartition(".")[2]
        return Spec(
            name=f"{module}.{verb}",
            command=tuple(command.split()) if command else (*module.split("."), verb),
            method=cast(Method, method),
            path=cls.prefix + path,
            in_path=frozenset(name for _, name, _, _ in Formatter().parse(path) if name),
            permission=f"{domain}:{'write' if modifies else 'read'}" if permission is None else permission,
            modifies=modifies,
            returns=_result(cls),
            summary=summary,
            description=description,
            **said,
        )


class Operation(Declaration[R], prefix=NODE):
    """What hosts are asked; carried out by an agent, as a job."""


class Call(Declaration[R], prefix=API):
    """What the controller answers itself."""


def text(pattern: str, description: str, *, example: str, most: int = 4096, **extra: Any) -> msgspec.Meta:
    """A constraint on a string: all of it matches `pattern` (without anchors), at most `most` characters.

    Python's `$` also matches before a final newline, hence the look-ahead, which other regex dialects
    read as nothing. `example` is what the documentation shows.
    """
    return msgspec.Meta(
        pattern=rf"^(?:{pattern})$(?!\n)",
        max_length=most,
        description=description,
        examples=[example],
        extra=extra or None,
    )


def annotations(kind: type[Any]) -> dict[str, Any]:
    """The declared type of each field of an attrs class."""
    return {field.name: field.type for field in attrs.fields(kind)}


def parameters(declaration: type[Declaration[Any]]) -> tuple[Parameter, ...]:
    """The parameters of a declaration, in the order they are declared."""
    if "parameters" not in vars(declaration):
        info = msgspec.inspect.type_info(declaration)
        assert isinstance(info, msgspec.inspect.DataclassType)
        declaration.parameters = tuple(_parameter(declaration, field) for field in info.fields)
    return declaration.parameters


def _parameter(declaration: type[Declaration[Any]], field: msgspec.inspect.Field) -> Parameter:
    annotation = annotations(declaration)[field.name]
    found = [meta for meta in _metas(annotation) if isinstance(meta, msgspec.Meta)]
    extra = _extra(annotation)
    kind = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type
    return Parameter(
        name=field.name,
        type=kind,
        annotation=annotation,
        required=field.required,
        default=None if field.required else _default(field),
        description=next((meta.description for meta in found if meta.description), ""),
        flag=extra.get("flag", field.name.replace("_", "-")),
        aliases=extra.get("aliases", ()),
        off_flag=extra.get("off_flag"),
        positional=extra.get("positional", False),
        secret=extra.get("secret", False),
        literal=extra.get("literal", False),
        in_query=extra.get("in_query", False),
    )


def _result(declaration: type[Any]) -> Any:
    """R of the nearest `Operation[R]` or `Call[R]` that it is made from."""
    bases = (base for kind in declaration.__mro__ for base in vars(kind).get("__orig_bases__", ()))
    return get_args(next(bases))[0]


def _without_secrets(_: type, fields: list["attrs.Attribute[Any]"]) -> list["attrs.Attribute[Any]"]:
    """The fields of a declaration, so that what is secret is not in what it looks like in a log or a traceback."""
    return [field.evolve(repr=not _extra(field.type).get("secret", False)) for field in fields]


def _extra(annotation: Any) -> dict[str, Any]:
    """What is said of a field besides."""
    found = (meta for meta in _metas(annotation) if isinstance(meta, msgspec.Meta))
    return {key: value for meta in found for key, value in (meta.extra or {}).items()}


def _metas(annotation: Any) -> Iterator[Any]:
    if hasattr(annotation, "__metadata__"):
        yield from annotation.__metadata__
        yield from _metas(annotation.__origin__)
    for inner in get_args(annotation) if not hasattr(annotation, "__metadata__") else ():
        yield from _metas(inner)


def _default(field: msgspec.inspect.Field) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _dashed(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


@cache
def catalogue() -> dict[str, type[Declaration[Any]]]:
    """Every declaration by its name, in the order of modules and of declaration."""
    found: dict[str, type[Declaration[Any]]] = {}
    for package in (import_module("osapi.operations"), import_module("osapi.calls")):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, Declaration) and "spec" in vars(value):
                    assert value is found.setdefault(value.spec.name, value), (
                        f"{value.spec.name} is declared twice"
                    )
    return found


@cache
def operations() -> dict[str, type[Operation[Any]]]:
    """The declarations that hosts carry out."""
    return {name: value for name, value in catalogue().items() if issubclass(value, Operation)}


@cache
def calls() -> dict[str, type[Call[Any]]]:
    """The declarations that the controller answers itself."""
    return {name: value for name, value in catalogue().items() if issubclass(value, Call)}


__all__ = [
    "API", "NODE", "Annotated", "Call", "Declaration", "Operation", "Parameter", "Spec",
    "calls", "catalogue", "operations", "parameters", "text",
]  # fmt: skip
