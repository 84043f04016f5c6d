"""Tables that are named here, as what is read off the type of a result would not do; by the names of declarations."""

from collections.abc import Callable
from typing import Any

import attrs

from osapi.cli import formats

Show = Callable[[Any], str]


@attrs.frozen
class Column:
    """One column; `path` leads from a row to its value, through members joined by dots, or is empty.

    What is `whole` is never cut to fit a terminal, as one wants to copy it. What is `spare` is left out where the rest
    would not be legible otherwise.
    """

    header: str
    path: str
    show: Show = formats.text
    whole: bool = False
    spare: bool = False

    def cell(self, row: Any) -> str:
        value = row
        for member in self.path.split(".") if self.path else ():
            value = value.get(member) if isinstance(value, dict) else None
        return self.show(value)


@attrs.frozen
class Table:
    """Columns, and the member that holds the rows; without one, an answer is a row."""

    columns: tuple[Column, ...]
    rows: str | None = None

    def of(self, answer: dict[str, Any]) -> list[Any]:
        return [answer] if self.rows is None else answer.get(self.rows) or []


PROCESS = (
    Column("PID", "pid"),
    Column("NAME", "name"),
    Column("USER", "user"),
    Column("STATE", "state"),
    Column("CPU%", "cpu_percent", formats.percent),
    Column("COMMAND", "command"),
)
PACKAGE = (Column("NAME", "name"), Column("VERSION", "version"), Column("STATUS", "status"))
LOG = Table(
    (Column("TIMESTAMP", "timestamp"), Column("UNIT", "unit"), Column("MESSAGE", "message")), rows="entries"
)
SIZE = Column("SIZE", "size", formats.size)
CONTAINER = (Column("NAME", "name"), Column("IMAGE", "image"), Column("STATE", "state"))
POWER = Table((Column("ACTION", "action"), Column("DELAY", "delay")))
USERS = Table(
    (
        Column("NAME", "name"),
        Column("UID", "uid"),
        Column("HOME", "home"),
        Column("SHELL", "shell"),
        Column("GROUPS", "groups"),
    ),
    rows="users",
)
GROUPS = Table((Column("NAME", "name"), Column("GID", "gid"), Column("MEMBERS", "members")), rows="groups")
KEY_CHANGED = Table((Column("CHANGED", "changed"),))
LOSS = Column("LOSS", "packet_loss", formats.percent)
ROUTES = Table(
    (
        Column("DESTINATION", "destination"),
        Column("GATEWAY", "gateway"),
        Column("INTERFACE", "interface"),
        Column("METRIC", "metric"),
    ),
    rows="routes",
)
SETTING = Table((Column("KEY", "key"), Column("VALUE", "value")))
SERVICE = (Column("NAME", "name"), Column("STATUS", "status"), Column("ENABLED", "enabled"))
CRON = Table(
    (
        Column("NAME", "name"),
        Column("SCHEDULE", "", formats.schedule),
        Column("OBJECT", "object"),
        Column("USER", "user"),
    )
)
TIMER = (
    Column("NAME", "name"),
    Column("NEXT", "next", formats.moment),
    Column("LAST", "last", formats.moment),
    Column("UNIT", "unit"),
)
COMMAND = Table((Column("EXIT", "exit_code"), Column("STDOUT", "stdout", formats.first_line)))

TABLES = {
    "node.status": Table(
        (
            Column("UPTIME", "uptime"),
            Column("LOAD", "load_average", formats.load),
            Column("MEM", "memory", formats.usage),
        )
    ),
    "node.disk": Table(
        (
            Column("MOUNT", "name"),
            Column("TOTAL", "total", formats.size),
            Column("USED", "used", formats.size),
            Column("USAGE", "", formats.usage),
        ),
        rows="disks",
    ),
    "node.memory": Table(
        (
            Column("TOTAL", "memory.total", formats.size),
            Column("USED", "memory.used", formats.size),
            Column("FREE", "memory.free", formats.size),
            Column("USAGE", "memory", formats.usage),
        )
    ),
    "node.load": Table(
        (
            Column("LOAD (1m)", "load_average.1min"),
            Column("LOAD (5m)", "load_average.5min"),
            Column("LOAD (15m)", "load_average.15min"),
        )
    ),
    "node.os": Table((Column("DISTRIBUTION", "os_info.distribution"), Column("VERSION", "os_info.version"))),
    "hostname.get": Table((Column("LABELS", "labels", formats.labels),)),
    "timezone.get": Table((Column("TIMEZONE", "timezone"), Column("UTC_OFFSET", "utc_offset"))),
    "process.list": Table(PROCESS, rows="processes"),
    "process.get": Table(tuple(attrs.evolve(column, path=f"process.{column.path}") for column in PROCESS)),
    "process.signal": Table((Column("PID", "pid"), Column("SIGNAL", "signal"), Column("CHANGED", "changed"))),
    "package.list": Table(PACKAGE, rows="packages"),
    "package.get": Table(PACKAGE, rows="packages"),
    "package.updates": Table(
        (
            Column("NAME", "name"),
            Column("CURRENT", "current_version"),
            Column("NEW", "new_version"),
        ),
        rows="updates",
    ),
    "package.install": Table((Column("NAME", "name"), Column("CHANGES", "changes", formats.versions))),
    "package.remove": Table((Column("NAME", "name"), Column("CHANGES", "changes", formats.versions))),
    "package.update": Table(()),
    "log.query": LOG,
    "log.source": Table((Column("SOURCE", ""),), rows="sources"),
    "log.of-unit": LOG,
    "log.follow": LOG,
    "power.reboot": POWER,
    "power.shutdown": POWER,
    "power.cancel": Table((Column("ACTION", "action"),)),
    "sysctl.list": SETTING,
    "sysctl.get": SETTING,
    "ntp.get": Table(
        (
            Column("SYNCHRONIZED", "synchronized"),
            Column("SOURCE", "current_source"),
            Column("SERVERS", "servers"),
        )
    ),
    "network.ping.ping": Table(
        (Column("AVG", "avg_rtt"), Column("MIN", "min_rtt"), Column("MAX", "max_rtt"), LOSS)
    ),
    "network.interface.list": Table(
        (
            Column("NAME", "name"),
            Column("IPV4", "ipv4"),
            Column("DHCP", "dhcp4"),
            Column("PRIMARY", "primary"),
        ),
        rows="interfaces",
    ),
    "network.interface.get": Table(
        (
            Column("NAME", "interface.name"),
            Column("DHCP4", "interface.dhcp4"),
            Column("DHCP6", "interface.dhcp6"),
            Column("ADDRESSES", "interface.addresses"),
            Column("GATEWAY4", "interface.gateway4"),
            Column("GATEWAY6", "interface.gateway6"),
            Column("MTU", "interface.mtu"),
            Column("MAC ADDRESS", "interface.mac_address"),
            Column("WAKE-ON-LAN", "interface.wakeonlan"),
            Column("STATE", "interface.state"),
        )
    ),
    "network.route.list": ROUTES,
    "network.route.get": ROUTES,
    "service.list": Table(SERVICE, rows="services"),
    "service.get": Table(
        tuple(
            attrs.evolve(column, path=f"service.{column.path}")
            for column in (*SERVICE, Column("DESCRIPTION", "description"))
        )
    ),
    "schedule.cron.list": CRON,
    "schedule.cron.get": CRON,
    "schedule.timer.list": Table(TIMER, rows="timers"),
    "schedule.timer.get": Table(
        tuple(
            attrs.evolve(column, path=f"timer.{column.path}")
            for column in (*TIMER, Column("CALENDAR", "calendar"))
        )
    ),
    "certificate.list": Table((Column("NAME", "name"), Column("SOURCE", "source")), rows="certificates"),
    "container.docker.list": Table(CONTAINER, rows="containers"),
    "container.docker.create": Table((Column("ID", "id", formats.digest), *CONTAINER)),
    "container.docker.inspect": Table(
        (
            Column("ID", "id", formats.digest),
            *CONTAINER,
            Column("CREATED", "created", formats.lately),
            Column("HEALTH", "health"),
            Column("PORTS", "ports"),
            Column("MOUNTS", "mounts"),
            Column("NETWORK", "network_settings"),
        )
    ),
    "container.docker.exec": Table(
        (
            Column("EXIT CODE", "exit_code"),
            Column("STDOUT", "stdout", formats.first_line),
            Column("STDERR", "stderr", formats.first_line),
        )
    ),
    "container.docker.logs": Table(
        (Column("STREAM", "stream"), Column("MESSAGE", "message", whole=True)), rows="entries"
    ),
    "container.docker.images": Table(
        (Column("IMAGE ID", "id", formats.digest), Column("TAGS", "tags"), SIZE), rows="images"
    ),
    "container.docker.pull": Table(
        (Column("IMAGE ID", "image_id", formats.digest), Column("TAG", "tag"), SIZE)
    ),
    "command.exec": COMMAND,
    "command.shell": COMMAND,
    "user.list": USERS,
    "user.get": USERS,
    "user.ssh-key-list": Table(
        (
            Column("TYPE", "type"),
            Column("FINGERPRINT", "fingerprint", whole=True),
            Column("COMMENT", "comment"),
            Column("OPTIONS", "options"),
        ),
        rows="keys",
    ),
    "user.ssh-key-add": KEY_CHANGED,
    "user.ssh-key-remove": KEY_CHANGED,
    "group.list": GROUPS,
    "group.get": GROUPS,
    "file.deploy": Table(()),
    "file.status": Table((Column("PATH", "path"), Column("STATUS", "status"))),
    "file.stat": Table(
        (
            Column("TYPE", "type"),
            Column("SIZE", "size", formats.size),
            Column("MODE", "mode"),
            Column("OWNER", "owner"),
            Column("GROUP", "group"),
            Column("MODIFIED", "modified", formats.lately),
            Column("CHECKSUM", "checksum", formats.digest),
            Column("TARGET", "target"),
        )
    ),
    "file.list": Table(
        (
            Column("NAME", "name"),
            Column("SHA256", "sha256", formats.digest),
            Column("SIZE", "size", formats.size),
            Column("SOURCE", "source"),
        ),
        rows="files",
    ),
    "file.stale": Table(
        (
            Column("OBJECT", "object_name"),
            Column("HOSTNAME", "hostname"),
            Column("PROVIDER", "provider"),
            Column("DEPLOYED", "deployed_at", formats.lately),
            Column("DEPLOYED SHA", "deployed_sha", formats.digest),
            Column("CURRENT SHA", "current_sha", formats.digest),
        ),
        rows="stale",
    ),
    "blob.list": Table(
        (
            Column("SHA256", "sha256", formats.digest),
            Column("SIZE", "size", formats.size),
            Column("SOURCE", "source"),
            Column("BACKEND", "backend"),
            Column("CREATED", "created_at", formats.lately),
            Column("FILENAME", "filename"),
        ),
        rows="blobs",
    ),
    "agent.list": Table(
        (
            Column("MACHINE ID", "machine_id"),
            Column("HOSTNAME", "hostname"),
            Column("STATUS", "status"),
            Column("STATE", "state"),
            Column("CONDITIONS", "conditions", formats.conditions),
            Column("LABELS", "labels", formats.labels),
            Column("AGE", "started_at", formats.age),
            Column("LOAD (1m)", "load_average.1min"),
            Column("OS", "os_info", formats.system),
        ),
        rows="agents",
    ),
    "enrollment.pending": Table(
        (
            Column("MACHINE ID", "machine_id"),
            Column("HOSTNAME", "hostname"),
            Column("FINGERPRINT", "fingerprint", whole=True),
            Column("REQUESTED", "requested_at", formats.lately),
            Column("FORMER FINGERPRINT", "former_fingerprint", whole=True),
        ),
        rows="agents",
    ),
    "audit.list": Table(
        (
            Column("ID", "id", whole=True, spare=True),
            Column("TIMESTAMP", "timestamp", formats.lately),
            Column("USER", "user"),
            Column("METHOD", "method"),
            Column("PATH", "path"),
            Column("STATUS", "", formats.ended),
            Column("DURATION", "duration_ms", formats.milliseconds, spare=True),
            Column("TRACE ID", "trace_id", spare=True),
        ),
        rows="items",
    ),
    "job.list": Table(
        (
            Column("JOB ID", "id", whole=True),
            Column("STATUS", "status"),
            Column("CREATED", "created", formats.lately),
            Column("TARGET", "target"),
            Column("OPERATION", "operation.type"),
        ),
        rows="items",
    ),
}
