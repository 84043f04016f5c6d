"""Between hypercorn and Quart: each request is heard to its end, or the client is told that it is hung up on.

An answer that does not hang on the body (401, 403, 413) may come before it. Hypercorn then ends the connection
without a word, and the client loses the answer, or its next request. And where hypercorn is to end a connection,
it tells Quart of the end first, and quart-trio cancels the request, of which the ending is a part: the
connection would stay open, and never be listened to again.

Two things Quart is not told of in the usual way. A path reaches it as it was sent, so that `%2F` in a segment is
no `/`; `controller.routes` decodes each parameter once. And the body of an upload does not pass through Quart,
which would hold all of it in memory: it is taken from the client by who reads `Incoming`.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import attrs
import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)

from osapi.errors import Error

NO_WEBSOCKETS = 1003
"""Told where one is asked for; before it is accepted, hypercorn makes a 403 of it."""

ONE_AFTER_ANOTHER = {"1.0", "1.1"}
"""Versions of HTTP in which a connection cannot go on after a request that was not heard to its end."""

PATIENCE = 1.0
"""Seconds that the rest of a body may take once the answer is known, and that hanging up may take."""


INCOMING = "osapi.incoming"
"""The extension of a scope that holds the body of an upload."""


class BrokenOff(Error):
    """The client went away in the middle of a body."""

    code, status = "broken_off", 400


@attrs.define(eq=False)
class Incoming(AsyncIterator[bytes]):
    """The body of a request, taken from the client piece by piece, by one reader."""

    _receive: ASGIReceiveCallable
    over: trio.Event = attrs.field(factory=trio.Event)
    """Set once all of it was read, or none of it will be any more."""

    async def __anext__(self) -> bytes:
        if self.over.is_set():
            raise StopAsyncIteration
        event = await self._receive()
        if event["type"] != "http.request":
            self.over.set()
            raise BrokenOff("the client has gone before its upload was complete")
        if not event["more_body"]:
            self.over.set()
        return event["body"]

    async def drain(self) -> None:
        """Pass over what is left."""
        with suppress(BrokenOff):
            async for _ in self:
                pass


def orderly(app: ASGIFramework) -> ASGIFramework:
    """The application, with each of its exchanges brought to an end in order."""

    async def exchange(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": NO_WEBSOCKETS, "reason": None})
            return
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        scope["path"] = scope["raw_path"].decode("latin-1") or "/"
        if streamed(scope):
            incoming = Incoming(receive)
            scope["extensions"] = {
                **(scope.get("extensions") or {}),
                INCOMING: cast("dict[str, object]", incoming),
            }
            receive = after(incoming, receive)
        else:
            incoming = None
        if scope["http_version"] in ONE_AFTER_ANOTHER:
            receive, send = in_order(scope, receive, send, incoming)
        await app(scope, receive, send)

    return exchange


def after(incoming: Incoming, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    """What Quart is told of a request whose body it does not see: only that the client has gone."""

    async def hear() -> ASGIReceiveEvent:
        await incoming.over.wait()
        return await receive()

    return hear


def in_order(
    scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable, incoming: Incoming | None
) -> tuple[ASGIReceiveCallable, ASGISendCallable]:
    """An exchange that is heard to its end before it is answered, or ends its connection."""
    heard, ending = incoming.over if incoming else trio.Event(), ends(scope)

    async def hear() -> ASGIReceiveEvent:
        event = await receive()
        if event["type"] != "http.request" or not event["more_body"]:
            heard.set()
        return event

    async def tell(event: ASGISendEvent) -> None:
        nonlocal ending
        if event["type"] == "http.response.start":
            with trio.move_on_after(PATIENCE):
                await (incoming.drain() if incoming else heard.wait())
            if not heard.is_set():
                ending = True
                event["headers"] = [*event["headers"], (b"connection", b"close")]
        if event["type"] == "http.response.body" and not event["more_body"] and ending:
            with trio.move_on_after(PATIENCE, shield=True):
                await send(event)
        else:
            await send(event)

    return hear, tell


def streamed(scope: HTTPScope) -> bool:
    """Whether the body is one that is not held in memory."""
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return bool(kinds) and kinds[0].lower().startswith(b"multipart/form-data")


def ends(scope: HTTPScope) -> bool:
    """Whether the client has asked for the connection to end with this request (RFC 9112, section 9.3)."""
    options = b",".join(value for name, value in scope["headers"] if name == b"connection").lower()
    return scope["http_version"] == "1.0" or b"close" in options
