"""The machine an agent runs on: the only way a provider touches it.

A dry run reads for real, and only notes down what would change the machine: all that changes files, `change`,
`execute`, `act`, `signal` and `remember`. `run` is for programs that only look; they always run.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import attrs
import trio
from trio.from_thread import check_cancelled

from agent import docker, machine, privileges, release
from agent.commands import Emit, Finished, run_program, silent
from agent.disk import Disk
from agent.dryrun import Rehearsal
from agent.files import KEPT, PIECE, Attributes, Files, Stat
from agent.machine import Space
from agent.policy import Policy
from agent.receive import Arrival
from agent.store import NoStore, Store
from agent.turns import Turns
from agent.uplink import Nowhere, Uplink
from osapi.deployments import Deployment
from osapi.errors import CommandFailed, NotFound, OperationError, Refused, TimedOut
from osapi.operations.process import Process
from osapi.registry import Facts, Interface
from osapi.results import Plan

T = TypeVar("T")

Pieces = AbstractAsyncContextManager[AsyncIterator[bytes]]
"""What something holds, in order, while it is open."""

MIB = 1024 * 1024
LAST_WORDS = 2000
"""Characters that are kept of what a failed command printed on each stream, the last ones."""


@attrs.frozen(kw_only=True, eq=False)
class Host:
    """Files under `root`, programs with the agent's privilege; one for each job.

    `family` is that of the distribution, `uid` the number of the agent's own user, `sudo` what goes before a program
    that needs root, `output_limit` how many bytes `execute` keeps of each output stream, `emit` who hears of them as
    they come. `facts` are those of the last minute, `store` is what the broker keeps for agents, `policy` says what
    `allowed` refuses, `versions` is the folder for versions of files that were replaced, `turns` keeps jobs apart
    that change the same file, `uplink` tells whether the broker is reached.
    Names of files are those the host itself has for them: absolute, without `root`; `agent.disk` says which links
    are followed.
    """

    root: Path = Path("/")
    family: str = "linux"
    hostname: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    uid: int = attrs.field(factory=os.geteuid)
    sudo: tuple[str, ...] = ()
    output_limit: int = MIB
    dry: bool = False
    emit: Emit = silent
    facts: Facts = attrs.field(factory=Facts)
    store: Store = attrs.field(factory=NoStore)
    policy: Policy = attrs.field(factory=Policy)
    versions: str = "/var/lib/osapi/agent/versions"
    turns: Turns = attrs.field(factory=Turns, repr=False)
    uplink: Uplink = attrs.field(factory=Nowhere)
    permit: Callable[[Sequence[str]], None] = privileges.check
    """Refuses commands that may not run as root."""
    threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(8), repr=False)
    files: Files = attrs.field(init=False, repr=False)

    @files.default
    def _files(self) -> Files:
        disk = Disk(self.root)
        return Rehearsal(disk, check_cancelled) if self.dry else disk

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
        return await self.in_thread(lambda: self.files.read(name), name)

    @asynccontextmanager
    async def pieces(self, name: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """What a file of any size holds; `NotFound` where there is none."""
        file = await self.in_thread(lambda: self.files.open(name), name)
        if file is None:
            raise NotFound(f"there is no file {name}")
        with file:
            yield Reading(self, file, name)

    async def digest(self, name: str) -> str | None:
        """SHA-256 of a file, in hex; None where there is none."""
        return await self.in_thread(lambda: self.files.digest(name, check_cancelled), name)

    async def stat(self, name: str, *, follow: bool = True) -> Stat | None:
        """What lies under a name; None where there is nothing. Without `follow`, a link is what it is."""
        return await self.in_thread(lambda: self.files.stat(name, follow=follow), name)

    async def link(self, name: str) -> str | None:
        """Where a symbolic link points; None where there is none."""
        return await self.in_thread(lambda: self.files.link(name), name)

    async def glob(self, pattern: str) -> list[str]:
        """The names that match a pattern, sorted."""
        return await self.in_thread(lambda: self.files.glob(pattern), pattern)

    async def walk(self, name: str) -> list[str]:
        """All names below a folder, each after that of its folder; links are not followed.

        `NotFound` where there is none, `Refused` where there are more than 100,000 names.
        """
        return await self.in_thread(lambda: self.files.walk(name, check_cancelled), name)

    async def allowed(self, name: str, *, tree: bool = False) -> None:
        """`Refused` where users' file operations may not touch a name, or what links lead it to.

        With `tree`, it is refused as well for what is above such a name: ask so before a folder is removed or
        moved with all in it. What else is done here is not held against the policy.
        """
        await self.in_thread(lambda: self.policy.check_on(Disk(self.root), name, tree=tree), name)

    async def write(self, name: str, text: str, mode: int | None = None) -> bool:
        """Make a file hold exactly `text`, in one step; True if that changed it. See `replace`."""
        return await self.replace(name, text.encode(errors="surrogateescape"), Attributes(mode=mode))

    async def replace(
        self, name: str, data: bytes, wanted: Attributes = KEPT, *, parents: bool = True
    ) -> bool:
        """Make a file hold exactly `data` and be as wanted, in one step; True if that changed it.

        Owner and mode of an existing file are kept, unless they are wanted otherwise. A new file is 0644, and
        missing folders are made, or without `parents` are `NotFound`.
        """
        return await self.in_thread(lambda: self.files.replace(name, data, wanted, parents=parents), name)

    async def receive(
        self,
        name: str,
        content: Callable[[], Pieces],
        sha256: str,
        wanted: Attributes = KEPT,
        *,
        size: int,
        parents: bool = True,
    ) -> bool:
        """`replace` for what is of any size: `content` is opened only where the file has another SHA-256.

        It takes its place when all of it has come and is what it should be; else nothing is changed, and that is
        `OperationError`. Where only mode or owner differ, they are set on the file that is there.
        """
        if await self.digest(name) == sha256:
            return await self.in_thread(lambda: self.files.set_attributes(name, wanted, follow=True), name)
        draft = await self.in_thread(lambda: self.files.draft(name, wanted, parents=parents), name)
        arrival = Arrival(name, sha256, size, draft)
        try:
            async with content() as pieces:
                async for piece in pieces:
                    if arrival.take(piece):
                        await self.in_thread(arrival.write, name)
            await self.in_thread(arrival.commit, name)
        finally:
            with trio.CancelScope(shield=True):
                await self.in_thread(draft.close, name)
        return True

    async def set_attributes(self, name: str, wanted: Attributes) -> bool:
        """Set mode and owner of a file or folder; True if that changed it. `NotFound`; a link is `Refused`."""
        return await self.in_thread(lambda: self.files.set_attributes(name, wanted), name)

    async def make_folder(self, name: str, wanted: Attributes = KEPT) -> bool:
        """Have a folder there that is as wanted; True if that changed anything.

        Those on the way to it are made, with 0755.
        """
        return await self.in_thread(lambda: self.files.make_folder(name, wanted), name)

    async def symlink(self, name: str, target: str) -> bool:
        """Make a name a symbolic link to `target`, in one step; True if that changed it."""
        return await self.in_thread(lambda: self.files.symlink(name, target), name)

    async def remove(self, name: str) -> bool:
        """Remove a file, or a link itself; True if there was one. A folder is `Refused`."""
        return await self.in_thread(lambda: self.files.remove(name), name)

    async def remove_folder(self, name: str) -> bool:
        """Remove an empty folder; True if there was one, `Conflict` where it is not empty."""
        return await self.in_thread(lambda: self.files.remove_folder(name), name)

    async def remove_tree(self, name: str) -> bool:
        """Remove whatever is there, a folder with all in it; True if there was something.

        `Refused` for folders that the system cannot be without, and where a file system is mounted below.
        """
        return await self.in_thread(lambda: self.files.remove_tree(name, check_cancelled), name)

    async def user_id(self, name: str) -> int:
        """The number of a user, given by name or as a number; `NotFound`."""
        return await self.in_thread(lambda: machine.user_id(name))

    async def group_id(self, name: str) -> int:
        """The number of a group, given by name or as a number; `NotFound`."""
        return await self.in_thread(lambda: machine.group_id(name))

    async def user_name(self, uid: int) -> str:
        """The name of a user; the number in text where there is none."""
        return await self.in_thread(lambda: machine.user_name(uid))

    async def group_name(self, gid: int) -> str:
        """The name of a group; the number in text where there is none."""
        return await self.in_thread(lambda: machine.group_name(gid))

    async def remember(self, deployment: Deployment) -> None:
        """Put a deployment on record; in a dry run there is none."""
        if not self.dry:
            await self.store.record(deployment)

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
        of the host can read the arguments. What is `privileged` must be on the list of `agent.privileges`.
        """
        if privileged:
            self.permit(argv)
        done = await run_program(
            [*(self.sudo if privileged else ()), *argv], cwd=self.root, timeout=timeout, input=input
        )
        if check and done.exit_code:
            raise CommandFailed(argv, done.exit_code, done.stderr[-LAST_WORDS:], done.stdout[-LAST_WORDS:])
        return done.stdout

    async def listen(self, *argv: str, seconds: float, emit: Emit) -> None:
        """Tell `emit` what a program that only looks prints within so long, as it comes; then it is ended.

        Errors as of `run`, of one that ends by itself.
        """
        with suppress(TimedOut):
            done = await run_program(argv, cwd=self.root, timeout=seconds, limit=LAST_WORDS, emit=emit)
            if done.exit_code:
                raise CommandFailed(argv, done.exit_code, done.stderr)

    async def change(
        self, *argv: str, privileged: bool = True, input: str | None = None, timeout: float = 60
    ) -> bool:
        """Run a program that changes the host; errors as of `run`. False where it is only noted down."""
        if privileged:
            self.permit(argv)
        if self._note(*argv):
            return False
        await self.run(*argv, privileged=privileged, input=input, timeout=timeout)
        return True

    async def execute(self, *argv: str, cwd: str | None = None, timeout: float = 60) -> Finished:
        """Run what a user asked for, in the folder `cwd` or else in `/`; output is told to `emit` as it comes.

        Any exit code is a result. Errors as of `run`.
        """
        if self._note(*argv):
            return Finished()
        folder = self.root / (cwd or "/").lstrip("/")
        return await run_program(argv, cwd=folder, timeout=timeout, limit=self.output_limit, emit=self.emit)

    async def act(self, argv: Sequence[str], action: Callable[[], Awaitable[T]], expected: T) -> T:
        """Change the host by other means than a program.

        A dry run notes down the command that would do the same, and goes on with what is `expected` of it.
        """
        return expected if self._note(*argv) else await action()

    def docker(self) -> AbstractAsyncContextManager[docker.Engine]:
        """Docker, while it is open; what changes anything in it goes through `act`.

        `Unsupported` where it is not installed, `Refused` where this agent may not use it.
        """
        return docker.connected(self.root, limit=self.output_limit, emit=self.emit)

    async def processes(self) -> list[Process]:
        """All processes of the host."""
        return await self.in_thread(machine.processes)

    async def process(self, pid: int) -> Process:
        """One process, or `NotFound`."""
        return await self.in_thread(lambda: machine.process(pid))

    async def signal(self, pid: int, name: str) -> None:
        """Send a signal such as `TERM`; `Refused` for the first process and the agent itself."""
        await self.in_thread(lambda: machine.check_signal(pid))
        if not self._note("kill", "-s", name, str(pid)):
            await self.in_thread(lambda: machine.signal(pid, name))

    async def interfaces(self) -> list[Interface]:
        """The network interfaces that are up, without the loopback."""
        return await self.in_thread(machine.interfaces)

    async def space(self, folder: str) -> Space:
        """The room of the file system that holds a folder."""
        return await self.in_thread(lambda: machine.space(self.root / folder.lstrip("/")), folder)

    def _note(self, *argv: str) -> bool:
        """Whether a command is only noted down."""
        if isinstance(self.files, Rehearsal):
            self.files.commands.append(list(argv))
        return self.dry

    async def in_thread(self, work: Callable[[], T], name: str = "the host") -> T:
        """What blocks, and its errors in words."""
        try:
            return await trio.to_thread.run_sync(work, limiter=self.threads)
        except PermissionError:
            raise Refused(f"{name}: permission denied") from None
        except OSError as error:
            raise OperationError(f"{name}: {error.strerror or error}") from error


@attrs.frozen
class Reading:
    """The pieces of an open file."""

    host: Host
    file: BinaryIO
    name: str

    def __aiter__(self) -> "Reading":
        return self

    async def __anext__(self) -> bytes:
        if piece := await self.host.in_thread(lambda: self.file.read(PIECE), self.name):
            return piece
        raise StopAsyncIteration
