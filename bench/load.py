"""Requests to a controller, many at a time, and how long each took. The generator costs little beside what it loads."""

import json
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import attrs
import trio


@attrs.frozen
class Load:
    """What came of a load: times in seconds, sorted."""

    times: Sequence[float]
    seconds: float

    @property
    def per_second(self) -> float:
        return len(self.times) / self.seconds

    def quantile(self, part: float) -> float:
        return self.times[min(int(len(self.times) * part), len(self.times) - 1)]


async def get(url: str, path: str, token: str, *, clients: int, requests: int) -> Load:
    """GET a path `requests` times with `clients` connections, each one request at a time."""
    times: list[float] = []
    left = iter(range(requests))
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(_client, url, path, token, left, times)
    return Load(sorted(times), time.perf_counter() - began)


async def once(url: str, path: str, token: str) -> tuple[float, object]:
    """One request on a connection of its own: seconds, and the answer."""
    place = urlsplit(url)
    stream = await trio.open_tcp_stream(place.hostname or "", place.port or 80)
    async with stream:
        began = time.perf_counter()
        body, _ = await _exchange(stream, _request(url, path, token), b"")
        return time.perf_counter() - began, json.loads(body)


def _request(url: str, path: str, token: str) -> bytes:
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        f"Authorization: Bearer {token}",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


async def _client(url: str, path: str, token: str, left: object, times: list[float]) -> None:
    place, request, rest = urlsplit(url), _request(url, path, token), b""
    stream = await trio.open_tcp_stream(place.hostname or "", place.port or 80)
    async with stream:
        for _ in left:
            began = time.perf_counter()
            _, rest = await _exchange(stream, request, rest)
            times.append(time.perf_counter() - began)


async def _exchange(stream: trio.SocketStream, request: bytes, rest: bytes) -> tuple[bytes, bytes]:
    """Send a request; its answer's body, and what has already come of the next."""
    await stream.send_all(request)
    data = rest
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += await _more(stream)
    head = data[:end].lower()
    assert head.startswith(b"http/1.1 2"), data
    size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    parts = [data[end + 4 :]]
    have = len(parts[0])
    while have < size:
        parts.append(await _more(stream))
        have += len(parts[-1])
    body = b"".join(parts)
    return body[:size], body[size:]


async def _more(stream: trio.SocketStream) -> bytes:
    data = await stream.receive_some(1 << 20)
    assert data, "the controller closed the connection"
    return bytes(data)
