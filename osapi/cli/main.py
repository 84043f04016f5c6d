"""`osapi`: starts the command line. What goes wrong ends here, as a line and an exit code.

Exit codes: 0 done, 1 failed, 2 not understood (usage, input, configuration), 3 failed on some hosts or some
did not answer, 4 no host answered in time, 5 not allowed, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, cast

from osapi import __version__

if TYPE_CHECKING:
    from osapi.cli.session import Session

COMPLETE = "_OSAPI_COMPLETE"
"""The variable in which a shell asks for completions."""

FAILED, MISUNDERSTOOD, NOT_ALLOWED, INTERRUPTED = 1, 2, 5, 130


def main() -> int:
    """The program; returns its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["version"]:
        sys.stdout.write(f'{{"version":"{__version__}"}}\n')
        return 0
    if arguments == ["--version"]:
        sys.stdout.write(f"osapi {__version__}\n")
        return 0
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")
    try:
        code = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read has gone, `head` for one. Python flushes once more at its end, then to nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def run(arguments: Sequence[str]) -> int:
    """One command line; errors are printed, and returned as an exit code."""
    import asyncclick as click
    import trio

    from osapi.cli.root import root
    from osapi.cli.session import Session
    from osapi.errors import Error

    # httpx has a command line of its own, and would import all it draws with: a fifth of what a command takes.
    sys.modules.setdefault("httpx._main", cast(ModuleType, None))
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    said = Session()
    start = partial(root.main, prog_name="osapi", complete_var=COMPLETE, standalone_mode=False, obj=said)
    try:
        return int(trio.run(start, _readable(arguments)) or 0)
    except (Error, click.ClickException, click.Abort, KeyboardInterrupt, BaseExceptionGroup) as error:
        return _explain(error, said)


def _readable(arguments: Sequence[str]) -> Sequence[str]:
    from osapi.errors import BadInput

    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise BadInput(f"{argument!r} is not UTF-8") from None
    return arguments


def _explain(error: BaseException, said: "Session") -> int:
    """Say what went wrong, and what to do; returns the exit code."""
    import asyncclick as click

    from osapi.errors import BadInput, ConfigError, NotAllowed, NotAuthenticated

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, KeyboardInterrupt):
        click.echo(err=True)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return 0
    if said.debug:
        import traceback

        traceback.print_exception(error)
    click.echo(f"Error: {_message(error)}", err=True)
    if isinstance(error, BadInput | ConfigError | click.UsageError):
        return MISUNDERSTOOD
    return NOT_ALLOWED if isinstance(error, NotAuthenticated | NotAllowed) else FAILED


def _message(error: BaseException) -> str:
    import asyncclick as click

    from osapi.errors import NotAuthenticated

    if isinstance(error, NotAuthenticated):
        return (
            f"{error}\nMake a token with `osapi token generate`, and give it to `osapi context set`, "
            "or set controller.client.security.bearer_token."
        )
    if isinstance(error, click.UsageError) and error.ctx:
        return f"{error.format_message()}\nSee: {error.ctx.command_path} --help"
    return error.format_message() if isinstance(error, click.ClickException) else str(error)


if __name__ == "__main__":
    sys.exit(main())
