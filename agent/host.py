"""The machine an agent runs on: the only way a provider touches it.

A dry run reads for real, and only notes down what would change the machine: `write`, `symlink`, `remove`,
`change`, `execute` and `signal`. `run` is for programs that only look; they always run.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from agent import machine, release
from agent.commands import Emit, Finished, run_program, silent
from agent.dryrun import Rehearsal
from agent.files import Disk, Files, Stat
from agent.machine import Space
from osapi.errors import CommandFailed, OperationError, Refused
from osapi.operations.process import Process
from osapi.registry import Interface
from osapi.results import Plan

T = TypeVar("T")

MIB = 1024 * 1024
LAST_WORDS = 2000
"""Characters of standard error that the message of a failed command ends with."""


@attrs.frozen(kw_only=True, eq=False)
class Host:
    """Files under `root`, programs with the agent's privilege; one for each job.

    `family` is that of the distribution, `sudo` what goes before a program that needs root, `output_limit` how
    many bytes `execute` keeps of each output stream, `emit` who hears of them as they come. Names of files
    are those the host itself has for them: absolute, without `root`.
    """

    root: Path = Path("/")
    family: str = "linux"
    hostname: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    sudo: tuple[str, ...] = ()
    output_limit: int = MIB
    dry: bool = False
    emit: Emit = silent
    threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(8), repr=False)
    files: Files = attrs.field(init=False, repr=False)

    @files.default
    def _files(self) -> Files:
        disk = Disk(self.root)
        return Rehearsal(disk) if self.dry else disk

    @classmethod
    def detect(
        cls, root: Path = Path("/"), *, labels: Mapping[str, str] | None = None, output_limit: int = MIB
    ) -> "Host":
        """The host as its distribution and kernel name it; this blocks."""
        disk = Disk(root)
        text = next(filter(None, map(disk.read, release.NAMES)), b"").decode(errors="replace")
        return cls(
            root=root,
            family=release.family(release.parse(text)),
            hostname=(disk.read("/proc/sys/kernel/hostname") or b"").decode().strip(),
            labels=labels or {},
            output_limit=output_limit,
        )

    @property
    def plan(self) -> Plan | None:
        """What a dry run would have done so far; None for real."""
        return self.files.plan() if isinstance(self.files, Rehearsal) else None

    async def read(self, name: str) -> str | None:
        """The text of a file; None where there is none. Bytes that are not UTF-8 survive a `write` of it."""
        data = await self.read_bytes(name)
        return None if data is None else data.decode(errors="surrogateescape")

    async def read_bytes(self, name: str) -> bytes | None:
        """What a file holds; None where there is none."""
        return await self._in_thread(lambda: self.files.read(name), name)

    async def stat(self, name: str) -> Stat | None:
        """What lies under a name; None where there is nothing."""
        return await self._in_thread(lambda: self.files.stat(name), name)

    async def link(self, name: str) -> str | None:
        """Where a symbolic link points; None where there is none."""
        return await self._in_thread(lambda: self.files.link(name), name)

    async def glob(self, pattern: str) -> list[str]:
        """The names that match a pattern, sorted."""
        return await self._in_thread(lambda: self.files.glob(pattern), pattern)

    async def write(self, name: str, text: str, mode: int | None = None) -> bool:
        """Make a file hold exactly `text`, in one step; True if that changed it.

        Owner and mode of an existing file are kept, unless `mode` is given. A new file is 0644, and missing
        folders are made. `agent.files` says which links are followed.
        """
        data = text.encode(errors="surrogateescape")
        return await self._in_thread(lambda: self.files.replace(name, data, mode), name)

    async def symlink(self, name: str, target: str) -> bool:
        """Make a name a symbolic link to `target`, in one step; True if that changed it."""
        return await self._in_thread(lambda: self.files.symlink(name, target), name)

    async def remove(self, name: str) -> bool:
        """Remove a file, or a link itself; True if there was one."""
        return await self._in_thread(lambda: self.files.remove(name), name)

    async def run(
        self,
        *argv: str,
        privileged: bool = False,
        input: str | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> str:
        """What a program that changes nothing prints; `CommandFailed` where it exits with other than 0.

        Raises `NotFound` where there is no such program, and `TimedOut`. Secrets go into `input`: every user
        of the host can read the arguments.
        """
        done = await run_program(
            [*(self.sudo if privileged else ()), *argv], cwd=self.root, timeout=timeout, input=input
        )
        if check and done.exit_code:
            raise CommandFailed(argv, done.exit_code, done.stderr[-LAST_WORDS:])
        return done.stdout

    async def change(
        self, *argv: str, privileged: bool = True, input: str | None = None, timeout: float = 60
    ) -> None:
        """Run a program that changes the host; errors as of `run`."""
        if not self._note(*argv):
            await self.run(*argv, privileged=privileged, input=input, timeout=timeout)

    async def execute(self, *argv: str, cwd: str | None = None, timeout: float = 60) -> Finished:
        """Run what a user asked for, in the folder `cwd` or else in `/`; output is told to `emit` as it comes.

        Any exit code is a result. Errors as of `run`.
        """
        if self._note(*argv):
            return Finished()
        folder = self.root / (cwd or "/").lstrip("/")
        return await run_program(argv, cwd=folder, timeout=timeout, limit=self.output_limit, emit=self.emit)

    async def processes(self) -> list[Process]:
        """All processes of the host."""
        return await self._in_thread(machine.processes)

    async def process(self, pid: int) -> Process:
        """One process, or `NotFound`."""
        return await self._in_thread(lambda: machine.process(pid))

    async def signal(self, pid: int, name: str) -> None:
        """Send a signal such as `TERM`; `Refused` for the first process and the agent itself."""
        await self._in_thread(lambda: machine.check_signal(pid))
        if not self._note("kill", "-s", name, str(pid)):
            await self._in_thread(lambda: machine.signal(pid, name))

    async def interfaces(self) -> list[Interface]:
        """The network interfaces that are up, without the loopback."""
        return await self._in_thread(machine.interfaces)

    async def space(self, folder: str) -> Space:
        """The room of the file system that holds a folder."""
        return await self._in_thread(lambda: machine.space(self.root / folder.lstrip("/")), folder)

    def _note(self, *argv: str) -> bool:
        """Whether a command is only noted down."""
        if isinstance(self.files, Rehearsal):
            self.files.commands.append(list(argv))
        return self.dry

    async def _in_thread(self, work: Callable[[], T], name: str = "the host") -> T:
        """What blocks, and its errors in words."""
        try:
            return await trio.to_thread.run_sync(work, limiter=self.threads)
        except PermissionError:
            raise Refused(f"{name}: permission denied") from None
        except OSError as error:
            raise OperationError(f"{name}: {error.strerror or error}") from error
