"""Secrets that a command asks for: from standard input or a terminal, and from the command line with a warning."""

import sys

from osapi.errors import BadInput
from osapi.operation import Parameter

STDIN = "-"
"""What stands for standard input in the place of a value."""


def told(parameter: Parameter, given: str | None) -> str | None:
    """The secret that an option stands for; one that is needed and not given is asked for on a terminal."""
    if given is not None and given != STDIN:
        sys.stderr.write(
            f"Warning: --{parameter.flag}: other users of this machine can see it in the list of processes; "
            f"`--{parameter.flag} -` reads it from standard input\n"
        )
        return given
    if given is None and not parameter.required:
        return None
    if sys.stdin.isatty():
        return typed(parameter)
    if given is None:
        reason = f"it is needed; `--{parameter.flag} -` reads it from standard input"
        raise BadInput(f"{parameter.name}: {reason}", parameter.name)
    return line(parameter)


def line(parameter: Parameter) -> str:
    """The next line of standard input."""
    data = sys.stdin.buffer.readline()
    try:
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise BadInput(f"{parameter.name}: what standard input has is not UTF-8", parameter.name) from None
    if not text:
        raise BadInput(f"{parameter.name}: there is none on standard input", parameter.name)
    return text


def typed(parameter: Parameter) -> str:
    """What is typed on the terminal, twice and without being shown."""
    from getpass import getpass

    name = parameter.flag.replace("-", " ")
    try:
        first, again = getpass(f"{name.capitalize()}: "), getpass(f"Repeat the {name}: ")
    except EOFError:
        raise BadInput(f"{parameter.name}: none was typed", parameter.name) from None
    if first != again:
        raise BadInput(f"{parameter.name}: the two are not the same", parameter.name)
    return first
