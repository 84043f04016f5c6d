"""Registered blobs on the web: a name is resolved once, every address of it is judged, and that is what is asked.

So no name can lead elsewhere between the judgement and the connection, and no redirect can: each is judged anew.
There are no proxies, for they would resolve names for themselves, and no cookies or credentials.
"""

import os
import re
import ssl
import string
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from socket import SOCK_STREAM, gaierror
from urllib.parse import quote, urljoin, urlsplit

import attrs
import trio

from osapi.blobs.addresses import Address, networks, refusal
from osapi.blobs.content import Pieces
from osapi.blobs.exchange import Exchange
from osapi.config.blobs import BlobReferences
from osapi.errors import NotFound, OperationError, Refused

REDIRECTS = 5
CONNECT = 10.0
"""Seconds to resolve a name, or to connect."""

HOST = re.compile(r"[A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\]")
PORTS = {"https": 443, "http": 80}
MOVED = {301, 302, 303, 307, 308}
GONE = {404, 410}


@attrs.frozen
class Place:
    """A URL in its parts: `authority` as it was written, `host` without the brackets of IPv6, `path` with the query."""

    scheme: str
    host: str
    port: int
    path: str
    authority: str

    @staticmethod
    def parse(url: str, rules: BlobReferences) -> "Place":
        """The parts of a URL; `Refused` where it has what it must not, or is ambiguous."""
        schemes = ["http", "https"] if rules.http else ["https"]
        if re.search(r"[\x00-\x20\x7f\\]", url):
            raise Refused(f"{url!r} is not a URL: it has spaces, control characters or backslashes")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Refused(f"{url} is not a URL: {error}") from None
        if parts.scheme not in schemes:
            scheme = parts.scheme or "no scheme"
            raise Refused(f"{url}: {scheme} is not allowed, only {' and '.join(schemes)}")
        if "@" in parts.netloc:
            raise Refused("a URL with a user name or password is not allowed: who lists blobs would see them")
        if not HOST.fullmatch(re.sub(r":[0-9]*$", "", parts.netloc)):
            raise Refused(f"{url}: {parts.netloc!r} is no host; write an international name as xn--…")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Place(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=port or PORTS[parts.scheme],
            path=quote(path, safe=string.punctuation),
            authority=parts.netloc,
        )

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


async def addresses(place: Place, rules: BlobReferences) -> list[Address]:
    """The addresses of a place, in the order to try them; `Refused` where one of them is not allowed."""
    found = await _resolve(place)
    allowed = networks(rules.allow)
    for address in found:
        if reason := refusal(address, allowed):
            raise Refused(f"{place.host} is {address}, {reason}; blobs.references.allow does not name it")
    return found


async def _resolve(place: Place) -> list[Address]:
    try:
        with trio.fail_after(CONNECT):
            found = await trio.socket.getaddrinfo(place.host, place.port, type=SOCK_STREAM)
    except (gaierror, UnicodeError, trio.TooSlowError) as error:
        raise OperationError(f"{place.host} cannot be resolved: {error or 'no answer'}") from None
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return [ip_address(text) for text in texts]


@asynccontextmanager
async def fetch(url: str, rules: BlobReferences) -> AsyncGenerator[AsyncIterator[bytes]]:
    """What lies at a URL, in pieces, as it was sent; `NotFound`, `Refused` or `OperationError` name what is wrong."""
    exchange = await _follow(url, rules)
    try:
        yield Pieces(exchange.more)
    finally:
        await exchange.close()


async def _follow(url: str, rules: BlobReferences) -> Exchange:
    """The answer at the end of the redirects, of which the body has not been read."""
    place = Place.parse(url, rules)
    for _ in range(REDIRECTS + 1):
        exchange = await _ask(place, await addresses(place, rules))
        if exchange.status == 200:
            return exchange
        await exchange.close()
        if exchange.status not in MOVED or not exchange.location:
            kind = NotFound if exchange.status in GONE else OperationError
            raise kind(f"{url} cannot be fetched: {place.host} answers {exchange.status} {exchange.reason}")
        place = Place.parse(urljoin(str(place), exchange.location), rules)
    raise Refused(f"{url} is redirected more than {REDIRECTS} times")


async def _ask(place: Place, found: list[Address]) -> Exchange:
    """Ask at the first address that can be connected to."""
    stream = await _connect(place, found)
    try:
        return await Exchange.get(stream, str(place), place.authority, place.path)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def _connect(place: Place, found: list[Address]) -> trio.abc.Stream:
    """A connection to the first address that takes one, encrypted where the scheme says so."""
    trusted = await trio.to_thread.run_sync(ssl.create_default_context)  # what this machine trusts
    reasons = []
    for address in found:
        try:
            with trio.fail_after(CONNECT):
                stream = await _open(address, place.port)
        except OSError as error:
            reasons.append(f"{address}: {os.strerror(error.errno or 0)}")
        except trio.TooSlowError:
            reasons.append(f"{address}: no answer within {CONNECT:g} s")
        else:
            if place.scheme == "http":
                return stream
            name = place.host.removesuffix(
                "."
            )  # the certificate must be of the name, whatever the address is
            return trio.SSLStream(stream, trusted, server_hostname=name, https_compatible=True)
    raise OperationError(f"{place} cannot be fetched: {'; '.join(reasons)}")


async def _open(address: Address, port: int) -> trio.SocketStream:
    family = trio.socket.AF_INET6 if address.version == 6 else trio.socket.AF_INET
    connection = trio.socket.socket(family, SOCK_STREAM)
    try:
        await connection.connect((str(address), port))
        return trio.SocketStream(connection)
    except BaseException:
        connection.close()
        raise
