"""Templates carried out: nodes walked, their values printed."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from agent.templating.errors import TemplateError, unknown
from agent.templating.go.formatting import printed
from agent.templating.go.functions import BUILTINS
from agent.templating.go.nodes import (
    Access,
    Action,
    Body,
    Branch,
    Break,
    Command,
    Constant,
    Continue,
    Dot,
    Function,
    Invoke,
    Nil,
    Node,
    Operand,
    Pipeline,
    Range,
    Text,
    Variable,
    With,
)
from agent.templating.go.quoting import from_bytes
from agent.templating.go.values import Struct, Value, type_name

DEEPEST = 1000
"""Templates that may lie in each other."""
GREATEST_INT = 2**63 - 1

Jump = Break | Continue


@attrs.define
class Evaluation:
    """One run of a set of templates, printed to `write`; `line` is where it is.

    `variables` are those of the template that is carried out, the innermost last. Of two of one name, the inner one is
    meant. Raises `TemplateError` at the line.
    """

    templates: Mapping[bytes, Body]
    write: Callable[[bytes], None]
    variables: list[tuple[str, Value]] = attrs.Factory(list)
    depth: int = 0
    line: int = 1

    def run(self, name: bytes, dot: Value) -> None:
        """Carry out a template."""
        self.variables = [("$", dot)]
        try:
            self._walk(dot, self.templates[name])
        except TemplateError as error:
            raise TemplateError(error.message, self.line) from None

    def _walk(self, dot: Value, body: Body) -> Jump | None:
        """Carry out nodes, up to a `break` or `continue`, which is returned."""
        for node in body:
            if jump := self._step(dot, node):
                return jump
        return None

    def _step(self, dot: Value, node: Node) -> Jump | None:
        self.line = node.line
        match node:
            case Text():
                self.write(node.text)
            case Action():
                value = self._pipeline(dot, node.pipeline)
                if not node.pipeline.variables:
                    self.write(b"<no value>" if value is None else printed(value))
            case Range():
                return self._range(dot, node)
            case Branch():
                return self._branch(dot, node)
            case Invoke():
                self._invoke(dot, node)
            case Break() | Continue():
                return node
        return None

    def _branch(self, dot: Value, node: Branch) -> Jump | None:
        """`if` or `with`."""
        known = len(self.variables)
        value = self._pipeline(dot, node.pipeline)
        if value:
            jump = self._walk(value if isinstance(node, With) else dot, node.body)
        else:
            jump = self._walk(dot, node.otherwise)
        del self.variables[known:]
        return jump

    def _range(self, dot: Value, node: Range) -> Jump | None:
        """The loop; in what it does otherwise, `continue` is that of the loop around it, and `break` its own."""
        known = len(self.variables)
        over = self._pipeline(dot, node.pipeline)
        inside = len(self.variables)
        jump: Jump | None = None
        done = False
        for key, element in self._entries(over, node):
            done = True
            self._set_loop_variables(node.pipeline, key, element)
            jump = self._walk(element, node.body)
            del self.variables[inside:]
            if isinstance(jump, Break):
                break
        if not done:
            jump = self._walk(dot, node.otherwise)
        del self.variables[known:]
        return jump if not done and isinstance(jump, Continue) else None

    def _entries(self, over: Value, node: Range) -> Iterable[tuple[Value, Value]]:
        """What there is to go through, each with its key or position."""
        match over:
            case None:
                return ()
            case list():
                return enumerate(over)
            case dict():
                return sorted(over.items())
            case int() if not isinstance(over, bool):
                if len(node.pipeline.variables) > 1:
                    raise TemplateError("there are no two variables in a range over a number")
                kind = type(over)
                return ((None, kind(number)) for number in range(over))
        raise TemplateError(f"range goes over lists, maps and ints, not over {type_name(over)}")

    def _set_loop_variables(self, pipeline: Pipeline, key: Value, element: Value) -> None:
        values = (key, element) if len(pipeline.variables) > 1 else (element,)
        top = len(self.variables) - len(pipeline.variables)
        for place, (name, value) in enumerate(zip(pipeline.variables, values, strict=False), start=top):
            if pipeline.assigns:
                self._assign(name, value)
            else:
                self.variables[place] = name, value

    def _invoke(self, dot: Value, node: Invoke) -> None:
        body = self.templates.get(node.name)
        if body is None:
            names = (f'"{name.decode(errors="replace")}"' for name in self.templates if name)
            raise TemplateError(unknown(f'template "{node.name.decode(errors="replace")}"', names))
        if self.depth == DEEPEST:
            raise TemplateError(f"templates lie more than {DEEPEST} deep in each other")
        inner = self._pipeline(dot, node.pipeline) if node.pipeline else None
        outside, self.variables = self.variables, [("$", inner)]
        self.depth += 1
        self._walk(inner, body)
        self.depth -= 1
        self.variables = outside

    def _pipeline(self, dot: Value, pipeline: Pipeline) -> Value:
        value: Value = None
        piped: tuple[Value, ...] = ()
        for command in pipeline.commands:
            value = self._command(dot, command, piped)
            piped = (value,)
        for name in pipeline.variables:
            if pipeline.assigns:
                self._assign(name, value)
            else:
                self.variables.append((name, value))
        return value

    def _command(self, dot: Value, command: Command, piped: tuple[Value, ...]) -> Value:
        """The value of a command that is given what the one before it returned."""
        first, *arguments = command.operands
        if isinstance(first, Function):
            return self._call(dot, first, arguments, piped)
        self.line = first.line
        if arguments or piped:
            raise TemplateError(f"{_written(first)} is no function and takes no arguments")
        if isinstance(first, Nil):
            raise TemplateError("nil alone says nothing")
        return self._operand(dot, first)

    def _operand(self, dot: Value, operand: Operand) -> Value:
        self.line = operand.line
        match operand:
            case Dot():
                return dot
            case Nil():
                return None
            case Constant():
                return self._constant(operand)
            case Variable():
                return self._find(operand.name)
            case Access():
                return self._fields(dot, operand)
            case Pipeline():
                return self._pipeline(dot, operand)
        return self._call(dot, operand, (), ())

    def _constant(self, constant: Constant) -> Value:
        if isinstance(constant.value, int) and constant.value > GREATEST_INT:
            raise TemplateError(f"{constant.value} is too large for an int")
        return constant.value

    def _fields(self, dot: Value, access: Access) -> Value:
        value = self._operand(dot, access.of)
        self.line = access.line
        for place, field in enumerate(access.fields):
            match value:
                case dict() if (key := field.encode()) in value:
                    value = value[key]
                case Struct() if field in value.fields:
                    value = value.fields[field]
                case _:
                    raise _no_field(access, place, value)
        return value

    def _call(
        self, dot: Value, function: Function, arguments: Sequence[Operand], piped: tuple[Value, ...]
    ) -> Value:
        """What a function returns; what is piped into it is its last argument."""
        name, given = function.name, len(arguments) + len(piped)
        self.line = function.line
        if name in {"and", "or"} and given:
            return self._either(dot, arguments, piped, until=name == "or")
        builtin = BUILTINS.get(name)
        if not builtin:
            raise TemplateError(f"{name} lacks {'a function to call' if name == 'call' else 'arguments'}")
        if given < builtin.least or (builtin.most is not None and given > builtin.most):
            wanted = builtin.least if builtin.least == builtin.most else f"{builtin.least} or more"
            raise TemplateError(f"{name} takes {wanted} arguments, not {given}")
        values = [self._operand(dot, argument) for argument in arguments]
        self.line = function.line
        return builtin.call(*values, *piped)

    def _either(
        self, dot: Value, arguments: Sequence[Operand], piped: tuple[Value, ...], *, until: bool
    ) -> Value:
        """`or` (`until` True) and `and`: the first value that decides, or the last; none after it is looked at."""
        value: Value = None
        for argument in arguments:
            value = self._operand(dot, argument)
            if bool(value) is until:
                return value
        return piped[0] if piped else value

    def _find(self, name: str) -> Value:
        return self.variables[self._place(name)][1]

    def _assign(self, name: str, value: Value) -> None:
        self.variables[self._place(name)] = name, value

    def _place(self, name: str) -> int:
        """Where the innermost variable of a name is."""
        for place in range(len(self.variables) - 1, -1, -1):
            if self.variables[place][0] == name:
                return place
        raise TemplateError(unknown(f"variable {name}", {known for known, _ in self.variables}))


def _written(operand: Operand) -> str:
    """An operand as it stands in the template, or nearly so."""
    match operand:
        case Dot():
            return "."
        case Nil():
            return "nil"
        case Constant():
            return from_bytes(printed(operand.value))
        case Variable() | Function():
            return operand.name
        case Access():
            return ".".join((_written(operand.of).rstrip("."), *operand.fields))
        case Pipeline():
            return "(…)"


def _no_field(access: Access, place: int, value: Value) -> TemplateError:
    """That the field at `place` is not there, in the value before it."""
    name = _written(attrs.evolve(access, fields=access.fields[: place + 1]))
    match value:
        case dict():
            return TemplateError(unknown(name, map(from_bytes, value)))
        case Struct():
            return TemplateError(unknown(name, value.fields))
    before = _written(attrs.evolve(access, fields=access.fields[:place])) or "."
    return TemplateError(f"{name} is not known: {before} is {'nil' if value is None else type_name(value)}")
