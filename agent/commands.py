"""Programs: started, listened to, and ended together with all that they started.

A program leads a session of its own (setsid(2)). When it ends, is cancelled or takes too long, what is left
of that session and below it gets SIGTERM, and SIGKILL two seconds later. A daemon that a program has properly
detached before it ended (a session of its own, another parent) is left alone.
"""

import codecs
import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import attrs
import structlog
import trio

from agent.traced import running
from osapi.errors import NotFound, OperationError, Refused, TimedOut

Emit = Callable[[str, str], None]
"""Takes a piece of output as it comes: `stdout` or `stderr`, and the text. It must not block."""

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
LINGER = 1.0
"""Seconds in which what a program left running when it ended may finish, or detach itself."""
PATIENCE = 0.05
"""Seconds between two looks at what is left."""
CHUNK = 65536
CONTINUATION = bytes(range(0x80, 0xC0))
"""What a character in UTF-8 goes on with, after its first byte (RFC 3629)."""

PRIVATE = (
    "OSAPI_", "NOTIFY_", "WATCHDOG_", "LISTEN_", "CREDENTIALS_", "JOURNAL_", "SYSTEMD_", "STATE_DIRECTORY",
    "INVOCATION_ID",
)  # fmt: skip
"""What starts so in the agent's environment is its own, secrets among it, and is not handed on."""

log = structlog.get_logger()


def silent(_stream: str, _text: str) -> None:
    """Nobody listens."""


@attrs.frozen(kw_only=True)
class Finished:
    """How a program ended; killed by signal n, its `exit_code` is 128 + n, as in a shell. Times in seconds."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0
    duration: float = 0.0


async def run_program(
    argv: Sequence[str],
    *,
    cwd: Path,
    timeout: float,
    input: str | None = None,
    limit: int | None = None,
    emit: Emit = silent,
) -> Finished:
    """Run a program to its end; its standard input is `input`, or closed.

    Of each output stream the first and last `limit // 2` bytes are kept, all of it where there is no limit.
    What is not UTF-8 is replaced. Raises `NotFound`, `Refused` or `OperationError` where the program cannot be
    started, and `TimedOut`.
    """
    with running(argv) as span:
        began = trio.current_time()
        process = await _start(argv, cwd, subprocess.DEVNULL if input is None else subprocess.PIPE)
        outputs = Output("stdout", limit, emit), Output("stderr", limit, emit)
        try:
            with trio.move_on_after(timeout):
                await _converse(process, input, *outputs)
            if process.returncode is None:
                raise TimedOut(f"{argv[0]} took longer than {timeout:g} s and was ended")
        finally:
            await _end(process)
        code = await process.wait()
        finished = Finished(
            stdout=outputs[0].text(),
            stderr=outputs[1].text(),
            exit_code=128 - code if code < 0 else code,
            duration=trio.current_time() - began,
        )
        span.note({"process.exit.code": finished.exit_code})
    return finished


async def _start(argv: Sequence[str], cwd: Path, stdin: int) -> trio.Process:
    pipe = subprocess.PIPE
    try:
        return await trio.lowlevel.open_process(
            argv,
            stdin=stdin,
            stdout=pipe,
            stderr=pipe,
            cwd=str(cwd),
            env=environment(os.environ),
            start_new_session=True,
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        what = f"folder {cwd}" if error.filename == str(cwd) else f"program {argv[0]}"
        raise NotFound(f"there is no {what}") from None
    except PermissionError as error:
        raise Refused(f"permission denied: {error.filename}") from None
    except OSError as error:
        raise OperationError(f"{argv[0]} cannot be started: {error.strerror}") from None


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What programs see of the agent's environment; they speak the same language on every host."""
    handed_on = {name: value for name, value in own.items() if not name.startswith(PRIVATE)}
    return {"HOME": home(), **handed_on, "LC_ALL": "C.UTF-8"}


def home() -> str:
    """The folder of the agent's user: systemd starts a service without HOME, which many programs want."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # a user without an entry, as in some containers
        return "/"


async def _converse(process: trio.Process, input: str | None, stdout: "Output", stderr: "Output") -> None:
    """Until it has ended and its output has come; what it left running then has a moment more."""
    async with trio.open_nursery() as pipes:
        assert process.stdout
        assert process.stderr
        pipes.start_soon(_listen, process.stdout, stdout)
        pipes.start_soon(_listen, process.stderr, stderr)
        if process.stdin:
            pipes.start_soon(_feed, process.stdin, (input or "").encode(errors="surrogateescape"))
        await process.wait()
        pipes.cancel_scope.deadline = trio.current_time() + LINGER
        await _until_alone(process.pid)


async def _until_alone(leader: int) -> None:
    """Until nothing of its session runs; a daemon leaves that only after the program that started it ended."""
    with suppress(ProcessLookupError):
        while True:
            with suppress(PermissionError):
                os.killpg(leader, 0)  # tells at once in most cases; what has ended may still count
            if not await trio.to_thread.run_sync(relatives, leader, frozenset()):
                return
            await trio.sleep(PATIENCE)


async def _feed(stdin: trio.abc.SendStream, data: bytes) -> None:
    async with stdin:
        with suppress(trio.BrokenResourceError):  # it need not read all of it
            await stdin.send_all(data)


async def _listen(stream: trio.abc.ReceiveStream, output: "Output") -> None:
    while data := await stream.receive_some(CHUNK):
        output.take(data)
    output.take(b"", final=True)


@attrs.define
class Output:
    """One output stream: told as it comes, and kept, without the middle where it is longer than the limit."""

    stream: str
    limit: int | None
    emit: Emit
    _head: bytearray = attrs.field(factory=bytearray)
    _tail: bytearray = attrs.field(factory=bytearray)
    _left_out: int = 0
    _decoder: codecs.IncrementalDecoder = attrs.field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def take(self, data: bytes | bytearray, *, final: bool = False) -> None:
        if text := self._decoder.decode(data, final):
            self.emit(self.stream, text)
        if self.limit is None:
            self._head += data
            return
        room = max(0, self.limit // 2 - len(self._head))
        self._head += data[:room]
        self._tail += data[room:]
        if (surplus := len(self._tail) - (self.limit - self.limit // 2)) > 0:
            self._left_out += surplus
            del self._tail[:surplus]

    def text(self) -> str:
        """What was kept, with a mark where bytes were left out, a character that was cut in two among them."""
        if not self._left_out:
            return (self._head + self._tail).decode(errors="replace")
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        head = decoder.decode(self._head)
        cut = len(decoder.getstate()[0])
        rest = len(self._tail) - len(self._tail.lstrip(CONTINUATION))
        rest = rest if rest < 4 else 0  # more than a character has: no text
        tail = self._tail[rest:].decode(errors="replace")
        return f"{head}\n[… {self._left_out + cut + rest} bytes left out …]\n{tail}"


async def _end(process: trio.Process) -> None:
    """Leave nothing of it behind; also when cancelled."""
    with trio.CancelScope(shield=True):
        await end_session(process.pid, reap=process.poll)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                await stream.aclose()


async def end_session(leader: int, reap: Callable[[], object] = lambda: None) -> None:
    """End the session that a process leads, with all that descends from it; `reap` is for one of ours."""
    family: set[Relative] = set()
    for number in (signal.SIGTERM, signal.SIGKILL):
        with trio.move_on_after(GRACE):
            await _see_off(leader, family, number, reap)
    if family:
        log.warning("processes outlive their command", pids=sorted(pid for pid, _ in family))


async def _see_off(
    leader: int, family: set["Relative"], number: signal.Signals, reap: Callable[[], object]
) -> None:
    """Signal each of a family once, those that are born meanwhile too, until none is left."""
    told: set[Relative] = set()
    while True:
        reap()
        found = await trio.to_thread.run_sync(relatives, leader, frozenset(family))
        family.clear()
        family |= found
        for relative in found - told:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(relative[0], number)
        told |= found
        if not found:
            return
        await trio.sleep(PATIENCE)


Relative = tuple[int, int]
"""A process: its id, and when it started, in ticks since boot; ids alone are used again."""


@attrs.frozen
class _Living:
    parent: int
    session: int
    started: int


def relatives(leader: int, known: frozenset[Relative], proc: Path = Path("/proc")) -> set[Relative]:
    """The living processes in the session of `leader`, those of `known`, and all that descend from either."""
    living = dict(_living(proc))
    found = {pid for pid, one in living.items() if one.session == leader or (pid, one.started) in known}
    while children := {pid for pid, one in living.items() if one.parent in found} - found:
        found |= children
    return {(pid, living[pid].started) for pid in found}


def _living(proc: Path) -> Iterator[tuple[int, _Living]]:
    for folder in proc.glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        # proc_pid_stat(5); the name in parentheses may hold anything
        fields = stat.rpartition(")")[2].split()
        if fields[0] not in {"Z", "X"}:
            yield int(folder.name), _Living(int(fields[1]), int(fields[3]), int(fields[19]))
