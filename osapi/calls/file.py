"""Files in the object store, from where they are deployed to hosts."""

from typing import Annotated, Literal

import attrs
import msgspec

from osapi.operation import Call, text
from osapi.results import Download as Bytes
from osapi.results import Time

RESERVED = "osapi/"
"""Names that begin so are OSAPI's own."""

CONTENT_TYPE = "Osapi-Content-Type"
"""Header of an object that says whether it is raw or a template."""

Name = Annotated[
    str, text(r"[^\x00-\x1f\x7f]+", "Name of the file in the object store", example="app.conf", most=255)
]
ContentType = Annotated[
    Literal["raw", "template"], msgspec.Meta(description="Whether it is rendered where it is deployed")
]
Force = Annotated[
    bool,
    msgspec.Meta(description="Replace what has other content under that name", extra={"in_query": True}),
]


@attrs.frozen(kw_only=True)
class FileInfo:
    """A file in the object store; `source` is `osapi` for OSAPI's own, else `user`, `size` in bytes."""

    name: str
    sha256: str
    size: int
    content_type: str
    source: str


@attrs.frozen(kw_only=True)
class FileList:
    """All files, sorted by name."""

    files: list[FileInfo]
    total: int


@attrs.frozen(kw_only=True)
class FileUploaded:
    """What is stored now; `changed` is false where it was stored already."""

    name: str
    sha256: str
    size: int
    changed: bool
    content_type: str


@attrs.frozen(kw_only=True)
class FileDeleted:
    """A file that is in the object store no longer."""

    name: str
    deleted: bool


@attrs.frozen(kw_only=True)
class StaleDeployment:
    """A file on a host that was made of other content than the object store has now.

    `deployed_sha` is of the object as it was then, `current_sha` as it is now; empty where it is gone.
    """

    object_name: str
    hostname: str
    provider: str
    path: str
    deployed_sha: str
    current_sha: str
    deployed_at: Time


@attrs.frozen(kw_only=True)
class StaleDeployments:
    """Deployments that are behind the object store, sorted by object, host and path."""

    stale: list[StaleDeployment]
    total: int


class List(Call[FileList], GET="/file"):
    """List the files in the object store."""


class Upload(Call[FileUploaded], POST="/file", success=201, uploads=True):
    """Upload a file to the object store.

    Other content under a name that is taken is refused without `force`; the same content is not stored twice.
    """

    name: Name
    content_type: ContentType = "raw"
    force: Force = False


class Stale(Call[StaleDeployments], GET="/file/stale"):
    """List deployments whose object has other content by now.

    No host is asked: what was deployed is compared with what the object store has.
    """


class Get(Call[FileInfo], GET="/file/{name}"):
    """Show what is known of a file in the object store."""

    name: Name


class Download(Call[Bytes], GET="/file/{name}/content"):
    """Download a file from the object store."""

    name: Name


class DeleteObject(Call[FileDeleted], DELETE="/file/{name}", command="file delete"):
    """Delete a file from the object store; what was deployed of it stays on the hosts."""

    name: Name
