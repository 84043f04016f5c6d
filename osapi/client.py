"""The SDK: hand `Client.run` a declaration, get back its result, typed.

    async with Client("http://localhost:8080", token) as osapi:
        disks = await osapi.run(node.Disk(), on="_all")
        agents = await osapi.run(agent.List())

It runs on trio and on asyncio, on whichever it is awaited. Files are moved by `osapi.transfers`.
"""

import math
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar, overload
from urllib.parse import quote

import attrs
import httpx

from osapi import errors, traceparent, wire
from osapi.failures import IN_DOUBT, explained, failure
from osapi.operation import Call, Declaration, Operation, parameters
from osapi.results import Download, Results
from osapi.targets import ALL

R = TypeVar("R")

WAIT = 30.0
"""Seconds a controller waits for hosts, unless it is configured or told otherwise."""

SLACK = 10.0
"""Seconds an answer may take beyond that."""

SILENCE = 60.0
"""Seconds without a byte after which a stream of events or of a file counts as broken."""

PIECE = 1024 * 1024
"""Bytes of a file that are handed on at once."""

ANSWER = "Osapi-Answer"
"""The header that has the answer where there is no body, to HEAD: JSON in ASCII."""


@attrs.frozen(kw_only=True)
class Terms:
    """How hosts are to carry out an operation.

    `on` is a target. `wait` is how long, in seconds, the answer may be waited for; `expires` how long hosts
    that are away may be waited for. `detach` answers at once, with nothing but the job's id, which can be
    chosen: `job_id` is a UUID. One `idempotency_key` stands for one job, however often it is sent.
    """

    on: str = ALL
    dry_run: bool = False
    wait: float | None = None
    expires: float | None = None
    detach: bool = False
    idempotency_key: str | None = None
    job_id: str | None = None


@attrs.frozen(kw_only=True)
class Streamed:
    """A server-sent event; `id` resumes after it."""

    id: str | None
    event: str
    data: Any


@attrs.frozen(kw_only=True)
class Message:
    """A declaration as a request of HTTP: which of its parameters are in the query, and which fields of the body."""

    method: str
    path: str
    query: dict[str, Any]
    fields: dict[str, Any]


@attrs.frozen(kw_only=True)
class Incoming:
    """A file on its way here: its SHA-256 and its size in bytes, where they are told, and its bytes in pieces."""

    sha256: str | None
    size: int | None
    pieces: AsyncIterator[bytes]


class Client:
    """A connection to a controller; `timeout` is how long, in seconds, it waits for hosts unless told.

    What is asked is checked before it is sent. Raises the classes of `osapi.errors`: `BadInput` where what
    was asked is not well formed, `NotAuthenticated`, `NotAllowed`, `NotFound`, `Conflict`, `Unavailable` …
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float = WAIT) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # The certificates this host trusts; and no time spent on loading them where there is no TLS.
        self._trusted = ssl.create_default_context() if self.url.startswith("https:") else None
        self._http = self._connected()

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    @overload
    async def run(
        self,
        asked: Operation[R],
        *,
        on: str = ...,
        dry_run: bool = ...,
        wait: float | None = ...,
        expires: float | None = ...,
        idempotency_key: str | None = ...,
    ) -> Results[R]: ...

    @overload
    async def run(self, asked: Call[R]) -> R: ...

    async def run(self, asked: Declaration[Any], **terms: Any) -> Any:
        """Ask, and wait for the answer: of each host, or of the controller. See `Terms`."""
        if asked.spec.uploads or asked.spec.returns is Download:
            raise TypeError(f"{asked.spec.name} moves a file, which is what osapi.transfers does")
        return self._read(asked, await self.request(asked, Terms(**terms)))

    def _read(self, asked: Declaration[Any], body: bytes) -> Any:
        try:
            if isinstance(asked, Operation):
                return wire.results(type(asked), body)
            return None if asked.spec.returns is type(None) else wire.decode(asked.spec.returns, body)
        except errors.BadInput as error:
            raise errors.Error(f"the answer of {self.url} is not understood: {error}") from None

    async def submit(
        self,
        operation: Operation[Any],
        *,
        on: str = ALL,
        dry_run: bool = False,
        expires: float | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Ask hosts without waiting for them; returns the id of the job."""
        terms = Terms(on=on, dry_run=dry_run, expires=expires, detach=True, idempotency_key=idempotency_key)
        response = await self._send(operation, terms)
        location: str = response.headers.get("Location", "")
        return location.rpartition("/")[2]

    async def request(self, asked: Declaration[Any], terms: Terms | None = None) -> bytes:
        """Ask, and return the body of the answer as it came; that of HEAD is in a header."""
        response = await self._send(asked, terms or Terms())
        if asked.spec.method == "HEAD":
            answer: str = response.headers.get(ANSWER, "")
            return answer.encode()
        return response.content

    async def send(self, asked: Call[R], body: httpx.AsyncByteStream, headers: dict[str, str]) -> R:
        """Ask with a body that is sent in pieces; `osapi.transfers` makes it.

        The controller may answer before it has all of it: that is the answer then.
        """
        from osapi import duplex

        sent = message(asked)
        async with self._connected(duplex.transport(httpx.URL(self.url), self._trusted)) as http:
            request = http.build_request(
                sent.method, sent.path, params=sent.query, headers=headers, timeout=SLACK
            )
            request.stream = body
            with explained(self.url, duplex.PATIENCE):
                response = await http.send(request)
        if not response.is_success:
            raise failure(response)
        found: R = self._read(asked, response.content)
        return found

    @asynccontextmanager
    async def receive(self, asked: Call[Any]) -> AsyncIterator[Incoming]:
        """The bytes of a file, or of a long answer, as they come. Where it breaks off: `Unavailable`."""
        sent = message(asked)
        async with self._streamed(sent.path, sent.query, {"Accept-Encoding": "identity"}) as response:
            size = response.headers.get("Content-Length", "")
            sha256 = re.fullmatch(r'"([0-9a-f]{64})"', response.headers.get("ETag", ""))
            pieces = response.aiter_bytes(PIECE)
            try:
                yield Incoming(
                    sha256=sha256 and sha256[1], size=int(size) if size.isdecimal() else None, pieces=pieces
                )
            finally:
                await _unwind(response, pieces)

    @asynccontextmanager
    async def events(
        self, job_id: str | None = None, *, after: str | None = None
    ) -> AsyncIterator[AsyncIterator[Streamed]]:
        """What happens to one job, or to all; `after` is the id of the last event that is known.

        The stream of one job ends with the job. `Unavailable` is raised where it breaks off.
        """
        path = f"/api/job/{_segment(job_id)}/events" if job_id else "/api/events"
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        async with self._streamed(path, {}, headers) as response:
            lines = response.aiter_lines()
            try:
                async with aclosing(_decoded(lines)) as decoded:
                    yield decoded
            finally:
                await _unwind(response, lines)

    @asynccontextmanager
    async def _streamed(
        self, path: str, query: dict[str, Any], headers: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        timeout = httpx.Timeout(SLACK, read=SILENCE)
        with explained(self.url, SILENCE):
            async with self._http.stream(
                "GET", path, params=query, headers=headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise failure(response)
                yield response

    async def _send(self, asked: Declaration[Any], terms: Terms) -> httpx.Response:
        sent = message(asked, terms)
        timeout = (self._timeout if terms.wait is None else terms.wait) + SLACK
        is_doubtful = isinstance(asked, Operation) and asked.spec.modifies
        with explained(self.url, timeout, in_doubt=IN_DOUBT if is_doubtful else ""):
            response = await self._http.request(
                sent.method,
                sent.path,
                params=sent.query,
                json=sent.fields if asked.spec.has_body else None,
                headers=_headers(terms),
                timeout=httpx.Timeout(SLACK, read=timeout),
            )
        if not (response.is_success or _is_told(asked, response)):
            raise failure(response)
        return response

    def _connected(self, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=_checked(self.url),
            headers=self._headers,
            verify=self._trusted or False,
            transport=transport,
            event_hooks={"request": [_placed]},
        )


async def _placed(request: httpx.Request) -> None:
    """Say where in which trace the caller is, if it is in one (W3C Trace Context)."""
    if place := traceparent.current.get():
        request.headers.setdefault(traceparent.HEADER, str(place))


def message(asked: Declaration[Any], terms: Terms | None = None) -> Message:
    """What travels of a declaration, checked; `terms` are those of an operation."""
    terms = terms or Terms()
    spec, given = asked.spec, wire.given(asked)
    wire.params(type(asked), given)
    in_path = {name: _segment(given.pop(name)) for name in spec.in_path}
    in_query = {each.name for each in parameters(type(asked)) if each.in_query or not spec.has_body}
    return Message(
        method=spec.method,
        path=spec.path.format(target=_segment(terms.on), **in_path),
        query=_query(terms) | {name: _text(given[name]) for name in given if name in in_query},
        fields={name: given[name] for name in given if name not in in_query},
    )


def _is_told(asked: Declaration[Any], response: httpx.Response) -> bool:
    """Whether this is the answer after all: that things do not work, to who asked whether they do."""
    return (
        asked.spec.domain == "health"
        and response.status_code == httpx.codes.SERVICE_UNAVAILABLE
        and response.headers.get("Content-Type") == "application/json"
    )


def _query(terms: Terms) -> dict[str, Any]:
    query = {"dry_run": "true"} if terms.dry_run else {}
    return query if terms.expires is None else query | {"expires": f"{terms.expires:.3f}s"}


def _headers(terms: Terms) -> dict[str, str]:
    """RFC 7240 (Prefer), and the draft of Idempotency-Key."""
    headers = {}
    if terms.detach:
        headers["Prefer"] = "respond-async"
    elif terms.wait is not None:
        headers["Prefer"] = f"wait={math.ceil(terms.wait)}"
    if terms.idempotency_key is not None:
        headers["Idempotency-Key"] = terms.idempotency_key
    if terms.job_id is not None:
        headers["Osapi-Job-Id"] = terms.job_id
    return headers


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _segment(value: object) -> str:
    """A value as one segment of a path; `.` and `..` would otherwise be taken for steps."""
    text = str(value)
    return text.replace(".", "%2E") if text in {".", ".."} else quote(text, safe="")


def _checked(url: str) -> httpx.URL:
    with suppress(httpx.InvalidURL):
        parsed = httpx.URL(url)
        if parsed.scheme in {"http", "https"} and parsed.host:
            return parsed
    raise errors.ConfigError(f"{url!r} is no address of a controller; it looks like http://localhost:8080")


async def _decoded(lines: AsyncIterator[str]) -> AsyncGenerator[Streamed, None]:
    """Events of a text/event-stream (HTML Living Standard, 9.2.6); data is JSON."""
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(":")
        if not line and "data" in fields:
            yield Streamed(
                id=fields.get("id"),
                event=fields.get("event", "message"),
                data=wire.decode(Any, fields["data"]),
            )
        if not line:
            fields.clear()
        elif name == "data" and name in fields:
            fields[name] += "\n" + value.removeprefix(" ")
        elif name:
            fields[name] = value.removeprefix(" ")


async def _unwind(response: httpx.Response, rest: AsyncIterator[object]) -> None:
    """End a stream that was not read to its end.

    httpx reads through a chain of generators; dropped half way, each is left to the garbage collector, of
    which trio and asyncio complain. Read on after the connection is closed, they end one by one.
    """
    await response.aclose()
    with suppress(httpx.TransportError, httpx.StreamError):
        async for _ in rest:
            pass
