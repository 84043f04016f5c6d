"""What happens to jobs while they run: a line of progress, the output of commands, streams of events."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any, TextIO, TypeVar

import attrs
import trio

from osapi import wire
from osapi.cli import ask, formats
from osapi.cli.session import Session
from osapi.client import Client, Streamed, Terms
from osapi.errors import Error, NotFound, Unavailable
from osapi.jobs import EventKind
from osapi.operation import Operation

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that a job may take before anything is shown of it."""

TICK = 0.2
"""Seconds between two looks at what there is to show, and between two tries."""


@attrs.define
class Progress:
    """How many hosts a job is for, and which have answered."""

    hosts: int = 0
    answered: set[str] = attrs.field(factory=set)

    def see(self, event: Streamed) -> None:
        if event.event == EventKind.SUBMITTED:
            self.hosts = event.data["data"]["hosts"]
        elif event.event == EventKind.FINISHED:
            self.answered.add(event.data["hostname"])

    def line(self, seconds: float) -> str:
        if not self.hosts:
            return f"waiting for hosts, {seconds:.0f} s"
        return f"{len(self.answered)}/{self.hosts} hosts answered, {seconds:.0f} s"


async def with_progress(osapi: Client, asked: Operation[Any], terms: Terms) -> bytes:
    """The answer; while it is waited for, a line on standard error tells how many hosts have answered."""
    progress = Progress()

    async def report() -> None:
        start = trio.current_time()
        await trio.sleep(PATIENCE)
        try:
            while True:
                _status(progress.line(trio.current_time() - start))
                await trio.sleep(TICK)
        finally:
            _status("")

    async def follow() -> None:
        await trio.sleep(PATIENCE)
        await _follow(osapi, terms.job_id, progress.see)

    return await _beside(lambda: ask.answer(osapi, asked, terms), report, follow)


async def live(osapi: Client, asked: Operation[Any], terms: Terms, said: Session) -> int:
    """Print what a command prints, as it comes; returns the highest exit code of the hosts."""
    output = Output({name for name in ("stdout", "stderr") if getattr(said, name)})
    whole = trio.Event()

    async def follow() -> None:
        await trio.sleep(PATIENCE)
        await _follow(osapi, terms.job_id, output.see)
        whole.set()

    async def answered() -> bytes:
        body = await ask.answer(osapi, asked, terms)
        if output.received:
            with trio.move_on_after(PATIENCE):
                await whole.wait()
        return body

    items = ask.items(await _beside(answered, follow))
    for item in sorted(items, key=lambda item: formats.natural(str(item["hostname"]))):
        output.finish(item)
    return max([ask.exit_code(items), *(item.get("exit_code") or 0 for item in items)])


@attrs.define
class Output:
    """The output of a command on many hosts, printed as `[hostname] line`."""

    wanted: set[str]
    received: dict[tuple[str, str], str] = attrs.field(factory=dict)
    _last: dict[str, int] = attrs.field(factory=dict)
    _gaps: set[str] = attrs.field(factory=set)

    def see(self, event: Streamed) -> None:
        """Print the lines that an event completes."""
        host = str(event.data.get("hostname"))
        number = event.data.get("number") or 0
        if number and number != self._last.get(host, 0) + 1:
            self._gaps.add(host)
        self._last[host] = number or self._last.get(host, 0)
        if event.event == EventKind.OUTPUT:
            self._add(host, event.data["data"]["stream"], event.data["data"]["text"])

    def finish(self, item: ask.Item) -> None:
        """Print what has not come yet, now that the answer tells all of it."""
        host = str(item["hostname"])
        for stream in sorted(self.wanted, reverse=True):
            received, complete = self.received.get((host, stream), ""), item.get(stream) or ""
            if complete.startswith(received):
                self._add(host, stream, complete[len(received) :])
            elif host in self._gaps:
                _say(
                    sys.stderr, host, f"some of its {stream} is missing above; `osapi client job get` has it"
                )
            if not self.received.get((host, stream), "\n").endswith("\n"):
                self._add(host, stream, "\n")
        if error := item.get("error"):
            _say(sys.stderr, host, f"Error: {error}")

    def _add(self, host: str, stream: str, text: str) -> None:
        if stream not in self.wanted or not text:
            return
        before = self.received.get((host, stream), "")
        self.received[host, stream] = before + text
        *lines, _ = (before[before.rfind("\n") + 1 :] + text).split("\n")
        for line in lines:
            _say(sys.stdout if stream == "stdout" else sys.stderr, host, line)


async def tell(osapi: Client, job_id: str | None, said: Session) -> int:
    """Print the events of one job until it has ended, or of all jobs until it is told to stop."""

    def say(event: Streamed) -> None:
        if said.output == "json":
            text = wire.encode({"id": event.id, "event": event.event, "data": event.data}).decode()
        else:
            text = described(event, every=job_id is None)
        _print(sys.stdout, text)

    await _follow(osapi, job_id, say, stubborn=True)
    return 0


def described(event: Streamed, *, every: bool) -> str:
    """An event as lines for a person; of `every` job, with its id."""
    data = event.data
    inner = data.get("data") or {}
    head = [formats.clock(data.get("time")) or "--:--:--", data.get("job_id", "") if every else ""]
    head = [*filter(None, head), data.get("hostname") or "-"]
    if event.event == EventKind.OUTPUT:
        lines = str(inner.get("text", "")).splitlines()
        return "\n".join(
            "  ".join([*head, f"{inner.get('stream')}: {formats.printable(line)}"]) for line in lines
        )
    known = inner if "kind" in data else {name: value for name, value in data.items() if name != "job_id"}
    return "  ".join(filter(None, [*head, event.event, formats.text(known)]))


async def _follow(
    osapi: Client, job_id: str | None, see: Callable[[Streamed], None], *, stubborn: bool = False
) -> None:
    """Hand on events from the first.

    Beside a request it gives up where it is not let in; a job that is not there yet may still come. Where
    that is all there is to do, it is `stubborn`: it comes back after the stream breaks off.
    """
    after: str | None = None
    while True:
        try:
            async with osapi.events(job_id, after=after) as events:
                async for event in events:
                    see(event)
                    after = event.id
            if job_id:
                return
        except NotFound:
            if stubborn:
                raise
        except Unavailable:
            if not stubborn or after is None:
                raise
            _print(sys.stderr, "the stream broke off; trying to resume it")
        await trio.sleep(TICK)


async def _beside(what: Callable[[], Awaitable[T]], *companions: Callable[[], Awaitable[None]]) -> T:
    """What `what` comes to; its companions stop with it, and their failures are no one's concern."""
    found: list[T] = []
    failure: Error | None = None

    async def accompany(companion: Callable[[], Awaitable[None]]) -> None:
        try:
            await companion()
        except Error:
            return

    async with trio.open_nursery() as nursery:
        for companion in companions:
            nursery.start_soon(accompany, companion)
        try:
            found.append(await what())
        except Error as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure:
        raise failure
    return found[0]


def _status(line: str) -> None:
    """Put a line in place of the one before; it is gone when something else is printed."""
    sys.stderr.write(f"\r\x1b[K{line}")
    sys.stderr.flush()


def _say(stream: TextIO, host: str, line: str) -> None:
    _print(stream, f"[{host}] {line}")


def _print(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()
