"""Blobs: contents that never change, named by their SHA-256."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Call, text
from osapi.results import Download as Bytes
from osapi.results import Time

Sha256 = Annotated[
    str,
    text(
        r"[0-9a-f]{64}",
        "SHA-256 of the content, in hex",
        example="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        most=64,
        positional=True,
    ),
]
Source = Annotated[
    str,
    text(
        r"(?:s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/|https?://|file:///)[^\x00-\x20\x7f]+",
        "Where it lies: s3://bucket/key, https://host/path or file:///path",
        example="s3://images/ubuntu-24.04.iso",
        most=2048,
    ),
]
Size = Annotated[int, msgspec.Meta(ge=0, description="Size in bytes")]
Filename = Annotated[
    str,
    text(r"[^\x00-\x1f\x7f/]+", "Name of the file it was, to show", example="nginx.conf", most=255),
]
MimeType = Annotated[
    str,
    text(
        r"[\w.+-]+/[\w.+-]+",
        "Media type, to show; guessed unless told",
        example="text/plain",
        most=127,
        flag="mime-type",
    ),
]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000, description="Blobs to show at most")]
Cursor = Annotated[
    str, text(r"[0-9a-f]{64}", "Go on after this one: the next_cursor of the page before", example="9f" * 32)
]


@attrs.frozen(kw_only=True)
class Blob:
    """What is known of a blob: `source` is `managed`, or where it lies elsewhere; `backend` holds its bytes
    (nats, s3, fs), or is `external`.
    """

    sha256: str
    size: int
    source: str
    backend: str
    created_at: Time
    filename: str | None = None
    mime_type: str | None = None


@attrs.frozen(kw_only=True)
class BlobUploaded(Blob):
    """A blob that is stored now; `changed` is false where it was stored already."""

    changed: bool


@attrs.frozen(kw_only=True)
class BlobPage:
    """A page of blobs, sorted by their SHA-256."""

    blobs: list[Blob]
    total: int
    next_cursor: str | None = None


class List(Call[BlobPage], GET="/blobs"):
    """List the blobs."""

    limit: Limit = 100
    cursor: Cursor | None = None


class Upload(Call[BlobUploaded], POST="/blobs", success=201, uploads=True):
    """Upload a file as a blob."""

    filename: Filename | None = None
    mime_type: MimeType | None = None


class Register(Call[BlobUploaded], POST="/blobs/register", success=201):
    """Register what lies elsewhere as a blob: no bytes are moved until a host writes it.

    Hosts fetch it from there, and refuse it where it has another SHA-256.
    """

    sha256: Sha256
    source: Source
    size: Size
    filename: Filename | None = None
    mime_type: MimeType | None = None


class Check(Call[Blob], HEAD="/blobs/{sha256}"):
    """Show what is known of a blob, without its content."""

    sha256: Sha256


class Download(Call[Bytes], GET="/blobs/{sha256}"):
    """Download a blob that OSAPI holds itself."""

    sha256: Sha256


class Delete(Call[None], DELETE="/blobs/{sha256}", success=204, permission="blob:admin"):
    """Delete a blob, or forget where it lies.

    What was written of it stays on the hosts.
    """

    sha256: Sha256
