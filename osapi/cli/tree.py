"""`osapi client`: groups and commands read off the declarations, as few of them imported as will do."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from inspect import cleandoc
from itertools import chain
from pkgutil import walk_packages
from typing import Any

import asyncclick as click

from osapi.cli import session
from osapi.cli.root import Child, Elsewhere, Fixed, Listing, load, summary
from osapi.operation import Declaration, parameters

Declared = type[Declaration[Any]]
Words = tuple[str, ...]

OPERATIONS, CALLS = "osapi.operations", "osapi.calls"
JOINED = {"osapi.calls.agent": ("osapi.calls.enrollment",)}
"""Modules whose commands are in the group of another."""
DEFAULTS = ("get", "status")
"""What a group does when it is called alone, where that needs no parameter."""


class Declarations(Listing):
    """The commands that begin with `words`, and those of `OTHERS`, which are not read off a declaration there."""

    def __init__(
        self,
        name: str,
        package: str,
        words: Words = (),
        *,
        shared: Sequence[click.Option],
        **settings: Any,
    ) -> None:
        super().__init__(name, shared=shared, **settings)
        self.package, self.words = package, words

    @property
    def others(self) -> Mapping[str, Child]:
        return OTHERS.get((self.package, self.words), {})

    def summaries(self) -> Mapping[str, str]:
        own: dict[str, str] = {}
        for declared in under(self.package, self.words):
            word, *more = declared.spec.command[len(self.words) :]
            own.setdefault(word, _about(declared, word) if more else declared.spec.summary)
        return own | {name: summary(other) for name, other in self.others.items()}

    def find(self, name: str) -> click.Command | None:
        if other := self.others.get(name):
            return load(other)
        words = (*self.words, name)
        found = under(self.package, words)
        for declared in found:
            if declared.spec.command == words:
                from osapi.cli.commands import command

                return command(declared)
        if not found:
            return None
        help_text = _about(found[0], name)
        return Declarations(name, self.package, words, shared=self.shared, help=help_text)

    async def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        default = None if ctx.resilient_parsing else self._default(args)
        return await super().parse_args(ctx, args if default is None else [default, *args])

    def _default(self, args: Sequence[str]) -> str | None:
        """The command that is meant where none is named."""
        if not self.words or (args and not args[0].startswith("-")):
            return None
        if not {*self.summaries(), "-h", "--help"}.isdisjoint(args):
            return None
        for declared in under(self.package, self.words):
            word = declared.spec.command[-1]
            if declared.spec.command == (*self.words, word) and word in DEFAULTS:
                return None if any(found.required for found in parameters(declared)) else word
        return None


def under(package: str, words: Words) -> list[Declared]:
    """The declarations whose command begins with these words.

    All are in the module that the words name, or in the one that `osapi.operations.node` is.
    """
    for modules in _candidates(package, words):
        found = [
            declared
            for module in modules
            for declared in _declared(module)
            if declared.spec.command[: len(words)] == words
        ]
        if found:
            return found
    return []


def _candidates(package: str, words: Words) -> Iterator[Iterator[str]]:
    named = package
    for word in words:
        inner = f"{named}.{word.replace('-', '_')}"
        if not hasattr(import_module(named), "__path__") or find_spec(inner) is None:
            break
        named = inner
    if named != package:
        yield chain(_modules(named), JOINED.get(named, ()))
    if words and package == OPERATIONS:
        yield _modules(f"{OPERATIONS}.node")
    yield _modules(package)


def _modules(name: str) -> Iterator[str]:
    """A module; or of a package, those in it."""
    path = getattr(import_module(name), "__path__", None)
    return iter([name]) if path is None else (found.name for found in walk_packages(path, f"{name}."))


def _declared(module: str) -> Iterator[Declared]:
    for value in vars(import_module(module)).values():
        if isinstance(value, type) and issubclass(value, Declaration) and "spec" in vars(value):
            yield value


def _about(declared: Declared, word: str) -> str:
    """A line on a group: what its module says of itself, or the first of its commands."""
    module = declared.__module__
    if module.rpartition(".")[2].replace("_", "-") == word:
        return cleandoc(import_module(module).__doc__ or "").partition("\n")[0]
    parent = module.rpartition(".")[0]
    if parent.rpartition(".")[2].replace("_", "-") == word:
        return cleandoc(import_module(parent).__doc__ or "").partition("\n")[0]
    return declared.spec.summary


class Lent(Mapping[str, click.Command]):
    """Commands of a group of `client node` that are taken without `node`, too."""

    def __init__(self, words: Words, *names: str) -> None:
        self.words, self.names = words, names

    def __getitem__(self, name: str) -> click.Command:
        if name not in self.names:
            raise KeyError(name)
        group = Declarations(self.words[-1], OPERATIONS, self.words, shared=session.NODE)
        found = group.find(name)
        assert found is not None
        same = " ".join(("osapi", "client", "node", *self.words, name))
        found.help = f"{(found.help or '').rstrip()}\n\nThe same as `{same}`."
        return session.share(found, session.NODE)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _status(kind: str) -> Elsewhere:
    return Elsewhere(f"osapi.cli.status:{kind}", f"Show how the {kind} components are.")


def _key(kind: str) -> Fixed:
    fingerprint = Elsewhere(
        f"osapi.cli.keys:{kind}_fingerprint", f"Print the fingerprint of the {kind}'s key."
    )
    return Fixed(
        "key", {"fingerprint": fingerprint}, shared=SHARED, help=f"The key of the {kind} on this machine."
    )


SHARED = (*session.ROOT, *session.CLIENT)

OTHERS: dict[tuple[str, Words], Mapping[str, Child]] = {
    (CALLS, ()): {
        "node": Declarations(
            "node", OPERATIONS, shared=(*SHARED, *session.NODE), help="Ask hosts, and change them."
        ),
        "controller": Fixed(
            "controller",
            {"status": _status("controller"), "key": _key("controller")},
            shared=SHARED,
            help="The controllers.",
        ),
        "nats": Fixed("nats", {"status": _status("nats")}, shared=SHARED, help="The broker."),
    },
    (CALLS, ("audit",)): {
        "export": Elsewhere("osapi.cli.audit:export", "Write the whole log into a file."),
        "verify": Elsewhere("osapi.cli.audit:verify", "Check that nobody has touched the log."),
    },
    (CALLS, ("agent",)): {
        "status": _status("agent"),
        "key": _key("agent"),
        "list": Elsewhere("osapi.cli.keys:agents", "List the agents, or those that wait to be accepted."),
    },
    (CALLS, ("file",)): Lent(
        ("file",), "stat", "read", "write", "line", "permissions", "directory", "copy", "undo"
    ),
}

client = Declarations("client", CALLS, shared=SHARED, help="Ask a controller and its hosts.")
