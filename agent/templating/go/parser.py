"""Tokens made into the templates they say, by name; that of the whole text has the name ''.

The grammar is that of package text/template/parse, oddities included: a variable that is assigned to is held for
known, and a name is looked for among all variables of the blocks that are still open.
"""

from collections.abc import Callable

import attrs

from agent.templating.errors import TemplateError, unknown
from agent.templating.go import literals
from agent.templating.go.functions import NAMES
from agent.templating.go.lexer import Kind, Lexer, Token
from agent.templating.go.nodes import (
    Access,
    Action,
    Body,
    Break,
    Command,
    Constant,
    Continue,
    Dot,
    Function,
    If,
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

MAIN = b""
BRANCHES = {"if": If, "with": With, "range": Range}
LITERALS = (Constant, Dot, Nil)
"""What nothing can be piped into, and what has no fields of its own."""
READ: dict[Kind, Callable[[str], bytes | int | float]] = {
    Kind.STRING: literals.string,
    Kind.CHARACTER: literals.character,
    Kind.NUMBER: literals.number,
}


def parse(source: str) -> dict[bytes, Body]:
    """The templates of a text; `TemplateError` where it is not well formed."""
    parser = Parser(list(Lexer(source).tokens()))
    parser.main()
    return parser.templates


@attrs.define
class Parser:
    """Goes through the tokens once; `variables` are those in sight, `ranges` counts the loops it is in."""

    tokens: list[Token]
    position: int = 0
    templates: dict[bytes, Body] = attrs.Factory(dict)
    variables: list[str] = attrs.Factory(lambda: ["$"])
    ranges: int = 0

    def main(self) -> None:
        nodes: list[Node] = []
        while self.tokens[self.position].kind is not Kind.END:
            if not self._definition():
                nodes.append(self._node())
        self._define(MAIN, tuple(nodes), self.tokens[-1])

    def _definition(self) -> bool:
        """Take in `{{define "name"}} … {{end}}`, if that is what comes."""
        start = self.position
        if self._next().kind is Kind.LEFT and (keyword := self._visible()).text == "define":
            name = self._template_name()
            self._expect(Kind.RIGHT, "a definition")
            self._define(name, self._separate_body("define"), keyword)
            return True
        self.position = start
        return False

    def _define(self, name: bytes, body: Body, at: Token) -> None:
        """Put a template beside the others; one that is empty gives way."""
        if _empty(self.templates.get(name, ())):
            self.templates[name] = body
        elif not _empty(body):
            raise TemplateError(f'template "{name.decode(errors="replace")}" is defined twice', at.line)

    def _separate_body(self, keyword: str) -> Body:
        """The body of a template of its own, which knows nothing of what is around it."""
        outside = self.variables, self.ranges
        self.variables, self.ranges = ["$"], 0
        body, ending = self._body()
        if ending.text != "end":
            raise _unexpected(ending, keyword)
        self.variables, self.ranges = outside
        return body

    def _body(self) -> tuple[Body, Token]:
        """Nodes up to `{{end}}` or `{{else}}`, and which of them it is."""
        nodes: list[Node] = []
        while not (ending := self._ending()):
            nodes.append(self._node())
        return tuple(nodes), ending

    def _ending(self) -> Token | None:
        """Pass over `{{end}}` or `{{else`, if that is what comes; `if` or `with` after `else` is left to be read."""
        start = self.position
        if self._next().kind is Kind.LEFT and (keyword := self._visible()).text in {"end", "else"}:
            if keyword.text == "end" or self._ahead().text not in {"if", "with"}:
                self._expect(Kind.RIGHT, keyword.text)
            return keyword
        self.position = start
        return None

    def _node(self) -> Node:
        token = self._visible()
        if token.kind is Kind.TEXT:
            return Text(line=token.line, text=literals.encode(token.text))
        if token.kind is not Kind.LEFT:
            raise _unexpected(token, "the template")
        keyword = self._visible()
        if keyword.kind is not Kind.KEYWORD:
            self.position -= 1
            return Action(line=token.line, pipeline=self._pipeline("an action", Kind.RIGHT))
        match keyword.text:
            case "if" | "with" | "range":
                return self._branch(keyword)
            case "break" | "continue":
                return self._jump(keyword)
            case "template" | "block":
                return self._invocation(keyword)
        raise _unexpected(keyword, "the template")

    def _branch(self, keyword: Token) -> Node:
        known = len(self.variables)
        pipeline = self._pipeline(keyword.text, Kind.RIGHT)
        self.ranges += keyword.text == "range"
        body, ending = self._body()
        self.ranges -= keyword.text == "range"
        otherwise: Body = ()
        if ending.text == "else" and self._continues(keyword):
            otherwise = (self._branch(self._visible()),)
        elif ending.text == "else":
            otherwise, ending = self._body()
            if ending.text != "end":
                raise _unexpected(ending, keyword.text)
        del self.variables[known:]
        kind = BRANCHES[keyword.text]
        return kind(line=keyword.line, pipeline=pipeline, body=body, otherwise=otherwise)

    def _continues(self, keyword: Token) -> bool:
        """Whether `{{else` goes on with `if` in an `if`, or `with` in a `with`."""
        token = self.tokens[self.position]
        return token.kind is Kind.KEYWORD and token.text == keyword.text != "range"

    def _jump(self, keyword: Token) -> Node:
        self._expect(Kind.RIGHT, keyword.text)
        if not self.ranges:
            raise TemplateError(f"{keyword} stands outside of a range", keyword.line)
        return Break(line=keyword.line) if keyword.text == "break" else Continue(line=keyword.line)

    def _invocation(self, keyword: Token) -> Node:
        """`{{template "name"}}`, with a pipeline or without, or `{{block "name" pipeline}} … {{end}}`."""
        name = self._template_name()
        pipeline = None
        if keyword.text == "block" or self._ahead().kind is not Kind.RIGHT:
            pipeline = self._pipeline(keyword.text, Kind.RIGHT)
        else:
            self._visible()
        if keyword.text == "block":
            self._define(name, self._separate_body("block"), keyword)
        return Invoke(line=keyword.line, name=name, pipeline=pipeline)

    def _pipeline(self, context: str, end: Kind) -> Pipeline:
        line = self._ahead().line
        variables, assigns = self._declarations(context)
        commands: list[Command] = []
        while self._ahead().kind is not end:
            commands.append(self._command())
            if len(commands) > 1 and isinstance(commands[-1].operands[0], LITERALS):
                raise TemplateError(f"nothing can be piped into part {len(commands)} of {context}", line)
        self._visible()
        if not commands:
            raise TemplateError(f"{context} lacks a value", line)
        return Pipeline(line=line, variables=variables, assigns=assigns, commands=tuple(commands))

    def _declarations(self, context: str) -> tuple[tuple[str, ...], bool]:
        """The variables that a pipeline sets, and whether it assigns to them rather than declares them."""
        names: list[str] = []
        while self._ahead().kind is Kind.VARIABLE:
            start = self.position
            variable = self._visible()
            operator = self._ahead()
            if operator.kind not in {Kind.ASSIGN, Kind.DECLARE} and operator.text != ",":
                self.position = start
                break
            self._visible()
            names.append(variable.text)
            self.variables.append(variable.text)
            if operator.text != ",":
                return tuple(names), operator.kind is Kind.ASSIGN
            if context != "range" or len(names) > 1:
                raise TemplateError(f"{context} declares too many variables", variable.line)
            if self._ahead().kind not in {Kind.VARIABLE, Kind.RIGHT, Kind.CLOSE}:
                raise _unexpected(self._ahead(), "the variables of a range")
        return tuple(names), False

    def _command(self) -> Command:
        line = self._ahead().line
        operands: list[Operand] = []
        while True:
            if operand := self._operand():
                operands.append(operand)
            token = self._next()
            if token.kind in {Kind.RIGHT, Kind.CLOSE}:
                self.position -= 1
                break
            if token.kind is Kind.PIPE:
                break
            if token.kind is not Kind.BLANK:
                raise _unexpected(token, "an action")
        if not operands:
            raise _unexpected(token, "an action")
        return Command(line=line, operands=tuple(operands))

    def _operand(self) -> Operand | None:
        """A term and the fields of it that are asked for; None where no term comes."""
        token = self._ahead()
        term = self._term()
        if not term or self.tokens[self.position].kind is not Kind.FIELD:
            return term
        if isinstance(term, LITERALS):
            raise TemplateError(f"{token} has no fields", token.line)
        fields = list(term.fields) if isinstance(term, Access) else []
        while self.tokens[self.position].kind is Kind.FIELD:
            fields.append(self._next().text[1:])
        of = term.of if isinstance(term, Access) else term
        return Access(line=token.line, of=of, fields=tuple(fields))

    def _term(self) -> Operand | None:
        token = self._visible()
        line = token.line
        match token.kind:
            case Kind.NAME:
                return self._function(token)
            case Kind.DOT:
                return Dot(line=line)
            case Kind.NIL:
                return Nil(line=line)
            case Kind.FIELD:
                return Access(line=line, of=Dot(line=line), fields=(token.text[1:],))
            case Kind.VARIABLE:
                return self._variable(token)
            case Kind.BOOL:
                return Constant(line=line, value=token.text == "true")
            case Kind.STRING | Kind.CHARACTER | Kind.NUMBER:
                return self._constant(token)
            case Kind.OPEN:
                return self._pipeline("an expression in parentheses", Kind.CLOSE)
        self.position -= 1
        return None

    def _function(self, token: Token) -> Function:
        if token.text not in NAMES:
            raise TemplateError(unknown(f"function {token}", NAMES), token.line)
        return Function(line=token.line, name=token.text)

    def _variable(self, token: Token) -> Variable:
        if token.text not in self.variables:
            raise TemplateError(unknown(f"variable {token}", set(self.variables)), token.line)
        return Variable(line=token.line, name=token.text)

    def _constant(self, token: Token) -> Constant:
        try:
            return Constant(line=token.line, value=READ[token.kind](token.text))
        except TemplateError as error:
            raise TemplateError(error.message, token.line) from None

    def _template_name(self) -> bytes:
        token = self._expect(Kind.STRING, "the name of a template")
        name = self._constant(token).value
        assert isinstance(name, bytes)
        return name

    def _next(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def _ahead(self) -> Token:
        """The next token that is no space, which is still to be read."""
        while self.tokens[self.position].kind is Kind.BLANK:
            self.position += 1
        return self.tokens[self.position]

    def _visible(self) -> Token:
        """The next token that is no space."""
        self._ahead()
        return self._next()

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._visible()
        if token.kind is not kind:
            raise _unexpected(token, context)
        return token


def _unexpected(token: Token, context: str) -> TemplateError:
    return TemplateError(f"{token} is not expected in {context}", token.line)


def _empty(body: Body) -> bool:
    """Whether there is nothing but space in a template."""
    return all(isinstance(node, Text) and not node.text.strip() for node in body)
