"""The agents, as the controller sees them."""

from typing import Annotated, Any

import attrs
import msgspec

from osapi.operation import Call
from osapi.operations.node import LoadAverage, MemoryUsage, System
from osapi.registry import Interface, NodeCondition, Route
from osapi.results import Time

Name = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=255, description="Host name or machine id of the agent", examples=["web-01"]
    ),
]


@attrs.frozen(kw_only=True)
class TimelineEvent:
    """Something that happened to a host or a job."""

    timestamp: Time
    event: str
    hostname: str | None = None
    message: str | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class AgentInfo:
    """An agent and its host; `status` is NotReady once its beats have stopped, `state` whether it takes jobs."""

    hostname: str
    status: str
    machine_id: str | None = None
    fingerprint: str | None = None
    labels: dict[str, str] | None = None
    registered_at: Time | None = None
    started_at: Time | None = None
    os_info: System | None = None
    uptime: str | None = None
    load_average: LoadAverage | None = None
    memory: MemoryUsage | None = None
    architecture: str | None = None
    kernel_version: str | None = None
    cpu_count: int | None = None
    fqdn: str | None = None
    service_mgr: str | None = None
    package_mgr: str | None = None
    interfaces: list[Interface] | None = None
    primary_interface: str | None = None
    routes: list[Route] | None = None
    facts: dict[str, Any] | None = None
    state: str | None = None
    version: str | None = None
    conditions: list[NodeCondition] | None = None
    timeline: list[TimelineEvent] | None = None


@attrs.frozen(kw_only=True)
class Agents:
    agents: list[AgentInfo]
    total: int


@attrs.frozen(kw_only=True)
class Told:
    """What was done, in words."""

    message: str


class List(Call[Agents], GET="/agent"):
    """List the agents."""


class Get(Call[AgentInfo], GET="/agent/{hostname}"):
    """Show one agent: its host, facts, state, conditions, and what happened to it."""

    hostname: Name


class Drain(Call[Told], POST="/agent/{hostname}/drain"):
    """Have an agent take no more jobs.

    Those that run come to their end, and then it is Cordoned, also after a restart. `_any`, `_all` and labels leave
    it out; what is for it by its name waits until `undrain`, unless it expires before.
    """

    hostname: Name


class Undrain(Call[Told], POST="/agent/{hostname}/undrain"):
    """Have a drained agent take jobs again."""

    hostname: Name


class Forget(Call[Told], DELETE="/agent/{hostname}"):
    """Forget an agent that is gone, with its facts, and that it was accepted or drained.

    Jobs cannot be queued for it any more. One that still beats is a conflict: stop it first. Where it comes back, it
    is a new one.
    """

    hostname: Name
