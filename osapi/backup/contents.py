"""What a backup has in it: which streams, and in which order they are copied.

Each is copied as it is at one moment, one after another. What refers comes before what it refers to, so that nothing
in a backup lacks what it needs: a job before its answers, an entry of the index before its blob.
"""

from collections.abc import Mapping

import attrs

from osapi.bus import BucketSpec, LogSpec, buckets, log, objects
from osapi.bus.layout import Specs

LEFT_OUT = frozenset({"registry", "facts"})
"""What those who are there say of themselves, again and again."""

OPTIONAL = frozenset({"enrollment", "blobs"})
"""What is there only where agents are enrolled, and where blobs are kept on the broker."""

OBJECTS = frozenset({"objects", "blobs"})

FOLDER = "streams/"
"""Streams are parts below that name."""


def streams(specs: Specs, without: frozenset[str] = LEFT_OUT) -> dict[str, BucketSpec | LogSpec]:
    """The specifications of what is backed up, by the names of their streams, in the order they are copied."""
    found = {name: spec for name, spec in attrs.asdict(specs, recurse=False).items() if name not in without}
    order = sorted(found, key=lambda name: (isinstance(found[name], LogSpec), name in OBJECTS))
    return {str(_config(name, found[name])["name"]): found[name] for name in order}


def _config(name: str, spec: BucketSpec | LogSpec) -> Mapping[str, object]:
    if isinstance(spec, LogSpec):
        return log.stream_config(spec)
    return objects.stream_config(spec) if name in OBJECTS else buckets.stream_config(spec)
