"""Between hypercorn and Quart: a request is heard to its end before it is answered, and an answer told to its end.

Both matter where an answer does not hang on the body (401, 403, 413). If it ends before the body has come,
hypercorn hangs up without a word, and the client loses the answer, or its next request. And once hypercorn has
the answer, it calls the request over, at which quart-trio cancels it, hypercorn's own last steps included:
the connection would stay open, and never be listened to again.
"""

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)

NO_WEBSOCKETS = 1003
"""Told where one is asked for; before it is accepted, hypercorn makes a 403 of it."""

HANGS_UP = {"1.0", "1.1"}
"""Versions of HTTP in which a connection ends with a request that was not read; later ones end only the stream."""

PATIENCE = 1.0
"""Seconds that the rest of a body may take once the answer is known; after that the client is told of the end."""


def orderly(app: ASGIFramework) -> ASGIFramework:
    """The application, with each of its exchanges brought to an end in order."""

    async def exchange(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": NO_WEBSOCKETS, "reason": None})
            return
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        heard = trio.Event()

        async def hear() -> ASGIReceiveEvent:
            event = await receive()
            if event["type"] != "http.request" or not event["more_body"]:
                heard.set()
            return event

        async def tell(event: ASGISendEvent) -> None:
            if event["type"] == "http.response.start":
                with trio.move_on_after(PATIENCE):
                    await heard.wait()
                if not heard.is_set() and scope["http_version"] in HANGS_UP:
                    event["headers"] = [*event["headers"], (b"connection", b"close")]
            last = event["type"] == "http.response.body" and not event["more_body"]
            with trio.CancelScope(shield=last):
                await send(event)

        await app(scope, hear, tell)

    return exchange
