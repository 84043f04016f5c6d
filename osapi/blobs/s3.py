"""Blobs in a bucket of S3, or of what speaks its protocol: the blob ab12… is the key blobs/ab12….

The library blocks, so each call is in a thread; an upload is one call, which asks for the next piece once it has
room for it. What is uploaded is below `uploads/` until it is whole and its SHA-256 known, then copied by the server
(which does that for up to 5 GiB, see CopyObject in the API reference of Amazon S3).
"""

import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import attrs
import obstore
import trio
from obstore.exceptions import BaseError
from obstore.store import S3Store

from osapi.blobs.content import Content, Pieces
from osapi.config.blobs import BlobS3
from osapi.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig

T = TypeVar("T")

PIECE = 256 * 1024
"""Bytes that are read at once, or a little more."""

PART, PARTS = 8 * 1024 * 1024, 2
"""Bytes of one part of an upload, and how many of them are on their way at once: what it takes of memory."""

UPLOADS, CALLS = 16, 16
"""Uploads, and other calls, that are on their way at once; each is in a thread."""

GOODBYE = 5.0
"""Seconds that removing a draft may take; what is left then is below `uploads/`."""

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

CLIENT: "ClientConfig" = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=60),  # of a part on its way up, too
    "timeout": timedelta(days=1),  # of a whole download, which may be slow as long as it goes on
}
RETRIES: "RetryConfig" = {"max_retries": 2, "retry_timeout": timedelta(seconds=30)}
"""Few: who waits for it tries again, too."""


@attrs.frozen(eq=False)
class Bucket:
    """One bucket, as the configuration says how to reach it."""

    name: str
    store: S3Store
    _uploads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(UPLOADS))
    _calls: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(CALLS))

    @staticmethod
    def open(s3: BlobS3, name: str) -> "Bucket":
        """Nothing is asked of the server yet; `Unavailable` where there are no credentials."""
        if missing := [variable for variable in CREDENTIALS if not os.environ.get(variable)]:
            raise Unavailable(f"S3 needs credentials: {' and '.join(missing)} must be in the environment")
        url = endpoint(s3)
        store = S3Store(
            name,
            aws_endpoint_url_s3=url,  # the one that no variable of the environment overrides
            region=s3.region,
            client_options={**CLIENT, "allow_http": url.startswith("http://")},
            retry_config=RETRIES,
        )
        return Bucket(name, store)

    async def put(self, key: str, content: Content) -> None:
        """Upload in parts; where that breaks off, the parts are discarded."""

        def fed() -> Iterator[bytes]:
            with suppress(StopAsyncIteration):
                while True:
                    yield trio.from_thread.run(content.__anext__)

        upload = partial(
            obstore.put, self.store, key, fed(), use_multipart=True, chunk_size=PART, max_concurrency=PARTS
        )
        with self._told():
            await trio.to_thread.run_sync(upload, limiter=self._uploads)

    @asynccontextmanager
    async def read(self, key: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """An object in pieces; `NotFound` where it is not there."""
        found = await self._do(obstore.get, self.store, key)
        stream = found.stream(min_chunk_size=PIECE)
        yield Pieces(partial(self._do, next, stream, b""))

    async def size(self, key: str) -> int | None:
        """Of an object, in bytes; None where it is not there."""
        try:
            return (await self._do(obstore.head, self.store, key))["size"]
        except NotFound:
            return None

    async def copy(self, key: str, to: str) -> None:
        await self._do(obstore.copy, self.store, key, to)

    async def delete(self, key: str) -> None:
        with suppress(NotFound):
            await self._do(obstore.delete, self.store, key)

    async def older(self, prefix: str, age: float) -> list[str]:
        """The keys below a prefix that were written so many seconds ago, or earlier."""

        def listed() -> "list[ObjectMeta]":
            return [found for page in obstore.list(self.store, prefix) for found in page]

        before = datetime.now(UTC) - timedelta(seconds=age)
        return [found["path"] for found in await self._do(listed) if found["last_modified"] < before]

    async def _do(self, act: Callable[..., T], *given: object) -> T:
        """Call the library in a thread; a call that is cancelled is left to its time limit, nothing hangs on it."""
        with self._told():
            return await trio.to_thread.run_sync(
                partial(act, *given), limiter=self._calls, abandon_on_cancel=True
            )

    @contextmanager
    def _told(self) -> Generator[None]:
        """The library's errors as ours, in one line."""
        try:
            yield
        except FileNotFoundError as error:
            kind = Unavailable if "NoSuchBucket" in str(error) else NotFound
            raise kind(f"bucket {self.name} of S3: {_reason(error)}") from None
        except BaseError as error:
            raise Unavailable(f"bucket {self.name} of S3: {_reason(error)}") from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            # a bug of the library, in Rust, arrives as no Exception: it must not end the daemon
            raise Unavailable(f"bucket {self.name} of S3: the library broke: {_reason(error)}") from None


@attrs.frozen(eq=False)
class S3Backend:
    """See `osapi.blobs.Backend`."""

    bucket: Bucket
    name: str = "s3"

    @staticmethod
    def open(s3: BlobS3) -> "S3Backend":
        """See `Bucket.open`."""
        return S3Backend(Bucket.open(s3, s3.bucket))

    async def store(self, content: Content) -> bool:
        draft = f"uploads/{uuid4().hex}"
        await self.bucket.put(draft, content)
        try:
            if await self.bucket.size(_key(content.sha256)) == content.size:
                return False
            await self.bucket.copy(draft, _key(content.sha256))
            return True
        finally:
            with trio.move_on_after(GOODBYE, shield=True), suppress(Unavailable):
                await self.bucket.delete(draft)

    @asynccontextmanager
    async def read(self, sha256: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with self.bucket.read(_key(sha256)) as found:
            yield found

    async def delete(self, sha256: str) -> None:
        await self.bucket.delete(_key(sha256))

    async def sweep(self, age: float) -> int:
        """Parts of which no object was made are not seen so: a rule of the bucket removes them, where it has one."""
        old = await self.bucket.older("uploads", age)
        for key in old:
            await self.bucket.delete(key)
        return len(old)


def endpoint(s3: BlobS3) -> str:
    """The URL of the server, over https unless told otherwise; that of the region at Amazon, unless told another."""
    if s3.endpoint in {"", "s3.amazonaws.com"}:
        return f"https://s3.{s3.region}.amazonaws.com"
    return s3.endpoint if "://" in s3.endpoint else f"https://{s3.endpoint}"


def _key(sha256: str) -> str:
    return f"blobs/{sha256}"


def _reason(error: BaseException) -> str:
    """What the library says, in a line: with the words of the server, or else of the operating system."""
    line, _, more = str(error).partition("\n")
    if told := re.search(r"<Code>(.*?)</Code>\s*<Message>(.*?)</Message>", more, re.DOTALL):
        return f"{line.partition(': Error performing')[0]}: {told[1]}: {told[2]}"
    if told := re.search(r'(?:message|error): "([^"]+)"', more):
        return f"{line}: {told[1]}"
    return line
