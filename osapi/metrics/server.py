"""`/metrics`, `/health` and `/health/ready` of a daemon: HTTP/1.1 by h11, for the few who only read.

It asks for no token, so it is on the loopback address unless the configuration names another. Each connection
carries one exchange and has a bound in time, in bytes and in number.
"""

from functools import partial
from http import HTTPStatus

import h11
import msgspec
import structlog
import trio
from prometheus_client.exposition import choose_encoder

from osapi.bus import Bus
from osapi.config.schema import Metrics as Section
from osapi.listening import listen, reachable
from osapi.metrics import Metrics
from osapi.supervise import Component, Condition, State, keep

PATIENCE = 10.0
"""Seconds that an exchange may take, with all that is measured for it."""

REQUEST = 16 * 1024
"""Bytes that a request may have."""

CONNECTIONS = 32
"""How many are served at once; more are hung up on."""

LOOPBACK = "127.0.0.1"
JSON = "application/json"
METHODS = {b"GET", b"HEAD"}

log = structlog.get_logger()

Answer = tuple[int, str, bytes]
"""A status, the type of the body, and the body."""


async def start_metrics(
    metrics: Metrics, section: Section, bus: Bus, health: dict[str, Condition], services: trio.Nursery
) -> None:
    """Tell the numbers of a daemon as its configuration says; `ConfigError` where the port is taken."""
    metrics.follow_bus(bus)
    if not section.enabled:
        health["metrics"] = Condition(state=State.DISABLED)
        return
    serving: Component = partial(serve, metrics, section, health)
    await services.start(keep, "metrics", serving, health)
    await services.start(keep, "event-loop", metrics.watch_loop, health)


async def serve(
    metrics: Metrics, section: Section, health: dict[str, Condition], task_status: trio.TaskStatus[None]
) -> None:
    """Answer until cancelled."""
    host = section.host or LOOPBACK
    key = {"controller": "controller", "agent": "agent", "broker": "nats.server"}[metrics.component]
    with listen(f"{key}.metrics.port", host, section.port) as listener:
        health["metrics"].address = f"http://{reachable(host)}:{section.port}"
        task_status.started()
        connections = trio.CapacityLimiter(CONNECTIONS)
        sockets = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
        await trio.serve_listeners(partial(exchange, metrics, connections), [sockets])


async def exchange(metrics: Metrics, connections: trio.CapacityLimiter, stream: trio.SocketStream) -> None:
    """One request and its answer."""
    async with stream:
        try:
            connections.acquire_nowait()
        except trio.WouldBlock:
            return
        try:
            with trio.move_on_after(PATIENCE):
                await _exchange(metrics, stream)
        except trio.BrokenResourceError:
            log.debug("a client of the metrics went away")
        finally:
            connections.release()


async def _exchange(metrics: Metrics, stream: trio.SocketStream) -> None:
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST)
    whole = True
    try:
        request = await _request(parser, stream)
        if request is None:
            return
        whole = request.method != b"HEAD"
        status, kind, body = await answer(metrics, request)
    except h11.RemoteProtocolError as error:
        status, kind, body = problem(HTTPStatus(error.error_status_hint))
    headers = [("content-type", kind), ("content-length", str(len(body))), ("connection", "close")]
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("allow", "GET, HEAD"))
    sent = parser.send(h11.Response(status_code=status, headers=headers)) or b""
    await stream.send_all(sent + (body if whole else b""))
    await stream.send_eof()


async def _request(parser: h11.Connection, stream: trio.SocketStream) -> h11.Request | None:
    """What is asked for; None where the client left without a word."""
    while True:
        event = parser.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        parser.receive_data(await stream.receive_some())


async def answer(metrics: Metrics, request: h11.Request) -> Answer:
    """What a request gets."""
    if request.method not in METHODS:
        return problem(HTTPStatus.METHOD_NOT_ALLOWED)
    path = request.target.partition(b"?")[0]
    if path == b"/health":
        return HTTPStatus.OK, JSON, b'{"status":"ok"}\n'
    if path == b"/health/ready":
        return ready(await metrics.look())
    if path == b"/metrics":
        await metrics.look()
        encode, kind = choose_encoder(dict(request.headers).get(b"accept", b"").decode("latin-1"))
        return HTTPStatus.OK, kind, encode(metrics)
    return problem(HTTPStatus.NOT_FOUND)


def ready(trouble: str | None) -> Answer:
    if trouble is None:
        return HTTPStatus.OK, JSON, b'{"status":"ready"}\n'
    body = msgspec.json.encode({"status": "not_ready", "error": trouble})
    return HTTPStatus.SERVICE_UNAVAILABLE, JSON, body + b"\n"


def problem(status: HTTPStatus) -> Answer:
    return status, JSON, msgspec.json.encode({"error": status.phrase}) + b"\n"
