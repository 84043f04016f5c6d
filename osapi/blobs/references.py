"""References: blobs whose bytes lie elsewhere, in s3://, https:// or file://, as far as the configuration allows."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from osapi.blobs import local, web
from osapi.config.blobs import Blobs
from osapi.errors import OperationError, Refused


async def check(source: str, blobs: Blobs) -> None:
    """`Refused` where the configuration does not allow a source; nothing is read from it.

    A name that cannot be resolved here is let pass: the hosts, which may know it, judge it when they read.
    """
    rules = blobs.references
    match _scheme(source):
        case "s3":
            _object(source, blobs)
        case "file":
            local.locate(source, rules)
        case _:
            place = web.Place.parse(source, rules)
            try:
                await web.addresses(place, rules)
            except Refused:
                raise
            except OperationError:
                return


def read(source: str, blobs: Blobs) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    """What lies there, in pieces; judged again, for the configuration is this host's own."""
    match _scheme(source):
        case "s3":
            from osapi.blobs.s3 import Bucket  # the library is loaded only where it is used

            bucket, key = _object(source, blobs)
            return Bucket.open(blobs.s3, bucket).read(key)
        case "file":
            return local.read(source, blobs.references)
        case _:
            return web.fetch(source, blobs.references)


def _scheme(source: str) -> str:
    return source.partition(":")[0]


def _object(source: str, blobs: Blobs) -> tuple[str, str]:
    """Bucket and key of an s3:// URL, whose key is meant literally, as other tools do."""
    bucket, _, key = source.removeprefix("s3://").partition("/")
    if bucket not in blobs.references.s3_buckets:
        allowed = ", ".join(blobs.references.s3_buckets) or "none"
        raise Refused(f"{source}: {bucket} is not in blobs.references.s3_buckets; allowed: {allowed}")
    if {"", ".", ".."} & set(key.split("/")):
        raise Refused(f"{source}: a key with an empty part, with . or with .. cannot be asked for")
    return bucket, key
