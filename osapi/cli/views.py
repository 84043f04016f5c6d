"""Answers that are more than one table: a node, an agent, jobs, the health of everything."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
from rich.console import Console
from rich.text import Text

from osapi import wire
from osapi.cli import alerting, audit_view, formats
from osapi.cli.ask import silent
from osapi.cli.columns import Column, Table
from osapi.cli.raw import named
from osapi.cli.render import pairs, results, rows
from osapi.cli.session import Session
from osapi.cli.tables import table, unabridged
from osapi.operation import Declaration, Operation
from osapi.results import Status
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
    Column("Fingerprint", "fingerprint"),
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
    Column("Trace ID", "trace_id"),
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
FILE = (
    Column("Name", "name"),
    Column("SHA256", "sha256"),
    Column("Size", "size", formats.size),
    Column("Changed", "changed"),
    Column("Content-Type", "content_type"),
    Column("Source", "source"),
    Column("Deleted", "deleted"),
)
BLOB = (
    Column("exists", "exists", formats.word),
    Column("sha256", "sha256"),
    Column("size", "size", formats.word),
    Column("source", "source"),
    Column("backend", "backend"),
    Column("filename", "filename"),
    Column("mime_type", "mime_type"),
    Column("created_at", "created_at", formats.moment),
    Column("changed", "changed", formats.word),
)
DOWNLOADED = (
    Column("Path", "path"),
    Column("SHA256", "sha256"),
    Column("Size", "size", formats.size),
    Column("Changed", "changed"),
)
LINES = {
    "file.upload": FILE,
    "file.get": FILE,
    "file.delete-object": FILE,
    "file.download": DOWNLOADED,
    "blob.upload": BLOB,
    "blob.register": BLOB,
    "blob.check": BLOB,
    "blob.download": DOWNLOADED,
    **alerting.LINES,
}
"""What is known of one thing; other answers have a line for each column of their table."""

BUCKETS = Table((Column("BUCKET", "name"), Column("KEYS", "keys"), Column("SIZE", "bytes", formats.size)))


def view(asked: Declaration[Any], body: Body, said: Session, screen: Console) -> None:
    """Show an answer to a person."""
    name, found = asked.spec.name, table(asked.spec.name, asked.spec.returns, wide=said.output == "wide")
    if said.detach:
        detached(screen, body)
    elif name == "node.status" and len(body["results"]) == 1 and said.target != ALL:
        node(screen, found, body)
    elif name == "file.read":
        contents(screen, body.get("results") or [], whole=getattr(asked, "limit", None) is None)
    elif isinstance(asked, Operation):
        if wire.is_list(asked.spec.returns):
            body = body | {"results": wire.gathered(body.get("results") or [])}
        results(screen, found, body, wide=said.output == "wide")
        if asked.spec.modifies and any(map(silent, body.get("results") or ())):
            screen.print("\n  What has not answered may still do it; see")
            screen.print(f"  osapi client job get --job-id {body['job_id']}")
    elif name in VIEWS:
        VIEWS[name](screen, found, body, said)
    elif asked.spec.returns is type(None):
        pairs(
            screen,
            [*((_title(key), str(value)) for key, value in named(asked).items()), ("Status", "deleted")],
        )
    elif found.rows:
        rows(screen, found, found.of(body), wide=said.output == "wide")
    else:
        derived = [attrs.evolve(unabridged(each), header=_title(each.header)) for each in found.columns]
        lines(screen, LINES.get(name, derived), body)


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
    if wire.status(item) is not Status.OK:
        results(screen, found, body, wide=False)
        return
    screen.print()
    pairs(screen, [("Job ID", body["job_id"])])
    lines(screen, NODE, item)
    rows(screen, DISKS, item.get("disks") or [], "Disks")


def contents(screen: Console, items: Sequence[Body], *, whole: bool) -> None:
    """What files hold: of one host just as it is, of several line by line after its name.

    Where the `whole` was asked for, it is told what is left.
    """
    for item in sorted(items, key=lambda item: formats.natural(str(item["hostname"]))):
        if error := item.get("error"):
            sys.stderr.write(f"[{item['hostname']}] Error: {formats.printable(error)}\n")
            continue
        text = str(item.get("content", ""))
        if len(items) > 1 and text:
            lines = text.removesuffix("\n").split("\n")
            text = "".join(f"[{item['hostname']}] {line}\n" for line in lines)
        if screen.is_terminal:
            screen.print(Text("\n".join(map(formats.printable, text.removesuffix("\n").split("\n")))))
        else:
            screen.file.write(text)
        if whole and item.get("more"):
            last = item["first"] + item["lines"] - 1
            sys.stderr.write(f"[{item['hostname']}] there is more: go on with --offset {last}\n")


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


def health(screen: Console, _: Table, body: Body, said: Session) -> None:
    if said.component:
        rows(screen, REGISTRY, trees(body.get("registry") or [], said.component))
        return
    lines(screen, HEALTH, body)
    components = [{"name": name, **component} for name, component in body["components"].items()]
    rows(screen, COMPONENTS, components)
    if body.get("registry"):
        rows(screen, REGISTRY, body["registry"])
    if body.get("kv_buckets"):
        rows(screen, BUCKETS, body["kv_buckets"])


def trees(registry: Iterable[Body], kind: str) -> Iterator[Body]:
    """Components of a kind, each with its parts below it."""
    for entry in registry:
        if entry["type"] == kind:
            yield entry
            parts = list((entry.get("components") or {}).items())
            for number, (name, part) in enumerate(parts, 1):
                branch = "└─" if number == len(parts) else "├─"
                yield {
                    "type": f"{branch} {name}",
                    "status": part["status"],
                    "hostname": part.get("address", ""),
                    "conditions": [part.get("error", "")],
                }


def stale(screen: Console, found: Table, body: Body, said: Session) -> None:
    pairs(screen, [("Total", str(body["total"]))])
    rows(screen, found, body["stale"], wide=said.output == "wide")


def blobs(screen: Console, found: Table, body: Body, said: Session) -> None:
    pairs(screen, [("Total", str(body["total"]))])
    rows(screen, found, body["blobs"], wide=said.output == "wide")
    if after := body.get("next_cursor"):
        pairs(screen, [("Go on with", f"--cursor {after}")])


VIEWS: dict[str, Callable[[Console, Table, Body, Session], None]] = {
    "agent.get": agent,
    "job.list": jobs,
    "job.get": job,
    "health.status": health,
    "file.stale": stale,
    "blob.list": blobs,
    "audit.list": audit_view.entries,
    "audit.get": audit_view.entry,
}


def _json(screen: Console, title: str, value: Any) -> None:
    screen.print(f"  {title}", style="bold")
    screen.print_json(wire.encode(value).decode(), indent=2)
    screen.print()


def _title(header: str) -> str:
    return header.replace("_", " ").title().replace("Id", "ID").replace("Sha256", "SHA256")
