"""Every key of osapi.yaml with its type and default; the classes are its sections, by the same names.

Lengths of time are in seconds, sizes in bytes. With no file at all, the defaults make everything work on one
machine.
"""

from typing import Annotated, Any, Literal

import attrs

from osapi.config import kinds
from osapi.config.audit import ControllerAudit
from osapi.config.blobs import Blobs

# fmt: off
from osapi.config.fields import (
    Address,
    Bucket,
    Count,
    Namespace,
    Percent,
    Period,
    Port,
    Replicas,
    Secret,
    Size,
    Storage,
    Words,
)
from osapi.config.idle import Consumer, Dlq, Stream

# fmt: on
from osapi.config.kinds import Kind
from osapi.config.notifications import Notifications
from osapi.config.telemetry import Telemetry
from osapi.configfile import DEFAULT_URL
from osapi.durations import Duration

HOUR = 3600.0


# What several sections have.


@attrs.frozen(kw_only=True)
class Auth:
    """How to sign in at the broker; `nkey_file` holds a seed."""

    type: Literal["none", "user_pass", "nkey"] = "none"
    username: str = ""
    password: Secret = ""
    nkey_file: str = ""


@attrs.frozen(kw_only=True)
class NatsConnection:
    """Where the broker is: `host` may name several of a cluster, each with a port of its own."""

    host: Annotated[str, kinds.SERVERS] = "localhost"
    port: Port = 4222
    client_name: str = ""
    namespace: Namespace = ""
    auth: Auth = Auth()


@attrs.frozen(kw_only=True)
class Metrics:
    """Where a daemon tells its numbers to Prometheus, without a token; an empty `host` is the loopback address."""

    enabled: bool = False
    host: Address = ""
    port: Port = 9090


# The controller.


@attrs.frozen(kw_only=True)
class ClientSecurity:
    bearer_token: Annotated[str, kinds.TOKEN] = ""


@attrs.frozen(kw_only=True)
class Client:
    """What the command line asks, and with which token."""

    url: Annotated[str, kinds.WEB] = DEFAULT_URL
    security: ClientSecurity = ClientSecurity()


@attrs.frozen(kw_only=True)
class Cors:
    allow_origins: Annotated[list[str], kinds.ORIGINS] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Role:
    permissions: Words = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class ApiSecurity:
    """An empty `signing_key` stands for that of the state directory."""

    signing_key: Annotated[str, kinds.KEY] = ""
    cors: Cors = Cors()
    roles: dict[str, Role] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class RateLimit:
    """Requests of one token: so many a second, and so many at once."""

    per_second: Annotated[float, kinds.ABOVE_ZERO] = 200.0
    burst: Count = 400


@attrs.frozen(kw_only=True)
class Api:
    """Of `trusted_proxies` only, X-Forwarded-For is believed."""

    host: Address = "0.0.0.0"  # noqa: S104 -- it serves other machines; every request needs a token
    port: Port = 8080
    job_timeout: Period = attrs.field(default=Duration(30))
    rate_limit: RateLimit = RateLimit()
    max_body_bytes: Count = 10 * 1024 * 1024
    max_upload_bytes: Count = 4 * 1024 * 1024 * 1024
    trusted_proxies: Annotated[list[str], kinds.NETWORKS] = attrs.field(factory=list)
    security: ApiSecurity = ApiSecurity()


@attrs.frozen(kw_only=True)
class Ui:
    enabled: bool = True


@attrs.frozen(kw_only=True)
class ControllerPki:
    enabled: bool = False
    key_dir: str = "/etc/osapi/pki"
    auto_accept: bool = False
    rotation_grace_period: Duration = attrs.field(default=Duration(24 * HOUR))


@attrs.frozen(kw_only=True)
class Controller:
    client: Client = Client()
    api: Api = Api()
    nats: NatsConnection = NatsConnection(client_name="osapi-controller")
    metrics: Metrics = Metrics()
    notifications: Notifications = Notifications()
    ui: Ui = Ui()
    pki: ControllerPki = ControllerPki()
    audit: ControllerAudit = ControllerAudit()


# The agent.


@attrs.frozen(kw_only=True)
class AgentFacts:
    interval: Period = attrs.field(default=Duration(60))


@attrs.frozen(kw_only=True)
class Conditions:
    """When a host is said to be under pressure; the multiplier is of its CPUs, the skew of its clock in seconds."""

    memory_pressure_threshold: Percent = 90
    high_load_multiplier: Annotated[float, kinds.ABOVE_ZERO] = 2.0
    disk_pressure_threshold: Percent = 90
    clock_skew_threshold: Period = attrs.field(default=Duration(5))


@attrs.frozen(kw_only=True)
class ProcessConditions:
    """When a process of OSAPI itself is; 0 is never."""

    memory_pressure_bytes: Size = 0
    high_cpu_percent: Annotated[float, kinds.LIMIT] = 0.0


@attrs.frozen(kw_only=True)
class PrivilegeEscalation:
    enabled: bool = False


@attrs.frozen(kw_only=True)
class AgentPki:
    enabled: bool = False
    key_dir: str = "/etc/osapi/pki"


@attrs.frozen(kw_only=True)
class AgentFiles:
    """Which paths file operations may touch, and which not, `*` standing for any part of a name.

    `refuse` beats `allow`. What the agent keeps, its configuration, /proc, /sys and /dev are refused always.
    """

    allow: Annotated[list[str], kinds.PATHS] = attrs.field(factory=lambda: ["/"])
    refuse: Annotated[list[str], kinds.PATHS] = attrs.field(
        factory=lambda: ["/etc/shadow*", "/etc/gshadow*", "/etc/ssh/ssh_host_*_key"]
    )


@attrs.frozen(kw_only=True)
class Agent:
    """An empty `hostname` stands for that of the machine, an empty `machine_id` for /etc/machine-id."""

    nats: NatsConnection = NatsConnection(client_name="osapi-agent")
    consumer: Consumer = Consumer()
    facts: AgentFacts = AgentFacts()
    queue_group: Annotated[str, kinds.SUBJECT] = "job-agents"
    hostname: Annotated[str, kinds.HOSTNAME] = ""
    machine_id: Annotated[str, kinds.MACHINE_ID] = ""
    max_jobs: Count = 10
    labels: Annotated[dict[str, str], kinds.LABELS] = attrs.field(factory=dict)
    drain_timeout: Duration = attrs.field(default=Duration(30))
    output_limit_bytes: Count = 1024 * 1024
    files: AgentFiles = AgentFiles()
    conditions: Conditions = Conditions()
    process_conditions: ProcessConditions = ProcessConditions()
    privilege_escalation: PrivilegeEscalation = PrivilegeEscalation()
    pki: AgentPki = AgentPki()
    metrics: Metrics = Metrics(port=9091)


# The broker.


@attrs.frozen(kw_only=True)
class User:
    username: str
    password: Secret


def _users(value: Any) -> list[User]:
    if isinstance(value, str):
        value = [{"username": name, "password": word} for name, word in kinds.pairs(value).items()]
    if not isinstance(value, list) or any(not isinstance(user, dict) for user in value):
        raise ValueError
    for user in value:
        if set(user) != {"username", "password"} or not all(map(kinds.TEXT.read, user.values())):
            raise ValueError
    return [User(**user) for user in value]


Users = Annotated[
    list[User], Kind("a list of users", "a username and a password of each, both text", _users, secret=True)
]


@attrs.frozen(kw_only=True)
class ServerAuth:
    """Who may sign in at the embedded broker; `nkeys` are public keys."""

    type: Literal["none", "user_pass", "nkey"] = "none"
    users: Users = attrs.field(factory=list)
    nkeys: Annotated[list[str], kinds.NKEYS] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Server:
    """The embedded broker; an empty `store_dir` stands for `nats` in the state directory.

    With `sync_always` each write is on the disk before it is acknowledged.
    """

    host: Address = "127.0.0.1"
    port: Port = 4222
    store_dir: str = ""
    namespace: Namespace = ""
    sync_always: bool = True
    auth: ServerAuth = ServerAuth()
    metrics: Metrics = Metrics(port=9092)


@attrs.frozen(kw_only=True)
class Kv:
    """Jobs (`bucket`) and their answers; both are forgotten `ttl` after they were written, with 0 never."""

    bucket: Bucket = "job-queue"
    response_bucket: Bucket = "job-responses"
    ttl: Duration = attrs.field(default=Duration(168 * HOUR))
    max_bytes: Size = 0
    storage: Storage = "file"
    replicas: Replicas = 1


@attrs.frozen(kw_only=True)
class Audit:
    stream: Bucket = "AUDIT"
    subject: Annotated[str, kinds.SUBJECT] = "audit"
    max_age: Duration = attrs.field(default=Duration(720 * HOUR))
    max_bytes: Size = 0
    storage: Storage = "file"
    replicas: Replicas = 1


@attrs.frozen(kw_only=True)
class Store:
    """A bucket whose entries stay."""

    bucket: Bucket
    storage: Storage = "file"
    replicas: Replicas = 1


@attrs.frozen(kw_only=True)
class Expiring:
    """A bucket whose entries are forgotten unless they are written again within `ttl`."""

    bucket: Bucket
    ttl: Period
    storage: Storage = "file"
    replicas: Replicas = 1


@attrs.frozen(kw_only=True)
class ObjectStore:
    bucket: Bucket = "file-objects"
    max_bytes: Size = 0
    max_chunk_size: Size = 128 * 1024
    storage: Storage = "file"
    replicas: Replicas = 1


@attrs.frozen(kw_only=True)
class Nats:
    server: Server = Server()
    stream: Stream = Stream()
    kv: Kv = Kv()
    dlq: Dlq = Dlq()
    audit: Audit = Audit()
    registry: Expiring = Expiring(bucket="agent-registry", ttl=Duration(30))
    facts: Expiring = Expiring(bucket="agent-facts", ttl=Duration(300))
    state: Store = Store(bucket="agent-state")
    objects: ObjectStore = ObjectStore()
    file_state: Store = Store(bucket="file-state")
    enrollment: Store = Store(bucket="agent-enrollment")


# The rest.


@attrs.frozen(kw_only=True)
class Config:
    """Everything. An empty `state_dir` stands for /var/lib/osapi of root, else ~/.local/state/osapi (XDG)."""

    debug: bool = False
    state_dir: str = ""
    controller: Controller = Controller()
    agent: Agent = Agent()
    nats: Nats = Nats()
    blobs: Blobs = Blobs()
    telemetry: Telemetry = Telemetry()


def urls(nats: NatsConnection) -> list[str]:
    """The addresses of a broker or of the brokers of a cluster, as clients take them."""
    found = []
    for host in (part.strip() for part in nats.host.split(",")):
        own = host.rpartition("]")[2].partition(":")[1]
        found.append(f"nats://{host}" if own else f"nats://{host}:{nats.port}")
    return found
