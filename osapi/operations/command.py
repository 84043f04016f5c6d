"""Commands run on hosts."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.results import Changed

Program = Annotated[str, text(r"[^\x00]+", "Program to run, found on PATH", example="uname")]
Script = Annotated[
    str, text(r"[^\x00]+", "Command line for /bin/sh", example="df -h | tail -n +2", most=131072)
]
Argument = Annotated[str, text(r"[^\x00]*", "Argument of the program", example="-a", most=131072)]
Folder = Annotated[str, text(r"/[^\x00]*", "Folder to run it in", example="/srv")]
Timeout = Annotated[int, msgspec.Meta(ge=1, le=300, description="Seconds it may take before it is killed")]


@attrs.frozen(kw_only=True)
class CommandResult(Changed):
    """How a command ended.

    Output beyond the limit of the agent is cut in the middle, with a mark that says how much; bytes that
    are not UTF-8 are replaced. An exit code other than 0 is a result, not a failure.
    """

    stdout: str
    stderr: str
    exit_code: int
    duration_ms: int


class Exec(
    Operation[CommandResult],
    POST="/command/exec",
    permission="command:execute",
    success=202,
    repeatable=False,
):
    """Run a program with arguments, without a shell."""

    command: Program
    args: list[Argument] = attrs.field(factory=list)
    cwd: Folder | None = None
    timeout: Timeout = 30


class Shell(
    Operation[CommandResult],
    POST="/command/shell",
    permission="command:execute",
    success=202,
    repeatable=False,
):
    """Run a command line with /bin/sh."""

    command: Script
    cwd: Folder | None = None
    timeout: Timeout = 30
