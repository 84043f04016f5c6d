"""What a template is made of, once it is parsed. Each node knows its line, from 1."""

from typing import TypeAlias

import attrs

Body: TypeAlias = tuple["Node", ...]


@attrs.frozen(eq=False, kw_only=True)
class Node:
    line: int


@attrs.frozen(eq=False, kw_only=True)
class Dot(Node):
    """`.`"""


@attrs.frozen(eq=False, kw_only=True)
class Nil(Node):
    """`nil`"""


@attrs.frozen(eq=False, kw_only=True)
class Constant(Node):
    """A string, a number or a boolean."""

    value: bytes | bool | int | float


@attrs.frozen(eq=False, kw_only=True)
class Function(Node):
    """The name of a function; as an argument, what it returns without any."""

    name: str


@attrs.frozen(eq=False, kw_only=True)
class Access(Node):
    """Fields of a value, `.a.b` of whatever `of` is; the value itself where there are none."""

    of: "Operand"
    fields: tuple[str, ...]


@attrs.frozen(eq=False, kw_only=True)
class Variable(Node):
    """`$name`"""

    name: str


@attrs.frozen(eq=False, kw_only=True)
class Command(Node):
    """An operand, or a function and its arguments."""

    operands: "tuple[Operand, ...]"


@attrs.frozen(eq=False, kw_only=True)
class Pipeline(Node):
    """Commands, each given what the one before it returns; the last one's goes into variables, if any.

    These are declared, or `assigns` says that they were before.
    """

    variables: tuple[str, ...]
    assigns: bool
    commands: tuple[Command, ...]


Operand: TypeAlias = Dot | Nil | Constant | Function | Access | Variable | Pipeline


@attrs.frozen(eq=False, kw_only=True)
class Text(Node):
    text: bytes


@attrs.frozen(eq=False, kw_only=True)
class Action(Node):
    """A pipeline whose value is printed, unless it goes into a variable."""

    pipeline: Pipeline


@attrs.frozen(eq=False, kw_only=True)
class Branch(Node):
    """`if`, `with` or `range`: what is done with the value of a pipeline, and otherwise."""

    pipeline: Pipeline
    body: Body
    otherwise: Body


class If(Branch):
    pass


class With(Branch):
    pass


class Range(Branch):
    pass


@attrs.frozen(eq=False, kw_only=True)
class Invoke(Node):
    """`template`: another template, with the value of a pipeline for its dot."""

    name: bytes
    pipeline: Pipeline | None


class Break(Node):
    pass


class Continue(Node):
    pass
