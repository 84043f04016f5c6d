"""Answers that are more than one table: a node, an agent, jobs, the health of everything."""

from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console

from osapi import wire
from osapi.cli import formats
from osapi.cli.ask import silent
from osapi.cli.render import pairs, results, rows
from osapi.cli.session import Session
from osapi.cli.tables import Column, Table, table
from osapi.operation import Declaration, Operation
from osapi.targets import ALL

Body = dict[str, Any]

NODE = (
    Column("Hostname", "hostname"),
    Column("OS", "os_info", formats.system),
    Column("Uptime", "uptime"),
    Column("Load", "load_average", formats.load),
    Column("Memory", "memory", formats.memory),
)
DISKS = Table(
    (
        Column("DISK NAME", "name"),
        Column("TOTAL", "total", formats.size),
        Column("USED", "used", formats.size),
        Column("FREE", "free", formats.size),
    )
)
AGENT = (
    Column("Hostname", "hostname"),
    Column("Machine ID", "machine_id"),
    Column("Status", "status"),
    Column("State", "state"),
    Column("Labels", "labels", formats.labels),
    Column("OS", "os_info", formats.system),
    Column("Uptime", "uptime"),
    Column("Age", "started_at", formats.age),
    Column("Last Seen", "registered_at", formats.ago),
    Column("Version", "version"),
    Column("Arch", "architecture"),
    Column("Kernel", "kernel_version"),
    Column("CPUs", "cpu_count"),
    Column("FQDN", "fqdn"),
    Column("Load", "load_average", formats.load),
    Column("Memory", "memory", formats.memory),
    Column("Service Mgr", "service_mgr"),
    Column("Package Mgr", "package_mgr"),
    Column("Primary Iface", "primary_interface"),
    Column("Facts", "facts"),
)
INTERFACES = Table(
    (
        Column("INTERFACE", "name"),
        Column("IPV4", "ipv4"),
        Column("IPV6", "ipv6"),
        Column("MAC", "mac"),
    )
)
ROUTES = Table(
    (
        Column("DESTINATION", "destination"),
        Column("GATEWAY", "gateway"),
        Column("INTERFACE", "interface"),
        Column("MASK", "mask"),
        Column("METRIC", "metric"),
    )
)
CONDITIONS = Table(
    (
        Column("TYPE", "type"),
        Column("STATUS", "status"),
        Column("REASON", "reason"),
        Column("SINCE", "last_transition_time", formats.ago),
    )
)
TIMELINE = Table(
    (
        Column("TIMESTAMP", "timestamp", formats.moment),
        Column("EVENT", "event"),
        Column("HOSTNAME", "hostname"),
        Column("MESSAGE", "message"),
        Column("ERROR", "error"),
    )
)
JOB = (
    Column("Job ID", "id"),
    Column("Status", "status"),
    Column("Operation", "operation.type"),
    Column("Target", "target"),
    Column("User", "user"),
    Column("Dry run", "dry_run"),
    Column("Created", "created", formats.moment),
    Column("Updated", "updated_at", formats.moment),
    Column("Changed", "changed"),
    Column("Error", "error"),
)
RESPONSES = Table(
    (
        Column("HOSTNAME", "hostname"),
        Column("STATUS", "status"),
        Column("DATA", "data"),
        Column("ERROR", "error"),
    )
)
STATES = Table(
    (
        Column("HOSTNAME", "hostname"),
        Column("STATUS", "status"),
        Column("DURATION", "duration"),
        Column("ERROR", "error"),
    )
)
HEALTH = (
    Column("Status", "status"),
    Column("Version", "version"),
    Column("Uptime", "uptime"),
    Column("Broker", "nats"),
    Column("Agents", "agents", formats.ready),
    Column("Jobs", "jobs"),
)
COMPONENTS = Table(
    (
        Column("COMPONENT", "name"),
        Column("STATUS", "status"),
        Column("ADDRESS", "address"),
        Column("ERROR", "error"),
    )
)
REGISTRY = Table(
    (
        Column("TYPE", "type"),
        Column("HOSTNAME", "hostname"),
        Column("STATUS", "status"),
        Column("CONDITIONS", "conditions", formats.conditions),
        Column("AGE", "age"),
        Column("CPU", "cpu_percent", formats.percent),
        Column("MEM", "mem_bytes", formats.size),
    )
)
BUCKETS = Table((Column("BUCKET", "name"), Column("KEYS", "keys"), Column("SIZE", "bytes", formats.size)))


def view(asked: Declaration[Any], body: Body, said: Session, screen: Console) -> None:
    """Show an answer to a person."""
    name, found = asked.spec.name, table(asked.spec.name, asked.spec.returns, wide=said.output == "wide")
    if said.detach:
        detached(screen, body)
    elif name == "node.status" and len(body["results"]) == 1 and said.target != ALL:
        node(screen, found, body)
    elif isinstance(asked, Operation):
        results(screen, found, body, wide=said.output == "wide")
        if asked.spec.modifies and any(map(silent, body.get("results") or ())):
            screen.print("\n  What has not answered may still do it; see")
            screen.print(f"  osapi client job get --job-id {body['job_id']}")
    elif name in VIEWS:
        VIEWS[name](screen, found, body, said)
    elif found.rows:
        rows(screen, found, found.of(body), wide=said.output == "wide")
    else:
        lines(screen, [Column(_title(c.header), c.path, c.show) for c in found.columns], body)


def lines(screen: Console, columns: Iterable[Column], body: Any) -> None:
    """A line for each value that is there."""
    pairs(screen, [(column.header, column.cell(body)) for column in columns])


def detached(screen: Console, body: Body) -> None:
    job_id = body["job_id"]
    pairs(
        screen,
        [
            ("Job ID", job_id),
            ("Follow it with", f"osapi client job events --job-id {job_id}"),
            ("See what came of it with", f"osapi client job get --job-id {job_id}"),
        ],
    )


def node(screen: Console, found: Table, body: Body) -> None:
    """One host, with its disks."""
    [item] = body["results"]
    if item["status"] != "ok":
        results(screen, found, body, wide=False)
        return
    screen.print()
    pairs(screen, [("Job ID", body["job_id"])])
    lines(screen, NODE, item)
    rows(screen, DISKS, item.get("disks") or [], "Disks")


def agent(screen: Console, _: Table, body: Body, __: Session) -> None:
    lines(screen, AGENT, body)
    parts = {
        "interfaces": ("Interfaces", INTERFACES),
        "routes": ("Routes", ROUTES),
        "conditions": ("Conditions", CONDITIONS),
        "timeline": ("Timeline", TIMELINE),
    }
    for name, (title, columns) in parts.items():
        if body.get(name):
            rows(screen, columns, body[name], title)


def jobs(screen: Console, found: Table, body: Body, said: Session) -> None:
    counts = {name.replace("_", " ").capitalize(): str(n) for name, n in body["status_counts"].items() if n}
    pairs(
        screen, [("Total", str(body["total_items"])), ("Showing", str(len(body["items"]))), *counts.items()]
    )
    rows(screen, found, body["items"], wide=said.output == "wide")


def job(screen: Console, _: Table, body: Body, __: Session) -> None:
    lines(screen, JOB, body)
    if data := body["operation"].get("data"):
        _json(screen, "Job Request", data)
    if responses := body.get("responses"):
        rows(screen, RESPONSES, responses.values(), "Agent Responses")
    if states := body.get("agent_states"):
        rows(screen, STATES, [{"hostname": host, **state} for host, state in states.items()], "Agent States")
    if body.get("timeline"):
        rows(screen, TIMELINE, body["timeline"], "Timeline")
    if body.get("result") is not None:
        _json(screen, "Job Result", body["result"])


def health(screen: Console, _: Table, body: Body, __: Session) -> None:
    lines(screen, HEALTH, body)
    components = [{"name": name, **component} for name, component in body["components"].items()]
    rows(screen, COMPONENTS, components)
    if body.get("registry"):
        rows(screen, REGISTRY, body["registry"])
    if body.get("kv_buckets"):
        rows(screen, BUCKETS, body["kv_buckets"])


VIEWS: dict[str, Callable[[Console, Table, Body, Session], None]] = {
    "agent.get": agent,
    "job.list": jobs,
    "job.get": job,
    "health.status": health,
}


def _json(screen: Console, title: str, value: Any) -> None:
    screen.print(f"  {title}", style="bold")
    screen.print_json(wire.encode(value).decode(), indent=2)
    screen.print()


def _title(header: str) -> str:
    return header.title().replace("Id", "ID")
