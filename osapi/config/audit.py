"""The keys of `controller.audit`: what the audit log is sealed with, and by whom else it may be."""

from typing import Annotated

import attrs

from osapi.config.kinds import Kind, each, matching

SEED = Kind("a key of Ed25519", "64 hexadecimal digits", matching(r"(?:[0-9a-f]{64})?"), secret=True)
PUBLIC_KEYS = Kind(
    "a list of public keys of Ed25519", "each 44 characters of base64", each(matching(r"[A-Za-z0-9+/]{43}="))
)


@attrs.frozen(kw_only=True)
class ControllerAudit:
    """An empty `key` stands for that of the state directory; controllers that share a log best share a key.

    `trusted_keys` are the public keys of others that write to the log, and those that this one had before.
    """

    key: Annotated[str, SEED] = ""
    trusted_keys: Annotated[list[str], PUBLIC_KEYS] = attrs.field(factory=list)
