"""Docker on this host: the Engine's REST API over its unix socket.

The newest version of it that both sides know is spoken. Source: https://docs.docker.com/reference/api/engine/.
"""

import errno
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs
import trio

from agent.commands import PATIENCE, Emit, Finished, Output, end_session
from agent.docker_objects import Reference
from agent.docker_streams import STDERR, STDOUT, Frames, Lines, Pull
from osapi.errors import Conflict, Error, NotFound, OperationError, Refused, TimedOut, Unsupported

if TYPE_CHECKING:
    import httpx

SOCKET = "var/run/docker.sock"
PROGRAMS = ("usr/sbin/dockerd", "usr/bin/dockerd")
"""Where the Engine is, from Debian and from Docker."""
NEWEST = (1, 45)
"""The newest version of the API that this module was tried with."""

CONNECT = 10.0
"""Seconds in which a local Engine takes a connection."""
ANSWER = 120.0
"""Seconds in which it answers; to stop a container it takes as much longer as that is given."""
SILENCE = 300.0
"""Seconds in which a pull may tell nothing: while a large layer is unpacked."""
ENDING = 5.0
"""Seconds in which a command that is to end has ended."""

UNKNOWN = re.compile("not found|manifest unknown|does not exist")
"""What is said, in the middle of a pull, of an image that the registry does not have."""


@asynccontextmanager
async def connected(root: Path, *, limit: int, emit: Emit) -> AsyncIterator["Engine"]:
    """The Engine of the host whose files are under `root`.

    `Unsupported` where there is none, `Refused` where this agent may not use it. `limit` is in bytes, of each stream
    that a command writes; `emit` hears of what commands write, and how far pulls are.
    """
    httpx = await trio.to_thread.run_sync(import_module, "httpx")  # half a second on a slow host
    no_tls = SSLContext(PROTOCOL_TLS_CLIENT)  # httpx would load all certificates of the host
    transport = httpx.AsyncHTTPTransport(uds=str(root / SOCKET), verify=no_tls)
    timeout = httpx.Timeout(CONNECT, read=ANSWER)
    async with httpx.AsyncClient(transport=transport, base_url="http://docker", timeout=timeout) as http:
        with _in_words(root):
            answer = await http.get("/_ping")
        _check(answer.status_code, answer.content)
        yield Engine(http, root, _version(answer.headers.get("Api-Version", "")), limit, emit)


def _version(theirs: str) -> str:
    """The version to speak with an Engine whose newest is `theirs`."""
    try:
        major, minor = map(int, theirs.split("."))
    except ValueError:
        raise OperationError(f"what answers on /{SOCKET} is not Docker: version {theirs!r:.40}") from None
    return "v{}.{}".format(*min((major, minor), NEWEST))


@attrs.frozen
class Engine:
    """See `connected`."""

    _http: "httpx.AsyncClient"
    _root: Path
    _version: str
    _limit: int
    _emit: Emit

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        wait: float = 0,
    ) -> Any:
        """What the Engine answers to a request, from JSON; None where that is nothing.

        `wait` are seconds that it needs more than others. `NotFound`, `Conflict` and `OperationError` are in its
        words.
        """
        import httpx

        timeout = httpx.Timeout(CONNECT, read=ANSWER + wait)
        with _in_words(self._root):
            answer = await self._http.request(
                method, self._url(path), params=query, json=body, timeout=timeout
            )
        _check(answer.status_code, answer.content)
        return answer.json() if answer.content else None

    async def container(self, id: str) -> dict[str, Any]:
        """A container; `NotFound`."""
        found: dict[str, Any] = await self.call("GET", f"/containers/{id}/json")
        return found

    async def image(self, name: str) -> dict[str, Any] | None:
        """An image; None where there is none."""
        with suppress(NotFound):
            found: dict[str, Any] = await self.call("GET", f"/images/{name}/json")
            return found
        return None

    async def digest(self, image: str) -> str | None:
        """The digest that the registry of an image has for it; None where it does not tell."""
        with suppress(OperationError):
            found = await self.call("GET", f"/distribution/{image}/json")
            return str(found["Descriptor"]["digest"])
        return None

    async def make(self, name: str | None, body: Mapping[str, Any], *, start: bool) -> str:
        """The id of a new container; none is left behind that was to be started and is not."""
        query = {"name": name} if name else {}
        id: str = (await self.call("POST", "/containers/create", query=query, body=body))["Id"]
        try:
            if start:
                await self.call("POST", f"/containers/{id}/start")
        except BaseException:
            with trio.move_on_after(ENDING, shield=True), suppress(Error):
                await self.call("DELETE", f"/containers/{id}", query={"force": 1, "v": 1})
            raise
        return id

    async def execute(
        self, id: str, command: Sequence[str], *, env: Sequence[str], folder: str | None, timeout: float
    ) -> Finished:
        """Run a command in a container; errors as of `call`, and `TimedOut`. It does not outlive this."""
        began = trio.current_time()
        asked = {
            "AttachStdout": True,
            "AttachStderr": True,
            "Cmd": [*command],
            "Env": [*env],
            "WorkingDir": folder or "",
        }
        run = (await self.call("POST", f"/containers/{id}/exec", body=asked))["Id"]
        stdout, stderr = Output("stdout", self._limit, self._emit), Output("stderr", self._limit, self._emit)
        ended = None
        try:
            with trio.move_on_after(timeout):
                await self._read_frames(
                    "POST",
                    f"/exec/{run}/start",
                    Frames({STDOUT: stdout.take, STDERR: stderr.take}),
                    body={"Detach": False, "Tty": False},
                    timeout=None,
                )
                ended = await self._exit_code(run)
        finally:
            gone = ended is not None or await self._see_off(run)
        if ended is None:
            rest = "was ended" if gone else "still runs: this agent may not end it"
            raise TimedOut(f"{command[0]} took longer than {timeout:g} s and {rest}")
        return Finished(
            stdout=stdout.text(),
            stderr=stderr.text(),
            exit_code=ended,
            duration=trio.current_time() - began,
        )

    async def logs(self, id: str, lines: int) -> Lines:
        """The newest lines that a container has written, not more than the limit allows."""
        found = Lines(self._limit)
        tty = (await self.container(id))["Config"]["Tty"]
        query = {"stdout": 1, "stderr": 1, "tail": lines}
        if tty:
            await self._read(
                "GET", f"/containers/{id}/logs", lambda data: found.take("stdout", data), query=query
            )
            return found
        frames = Frames(
            {
                STDOUT: lambda data: found.take("stdout", data),
                STDERR: lambda data: found.take("stderr", data),
            }
        )
        await self._read_frames("GET", f"/containers/{id}/logs", frames, query=query)
        return found

    async def pull(self, image: Reference) -> None:
        """Fetch an image from its registry; `NotFound` where that has none of that name."""
        progress = Pull(lambda line: self._emit("stdout", line), trio.current_time)
        query = {"fromImage": image.name, "tag": image.version}
        await self._read("POST", "/images/create", progress.feed, query=query, timeout=SILENCE)
        if progress.error:
            raise (NotFound if UNKNOWN.search(progress.error) else OperationError)(progress.error)

    async def _exit_code(self, run: str) -> int:
        """How a command ended, once it has."""
        while True:
            found = await self.call("GET", f"/exec/{run}/json")
            if not found["Running"]:
                return int(found["ExitCode"] or 0)
            await trio.sleep(PATIENCE)

    async def _see_off(self, run: str) -> bool:
        """End a command that still runs, with all that it started; whether it is gone.

        The Engine has no request for it. The command leads a session of its own, with an id of the host; where
        that is not this agent's, the id is one of another process.
        """
        with trio.move_on_after(ENDING, shield=True), suppress(Error):
            while True:
                try:
                    found = await self.call("GET", f"/exec/{run}/json")
                except NotFound:
                    return True
                if not found["Running"]:
                    return True
                if await trio.to_thread.run_sync(_is_in, found["ContainerID"], found["Pid"]):
                    await end_session(found["Pid"])
                await trio.sleep(PATIENCE)
        return False

    async def _read_frames(self, method: str, path: str, frames: Frames, **more: Any) -> None:
        await self._read(method, path, frames.feed, **more)
        if wrong := frames.end():
            raise OperationError(f"Docker's answer to {method} {path} is broken: {wrong}")

    async def _read(
        self,
        method: str,
        path: str,
        take: Callable[[bytes], object],
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout: float | None = ANSWER,
    ) -> None:
        """Hand on what the Engine answers as it comes. `take` must not raise: that would leave the answer open."""
        import httpx

        limits = httpx.Timeout(CONNECT, read=timeout)
        with _in_words(self._root):
            async with self._http.stream(
                method, self._url(path), params=query, json=body, timeout=limits
            ) as answer:
                if answer.status_code != httpx.codes.OK:
                    _check(answer.status_code, await answer.aread())
                async for piece in answer.aiter_raw():
                    take(piece)

    def _url(self, path: str) -> str:
        return f"/{self._version}{quote(path, safe='/:@')}"


def _is_in(container: str, pid: int) -> bool:
    """Whether a process is in a container, by the name of its control group (cgroups(7))."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def _check(status: int, content: bytes) -> None:
    """Raise what the Engine refuses, in its words."""
    if status >= 300 and status != 304:
        kind = {404: NotFound, 409: Conflict}.get(status, OperationError)
        raise kind(_message(content) or f"Docker answers with status {status}")


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, TypeError, KeyError):
        return content.decode(errors="replace").strip()


@contextmanager
def _in_words(root: Path) -> Iterator[None]:
    """Errors of the connection as those of operations."""
    import httpx

    try:
        yield
    except httpx.ConnectError as error:
        raise _unreachable(root, _cause(error)) from None
    except httpx.TimeoutException:
        raise TimedOut("Docker took too long to answer") from None
    except httpx.TransportError as error:
        raise OperationError(f"Docker broke off: {error}") from None


def _cause(error: BaseException) -> OSError | None:
    """What the system said."""
    seen: BaseException | None = error
    while seen:
        if isinstance(seen, OSError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _unreachable(root: Path, cause: OSError | None) -> Error:
    if cause and cause.errno in {errno.EACCES, errno.EPERM}:
        return Refused(f"/{SOCKET}: permission denied; add the agent's user to the group docker")
    missing = cause is not None and cause.errno in {errno.ENOENT, errno.ENOTDIR}
    if missing and not any((root / program).exists() for program in PROGRAMS):
        return Unsupported(f"Docker is not installed: there is no /{SOCKET}")
    reason = cause.strerror if cause else "no connection"
    return OperationError(f"Docker does not run: /{SOCKET}: {reason}; see `systemctl status docker`")
