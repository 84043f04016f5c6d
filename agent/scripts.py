"""What cron and timers run: objects of the object store, deployed where only root may write."""

from osapi.errors import Refused

FOLDER = "/usr/local/lib/osapi"

BEGINNINGS = b"#!", b"\x7fELF"
"""Of scripts (execve(2)) and of programs (elf(5))."""


async def check(content: bytes, *, object_name: str, by_shell: bool = False) -> None:
    """`Refused` where it could not be run; a shell also runs what does not begin with an interpreter."""
    first = content.partition(b"\n")[0]
    if not content.strip():
        raise Refused(f"the object {object_name} is empty; there is nothing to run")
    if first.endswith(b"\r"):
        raise Refused(f"the object {object_name} has the line ends of Windows, with which it would not run")
    if not by_shell and not first.startswith(BEGINNINGS):
        raise Refused(
            f"the object {object_name} is no script: its first line must be #! and an interpreter, such as #!/bin/sh"
        )
