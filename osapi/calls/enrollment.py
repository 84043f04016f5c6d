"""Agents that ask to be taken in, where jobs are signed (`controller.pki.enabled`)."""

from typing import Annotated

import attrs
import msgspec

from osapi.calls.agent import Name, Told
from osapi.operation import Call
from osapi.results import Time

Fingerprint = Annotated[
    str,
    msgspec.Meta(
        max_length=255,
        description="Fingerprint of the agent's key, as `osapi client agent key fingerprint` prints it there",
        examples=["SHA256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        extra={"in_query": True},
    ),
]


@attrs.frozen(kw_only=True)
class PendingAgentInfo:
    """An agent that waits; `former_fingerprint` is there where its machine was accepted with another key."""

    machine_id: str
    hostname: str
    fingerprint: str
    requested_at: Time
    former_fingerprint: str | None = None


@attrs.frozen(kw_only=True)
class PendingAgents:
    agents: list[PendingAgentInfo]
    total: int


class Pending(Call[PendingAgents], GET="/agent/pending", command="agent pending", permission="agent:read"):
    """List the agents that wait to be accepted."""


class Accept(Call[Told], POST="/agent/{hostname}/accept", command="agent accept", permission="agent:write"):
    """Take an agent in that waits.

    Compare its fingerprint first: that of the list with the one that `osapi client agent key fingerprint` prints on
    the host itself. With `fingerprint`, that agent is meant, whatever its name.
    """

    hostname: Name
    fingerprint: Fingerprint | None = None


class Reject(Call[Told], POST="/agent/{hostname}/reject", command="agent reject", permission="agent:write"):
    """Send an agent away that waits; it asks again when it is restarted."""

    hostname: Name
