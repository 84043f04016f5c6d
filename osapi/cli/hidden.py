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
        return typed(parameter.flag.replace("-", " "), parameter.name)
    if given is None:
        reason = f"it is needed; `--{parameter.flag} -` reads it from standard input"
        raise BadInput(f"{parameter.name}: {reason}", parameter.name)
    return line(parameter.name)


def line(field: str) -> str:
    """The next line of standard input; errors name the field that it is for."""
    data = sys.stdin.buffer.readline()
    try:
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise BadInput(f"{field}: what standard input has is not UTF-8", field) from None
    if not text:
        raise BadInput(f"{field}: there is none on standard input", field)
    return text


def typed(name: str, field: str, *, repeat: bool = True) -> str:
    """What is typed on the terminal without being shown, twice where it is new."""
    from getpass import getpass

    try:
        first = getpass(f"{name.capitalize()}: ")
        again = getpass(f"Repeat the {name}: ") if repeat else first
    except EOFError:
        raise BadInput(f"{field}: none was typed", field) from None
    if first != again:
        raise BadInput(f"{field}: the two are not the same", field)
    return first
