"""What was deployed to a host, as the bucket of file states keeps it: one record for each path of each host.

The members are those that existing installations have, and more.
"""

from typing import Any

import attrs

from osapi.results import Time


@attrs.frozen(kw_only=True)
class Deployment:
    """A file that was deployed; `sha256` is of its bytes on the disk, `source_sha256` of the object it was made of.

    Older records know only the first of these: then the object is taken to be what lies on the disk, as it is where
    nothing was rendered. `undeployed_at` is there where it was removed again; the rest is then as it was.
    """

    object_name: str
    path: str
    sha256: str
    content_type: str
    deployed_at: Time
    source_sha256: str = ""
    mode: str | None = None
    owner: str | None = None
    group: str | None = None
    undeployed_at: Time | None = None
    metadata: dict[str, Any] | None = None

    def __attrs_post_init__(self) -> None:
        if not self.source_sha256:
            object.__setattr__(self, "source_sha256", self.sha256)

    @property
    def present(self) -> bool:
        """Whether it is meant to be on the disk."""
        return self.undeployed_at is None
