"""What becomes of a request that fails: the error that its answer tells of, or the word on why none came."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from osapi import errors, wire

IN_DOUBT = "What was asked may have been done all the same: see `osapi client job list`."


@contextmanager
def explained(url: str, silence: float, *, in_doubt: str = "") -> Iterator[None]:
    """Tells what is the matter where no answer comes, after so many seconds of silence, or where it breaks off."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise errors.Unavailable(
            f"no controller answers at {url}: {_reason(error)}\n"
            "Is it running there? Start one with `osapi start`, or name another with --url."
        ) from None
    except httpx.ReadTimeout:
        raise errors.Unavailable(f"{url} has sent nothing for {silence:g} s") from None
    except httpx.WriteTimeout:
        raise errors.Unavailable(f"{url} takes nothing any more") from None
    except httpx.HTTPError as error:
        told = f"the connection to {url} broke: {_reason(error)}"
        raise errors.Unavailable(f"{told}\n{in_doubt}".rstrip()) from None


def failure(response: httpx.Response) -> errors.Error:
    """The error that an answer tells of (RFC 9457, application/problem+json)."""
    try:
        problem = wire.decode(dict[str, Any], response.content)
    except errors.BadInput:
        problem = {}
    message = problem.get("detail") or problem.get("error") or problem.get("title") or _bare(response)
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


def _bare(response: httpx.Response) -> str:
    """What an answer without a problem says, such as one to HEAD."""
    asked = response.request
    if asked.method == "HEAD" and response.status_code == httpx.codes.NOT_FOUND:
        return f"nothing is at {asked.url}"
    return f"{asked.url} answers {response.status_code} {response.reason_phrase}"


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
        errors.NoSpace,
    )
}


def _reason(error: BaseException) -> str:
    """The operating system's own word, where there is one; what wraps it says only that it failed."""
    if isinstance(error, BaseExceptionGroup):
        return _reason(error.exceptions[0])
    if isinstance(error, OSError) and error.strerror:
        # Names that are not found have negative numbers, which only they themselves can put into words.
        number = error.errno or 0
        if said := getattr(error, "verify_message", None) or getattr(error, "reason", None):
            return f"TLS: {said.lower().replace('_', ' ')}"  # ssl.SSLError counts its errors by itself
        return (os.strerror(number) if number > 0 else error.strerror).lower()
    inner = error.__cause__ or error.__context__
    return _reason(inner) if inner else str(error) or type(error).__name__
