"""What cron and timers run: objects of the object store, deployed where only root may write."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from agent.deploy import Wanted, deploy
from agent.files import Attributes
from agent.host import Host
from osapi.errors import Refused

FOLDER = "/usr/local/lib/osapi"
ROOTS = Attributes(mode=0o755, uid=0, gid=0)

BEGINNINGS = b"#!", b"\x7fELF"
"""Of scripts (execve(2)) and of programs (elf(5))."""


async def put(
    host: Host,
    path: str,
    object_name: str,
    *,
    content_type: str | None,
    vars: Mapping[str, Any] | None,
    check: Callable[[bytes], Awaitable[object]] | None = None,
) -> bool:
    """Have an object in a folder below FOLDER, for all to run; True if that changed anything.

    What the kernel could not run is refused, or what `check` raises for. The `vars` are on record with it.
    """
    wanted = Wanted(
        object_name=object_name,
        path=path,
        content_type=content_type,
        mode="0755",
        owner="root",
        group="root",
        vars=vars,
        metadata={"vars": dict(vars)} if vars else None,
        check=check or partial(check_runs, object_name=object_name),
    )
    deployed = await deploy(host, wanted)
    folders = [await host.make_folder(folder, ROOTS) for folder in (FOLDER, path.rpartition("/")[0])]
    return deployed.changed or any(folders)


async def check_runs(content: bytes, *, object_name: str, by_shell: bool = False) -> None:
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
