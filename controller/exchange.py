"""Between hypercorn and Quart: each request is heard to its end, or the client is told that it is hung up on.

An answer that does not hang on the body (401, 403, 413) may come before it. Hypercorn then ends the connection
without a word, and the client loses the answer, or its next request. And where hypercorn is to end a connection,
it tells Quart of the end first, and quart-trio cancels the request, of which the ending is a part: the
connection would stay open, and never be listened to again.
"""

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

NO_WEBSOCKETS = 1003
"""Told where one is asked for; before it is accepted, hypercorn makes a 403 of it."""

ONE_AFTER_ANOTHER = {"1.0", "1.1"}
"""Versions of HTTP in which a connection cannot go on after a request that was not heard to its end."""

PATIENCE = 1.0
"""Seconds that the rest of a body may take once the answer is known, and that hanging up may take."""


def orderly(app: ASGIFramework) -> ASGIFramework:
    """The application, with each of its exchanges brought to an end in order."""

    async def exchange(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": NO_WEBSOCKETS, "reason": None})
            return
        if scope["type"] != "http" or scope["http_version"] not in ONE_AFTER_ANOTHER:
            await app(scope, receive, send)
            return
        heard, ending = trio.Event(), ends(scope)

        async def hear() -> ASGIReceiveEvent:
            event = await receive()
            if event["type"] != "http.request" or not event["more_body"]:
                heard.set()
            return event

        async def tell(event: ASGISendEvent) -> None:
            nonlocal ending
            if event["type"] == "http.response.start":
                with trio.move_on_after(PATIENCE):
                    await heard.wait()
                if not heard.is_set():
                    ending = True
                    event["headers"] = [*event["headers"], (b"connection", b"close")]
            if event["type"] == "http.response.body" and not event["more_body"] and ending:
                with trio.move_on_after(PATIENCE, shield=True):
                    await send(event)
            else:
                await send(event)

        await app(scope, hear, tell)

    return exchange


def ends(scope: HTTPScope) -> bool:
    """Whether the client has asked for the connection to end with this request (RFC 9112, section 9.3)."""
    options = b",".join(value for name, value in scope["headers"] if name == b"connection").lower()
    return scope["http_version"] == "1.0" or b"close" in options
