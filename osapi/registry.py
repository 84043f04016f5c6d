"""What components say of themselves on the broker: beats, facts, and which hosts are known."""

from enum import StrEnum
from typing import Any

import attrs
import msgspec

from osapi.jobs import Id
from osapi.operations.node import LoadAverage, MemoryUsage, System
from osapi.results import Time

BEATS = 3
"""Beats in the time that the registry keeps one: every ten seconds of thirty, unless configured otherwise."""


@attrs.frozen(kw_only=True)
class SubComponent:
    """The health of one supervised task: `ok`, `waiting` (to be restarted), or `disabled`."""

    status: str
    error: str | None = None
    address: str | None = None
    crashes: int = 0


@attrs.frozen(kw_only=True)
class ProcessUsage:
    cpu_percent: float
    rss_bytes: int


@attrs.frozen(kw_only=True)
class NodeCondition:
    """Something that holds of a host or a process, or not, since a moment; `reason` says of what."""

    type: str
    status: bool
    last_transition_time: Time
    reason: str | None = None


class AgentState(StrEnum):
    """Whether an agent takes jobs: none until it is accepted; all, none any more while the last ones run, or none."""

    PENDING = "Pending"
    READY = "Ready"
    DRAINING = "Draining"
    CORDONED = "Cordoned"


@attrs.frozen(kw_only=True)
class Beat:
    """What an agent says every ten seconds; the key expires when it stops.

    `instance` differs each time an agent starts; `uptime` is in words; `state` is an `AgentState`; `fingerprint`
    is that of the agent's key, where it has one (`osapi.keys`).
    """

    machine_id: Id
    hostname: str
    instance: str
    version: str
    state: str
    registered_at: Time
    started_at: Time
    fingerprint: str | None = None
    labels: dict[str, str] = attrs.field(factory=dict)
    os_info: System | None = None
    uptime: str | None = None
    load_averages: LoadAverage | None = None
    memory_stats: MemoryUsage | None = None
    process: ProcessUsage | None = None
    conditions: list[NodeCondition] = attrs.field(factory=list)
    sub_components: dict[str, SubComponent] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ComponentBeat:
    """What a controller or a broker's supervisor says every ten seconds."""

    type: str
    hostname: str
    version: str
    registered_at: Time
    started_at: Time
    process: ProcessUsage | None = None
    conditions: list[NodeCondition] = attrs.field(factory=list)
    sub_components: dict[str, SubComponent] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class KnownHost:
    """A host that has been here, kept after its beats have stopped.

    `secrets_key` is what secrets are sealed with for it (`osapi.sealed`), `conditions` are those of its last beats,
    without reasons: since when each is as it is survives the beats. `proof` is the signature over `secrets_key` of an
    agent that has a key (`osapi.enrollment`).
    """

    machine_id: Id
    hostname: str
    labels: dict[str, str] = attrs.field(factory=dict)
    secrets_key: str = ""
    proof: bytes = b""
    conditions: list[NodeCondition] = attrs.field(factory=list)


class Interface(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network interface; `family` is inet, inet6 or dual."""

    name: str
    ipv4: str | None = None
    ipv6: str | None = None
    mac: str | None = None
    family: str | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the IPv4 routing table; `mask` is `/n`, `flags` in hex as the kernel shows them."""

    destination: str
    gateway: str
    interface: str
    mask: str | None = None
    metric: int | None = None
    flags: str | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a host is, gathered every minute."""

    architecture: str | None = None
    kernel_version: str | None = None
    cpu_count: int | None = None
    fqdn: str | None = None
    service_mgr: str | None = None
    package_mgr: str | None = None
    containerized: bool = msgspec.field(default_factory=bool)
    interfaces: list[Interface] = msgspec.field(default_factory=list)
    primary_interface: str | None = None
    routes: list[Route] = msgspec.field(default_factory=list)
    facts: dict[str, Any] = msgspec.field(default_factory=dict)
