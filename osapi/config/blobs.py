"""The section `blobs` of osapi.yaml, the same for controller and agents: where blobs are kept, and may come from."""

from typing import Annotated, Literal

import attrs

from osapi.config import kinds
from osapi.config.fields import Bucket, Count, Replicas, Size, Storage


@attrs.frozen(kw_only=True)
class BlobIndex:
    """The bucket that says what is known of each blob, wherever its bytes are."""

    bucket: Bucket = "osapi-blob-index"
    storage: Storage = "file"
    replicas: Replicas = 1


@attrs.frozen(kw_only=True)
class BlobNats:
    """Blobs in an object store of the broker."""

    bucket: Bucket = "osapi-blobs"
    chunk_size: Count = 256 * 1024
    max_bytes: Size = 0
    storage: Storage = "file"
    replicas: Replicas = 1


@attrs.frozen(kw_only=True)
class BlobS3:
    """Blobs in a bucket of S3 or what speaks its protocol.

    The credentials are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.
    """

    endpoint: Annotated[str, kinds.S3_ENDPOINT] = ""
    bucket: Annotated[str, kinds.S3_BUCKET] = "osapi-blobs"
    region: Annotated[str, kinds.REGION] = "us-east-1"


@attrs.frozen(kw_only=True)
class BlobFs:
    """Blobs in a folder that the controller and all agents share."""

    path: Annotated[str, kinds.PATH] = "/var/lib/osapi/blobs"


@attrs.frozen(kw_only=True)
class BlobReferences:
    """Where registered blobs may lie: file:// below `file_roots`, s3:// in `s3_buckets`, https:// anywhere but on
    this machine, its link, or a cloud's metadata address, unless `allow` names it (addresses or networks).
    """

    file_roots: Annotated[list[str], kinds.PATHS] = attrs.field(factory=list)
    s3_buckets: Annotated[list[str], kinds.S3_BUCKETS] = attrs.field(factory=list)
    http: bool = False
    allow: Annotated[list[str], kinds.NETWORKS] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Blobs:
    """Where uploaded blobs are kept."""

    backend: Literal["nats", "s3", "fs"] = "nats"
    index: BlobIndex = BlobIndex()
    nats: BlobNats = BlobNats()
    s3: BlobS3 = BlobS3()
    fs: BlobFs = BlobFs()
    references: BlobReferences = BlobReferences()
