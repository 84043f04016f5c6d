"""Whether OSAPI works."""

import attrs

from osapi.operation import Call


@attrs.frozen(kw_only=True)
class Alive:
    status: str


@attrs.frozen(kw_only=True)
class Readiness:
    """`ready`, or `not_ready` with the reason."""

    status: str
    error: str | None = None


@attrs.frozen(kw_only=True)
class ComponentHealth:
    status: str
    error: str | None = None
    address: str | None = None


@attrs.frozen(kw_only=True)
class BrokerInfo:
    url: str
    version: str


@attrs.frozen(kw_only=True)
class StreamInfo:
    """A log; `consumers` are those who read it now."""

    name: str
    messages: int
    bytes: int
    consumers: int


@attrs.frozen(kw_only=True)
class BucketInfo:
    name: str
    keys: int
    bytes: int


@attrs.frozen(kw_only=True)
class StoreInfo:
    name: str
    size: int


@attrs.frozen(kw_only=True)
class ConsumerCount:
    """How many consumers the broker has: one for each watch of a controller, none for an agent."""

    total: int


@attrs.frozen(kw_only=True)
class JobCounts:
    total: int
    unprocessed: int
    processing: int
    completed: int
    failed: int
    dlq: int = 0


@attrs.frozen(kw_only=True)
class AgentEntry:
    hostname: str
    registered: str
    labels: str | None = None


@attrs.frozen(kw_only=True)
class AgentCounts:
    total: int
    ready: int
    agents: list[AgentEntry]


@attrs.frozen(kw_only=True)
class RegistryEntry:
    """One component that beats: an agent, a controller or a broker.

    `conditions` are the types of those that hold, `components` are its supervised parts by name.
    """

    type: str
    hostname: str
    status: str
    conditions: list[str]
    age: str
    cpu_percent: float
    mem_bytes: int
    components: dict[str, ComponentHealth] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Health:
    """Everything that beats and everything it stands on.

    `degraded` where the broker is away, or a part of a controller or a broker does not run. What is wrong with a host
    is told with that host: one of a thousand does not make the rest of them worse. `components` has the parts of this
    controller, and of all agents and brokers the worst of each name.
    """

    status: str
    components: dict[str, ComponentHealth]
    version: str
    uptime: str
    nats: BrokerInfo | None = None
    streams: list[StreamInfo] | None = None
    kv_buckets: list[BucketInfo] | None = None
    object_stores: list[StoreInfo] | None = None
    jobs: JobCounts | None = None
    agents: AgentCounts | None = None
    consumers: ConsumerCount | None = None
    registry: list[RegistryEntry] | None = None


class Liveness(Call[Alive], GET="/health", permission=""):
    """Say whether the controller is there."""


class Ready(Call[Readiness], GET="/health/ready", permission=""):
    """Say whether the controller can do its work: it reaches the broker."""


class Status(Call[Health], GET="/health/status"):
    """Show every component, and what the broker holds."""
