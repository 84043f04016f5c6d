"""The SDK: hand `Client.run` a declaration, get back its result, typed.

    async with Client("http://localhost:8080", token) as osapi:
        disks = await osapi.run(node.Disk(), on="_all")
        agents = await osapi.run(agent.List())

It runs on trio and on asyncio, on whichever it is awaited.
"""

import math
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar, overload
from urllib.parse import quote

import attrs
import httpx

from osapi import errors, wire
from osapi.operation import Call, Declaration, Operation
from osapi.results import Results
from osapi.targets import ALL

R = TypeVar("R")

WAIT = 30.0
"""Seconds a controller waits for hosts, unless it is configured or told otherwise."""

SLACK = 10.0
"""Seconds an answer may take beyond that."""

SILENCE = 60.0
"""Seconds without a byte after which a stream of events counts as broken."""


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


class Client:
    """A connection to a controller; `timeout` is how long, in seconds, it waits for hosts unless told.

    What is asked is checked before it is sent. Raises the classes of `osapi.errors`: `BadInput` where what
    was asked is not well formed, `NotAuthenticated`, `NotAllowed`, `NotFound`, `Conflict`, `Unavailable` …
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float = WAIT) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._http = httpx.AsyncClient(
            base_url=_checked(self.url),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            # The certificates this host trusts; and no time spent on loading them where there is no TLS.
            verify=ssl.create_default_context() if self.url.startswith("https:") else False,
        )

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
        body = await self.request(asked, Terms(**terms))
        try:
            if isinstance(asked, Operation):
                return wire.results(type(asked), body)
            return wire.decode(asked.spec.returns, body) if body else None
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
        """Ask, and return the body of the answer as it came."""
        return (await self._send(asked, terms or Terms())).content

    @asynccontextmanager
    async def events(
        self, job_id: str | None = None, *, after: str | None = None
    ) -> AsyncIterator[AsyncIterator[Streamed]]:
        """What happens to one job, or to all; `after` is the id of the last event that is known.

        The stream of one job ends with the job. `Unavailable` is raised where it breaks off.
        """
        path = f"/api/job/{_segment(job_id)}/events" if job_id else "/api/events"
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        with _explained(self.url, SILENCE):
            async with self._http.stream(
                "GET", path, headers=headers, timeout=httpx.Timeout(SLACK, read=SILENCE)
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise _failure(response)
                lines = response.aiter_lines()
                try:
                    async with aclosing(_decoded(lines)) as decoded:
                        yield decoded
                finally:
                    await _unwind(response, lines)

    async def _send(self, asked: Declaration[Any], terms: Terms) -> httpx.Response:
        spec, given = asked.spec, wire.given(asked)
        wire.params(type(asked), given)
        in_path = {name: _segment(given.pop(name)) for name in spec.in_path}
        timeout = (self._timeout if terms.wait is None else terms.wait) + SLACK
        with _explained(self.url, timeout):
            response = await self._http.request(
                spec.method,
                spec.path.format(target=_segment(terms.on), **in_path),
                params=_query(terms) | ({} if spec.has_body else _texts(given)),
                json=given if spec.has_body else None,
                headers=_headers(terms),
                timeout=httpx.Timeout(SLACK, read=timeout),
            )
        if not (response.is_success or _is_told(asked, response)):
            raise _failure(response)
        return response


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


def _texts(given: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}


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


@contextmanager
def _explained(url: str, timeout: float) -> Iterator[None]:
    """Tells what is the matter where no answer comes."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise errors.Unavailable(
            f"no controller answers at {url}: {_reason(error)}\n"
            "Is it running there? Start one with `osapi start`, or name another with --url."
        ) from None
    except httpx.ReadTimeout:
        raise errors.Unavailable(f"{url} has sent nothing for {timeout:g} s") from None
    except httpx.HTTPError as error:
        raise errors.Unavailable(
            f"the connection to {url} broke: {_reason(error)}\n"
            "What was asked may have been done all the same: see `osapi client job list`."
        ) from None


def _reason(error: BaseException) -> str:
    """The operating system's own word, where there is one; what wraps it says only that it failed."""
    if isinstance(error, BaseExceptionGroup):
        return _reason(error.exceptions[0])
    if isinstance(error, OSError) and error.strerror:
        # Names that are not found have negative numbers, which only they themselves can put into words.
        number = error.errno or 0
        return (os.strerror(number) if number > 0 else error.strerror).lower()
    inner = error.__cause__ or error.__context__
    return _reason(inner) if inner else str(error) or type(error).__name__


def _failure(response: httpx.Response) -> errors.Error:
    """The error that an answer tells of (RFC 9457, application/problem+json)."""
    try:
        problem = wire.decode(dict[str, Any], response.content)
    except errors.BadInput:
        problem = {}
    message = problem.get("detail") or problem.get("error") or problem.get("title")
    if not message:
        message = f"{response.request.url} answers {response.status_code} {response.reason_phrase}"
    if response.status_code >= 500 and problem.get("trace_id"):
        message += f" (trace id {problem['trace_id']})"
    retry_after = response.headers.get("Retry-After", "")
    later = float(retry_after) if retry_after.isdecimal() else 1.0
    kind = _KINDS.get(response.status_code, errors.Error)
    if kind is errors.BadInput:
        fields = [found.get("field") for found in problem.get("errors") or ()]
        return errors.BadInput(message, fields[0] if fields else None)
    if kind is errors.TooManyRequests or kind is errors.Unavailable:
        return kind(message, later)
    return kind(message)


_KINDS: dict[int, type[errors.Error]] = {
    kind.status: kind
    for kind in (
        errors.BadInput,
        errors.NotAuthenticated,
        errors.NotAllowed,
        errors.NotFound,
        errors.Conflict,
        errors.TooLarge,
        errors.TooManyRequests,
        errors.Unavailable,
    )
}


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


async def _unwind(response: httpx.Response, lines: AsyncIterator[str]) -> None:
    """End a stream that was not read to its end.

    httpx reads through a chain of generators; dropped half way, each is left to the garbage collector, of
    which trio and asyncio complain. Read on after the connection is closed, they end one by one.
    """
    await response.aclose()
    with suppress(httpx.TransportError, httpx.StreamError):
        async for _ in lines:
            pass
