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
    """An agent and its host; `status` is NotReady once its beats have stopped."""

    hostname: str
    status: str
    machine_id: str | None = None
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


class List(Call[Agents], GET="/agent"):
    """List the agents."""


class Get(Call[AgentInfo], GET="/agent/{hostname}"):
    """Show one agent: its host, facts and state."""

    hostname: Name
