"""Checks of a file before it takes the place of one that works: by the program that is going to read it."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from secrets import token_hex

import trio

from agent.files import Attributes
from agent.host import Host
from agent.privileges import FOLDERS
from osapi.errors import CommandFailed, Refused

FILE = "%s"
"""Stands for the name of a file with the new content; without it, the content is the standard input."""

CHECKS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"/etc/sudoers(\.d/[^/]+)?"), ("visudo", "-c", "-f", "-")),
    (
        re.compile(r"/etc/ssh/sshd_config(\.d/[^/]+\.conf)?"),
        ("sshd", "-t", "-f", "/dev/stdin"),
    ),
    (
        re.compile(r"/etc/nginx/nginx\.conf"),
        ("nginx", "-t", "-c", FILE),
    ),  # it reads no pipe, and includes beside it
)
"""Which program checks which files: visudo(8), sshd(8), nginx(8)."""

NOT_RUNNING = "Missing privilege separation directory"
"""What sshd says where it does not run, after it has found no error in its configuration."""


def check_of(path: str, argv: Sequence[str] | None = None) -> Sequence[str] | None:
    """The program that checks a file: `argv`, or what is known for its path; None where nothing is."""
    return argv or next((check for pattern, check in CHECKS if pattern.fullmatch(path)), None)


async def validate(host: Host, path: str, content: bytes, argv: Sequence[str] | None = None) -> None:
    """Have a program check what is to become of a file; `Refused` with its message where it objects.

    A program that is not installed checks nothing. A check that needs a file is none of what a dry run can do:
    it is told as a command.
    """
    check = check_of(path, argv)
    program = await _installed(host, check[0]) if check else None
    if not check or not program:
        return
    try:
        if FILE in check:
            await _check_file(host, path, content, (program, *check[1:]))
        else:
            text = content.decode(errors="surrogateescape")
            await host.run(program, *check[1:], privileged=True, input=text)
    except CommandFailed as error:
        if NOT_RUNNING not in error.stderr:
            said = error.stderr.strip() or f"exit status {error.exit_code}"
            raise Refused(f"{path} was left as it is: {check[0]} refuses the new content: {said}") from None


async def _installed(host: Host, program: str) -> str | None:
    """Where a program is; sshd(8) wants to be called by that."""
    for name in (program,) if program.startswith("/") else (f"{folder}/{program}" for folder in FOLDERS):
        if await host.stat(name):
            return name
    return None


async def _check_file(host: Host, path: str, content: bytes, check: Sequence[str]) -> None:
    """With a file in the same folder, which relative names in it refer to."""
    place = PurePosixPath(path)
    name = str(place.with_name(f".osapi-{token_hex(8)}-{place.name}"))
    try:
        await host.replace(name, content, Attributes(mode=0o600))
        await host.change(*(name if word == FILE else word for word in check))
    finally:
        with trio.CancelScope(shield=True):
            await host.remove(name)
