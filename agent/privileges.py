"""What may run as root: one list, kept beside the providers that need it.

A provider module says it in `PRIVILEGED`: argv patterns, in which a word `*` stands for one word, and `**` at the
end for any number of them. What is not on the list does not run as root, not even where the agent is root itself.
The sudoers file of an agent that is not, is written from it, and its rules are checked when that agent starts.

Sources: sudoers(5), "Command arguments" (regular expressions need sudo 1.9.10), sudo(8), capabilities(7).
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from osapi.errors import Refused

Pattern = tuple[str, ...]

ANY, REST = "*", "**"

FOLDERS = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")
"""Where programs of the system are."""


@cache
def by_domain() -> dict[str, tuple[Pattern, ...]]:
    """The patterns of each domain, by its name."""
    found: dict[str, tuple[Pattern, ...]] = {}
    package = import_module("agent.providers")
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        declared = getattr(import_module(module.name), "PRIVILEGED", ())
        if declared:
            found[module.name.removeprefix("agent.providers.")] = tuple(map(tuple, declared))
    return dict(sorted(found.items()))


def check(argv: Sequence[str]) -> None:
    """Raise `Refused` where a command is not on the list."""
    if not any(matches(pattern, argv) for patterns in by_domain().values() for pattern in patterns):
        raise Refused(f"{' '.join(argv)!r} is not on the list of what may run as root")


def matches(pattern: Pattern, argv: Sequence[str]) -> bool:
    """Whether a command is one that a pattern stands for; a program may be named by its place in one of FOLDERS."""
    folder, _, program = argv[0].rpartition("/")
    if folder in FOLDERS:
        argv = (program, *argv[1:])
    if pattern[-1:] == (REST,):
        fixed = pattern[:-1]
        return len(argv) >= len(fixed) and matches(fixed, argv[: len(fixed)])
    return len(pattern) == len(argv) and all(map(_word_matches, pattern, argv))


def _word_matches(pattern: str, word: str) -> bool:
    return pattern == word or (pattern == ANY and "\n" not in word)


def sudoers(user: str, paths: dict[str, str]) -> str:
    """The sudoers file that lets `user` run what is on the list, and nothing else; `paths` are those of the programs.

    A program that has none is left out: it is not installed, and what needs it is not there either.
    """
    lines = [
        "# Written by `osapi agent sudoers`: what the agent may run as root.",
        f"Defaults:{user} !requiretty",
    ]
    for domain, patterns in by_domain().items():
        rules = [rule(pattern, paths[pattern[0]]) for pattern in patterns if pattern[0] in paths]
        if rules:
            name = "OSAPI_" + re.sub(r"\W", "_", domain).upper()
            lines += ["", f"Cmnd_Alias {name} = \\", ", \\\n".join(f"    {text}" for text in rules)]
            lines.append(f"{user} ALL = (root) NOPASSWD: {name}")
    return "\n".join(lines) + "\n"


def rule(pattern: Pattern, path: str) -> str:
    """A pattern as sudoers(5) has it: the program by its path, and its arguments as a regular expression."""
    if len(pattern) == 1:
        return f'{path} ""'
    words = " ".join(
        {ANY: r"[^[:space:]]*"}.get(word, _literal(word)) for word in pattern[1:] if word != REST
    )
    rest = ("( .*)?" if words else ".*") if pattern[-1] == REST else ""
    return f"{path} ^{words}{rest}$"


def _literal(word: str) -> str:
    """A word that stands for itself: special characters of regular expressions and of sudoers are escaped."""
    return (
        re.sub(r"([.+*?()\[\]{}|^$\\])", r"\\\1", word)
        .replace(",", r"\,")
        .replace(":", r"\:")
        .replace("=", r"\=")
    )


def programs() -> Iterator[str]:
    """The programs on the list, each once."""
    yield from sorted({pattern[0] for patterns in by_domain().values() for pattern in patterns})


def installed(root: Path = Path("/")) -> dict[str, str]:
    """Where the programs on the list are, of those that this machine has, or the one with that root directory."""
    path = ":".join(str(root / folder[1:]) for folder in FOLDERS)
    places = {name: shutil.which(name, path=path) for name in programs()}
    return {name: f"/{Path(place).relative_to(root)}" for name, place in places.items() if place}


__all__ = ["by_domain", "check", "installed", "matches", "programs", "rule", "sudoers"]
