"""Tables of alerts, of notifications and of silences, by the names of declarations."""

from osapi.cli import formats
from osapi.cli.columns import Column, Table

TABLES = {
    "alert.list": Table(
        (
            Column("ID", "id", whole=True, spare=True),
            Column("HOSTNAME", "hostname"),
            Column("COMPONENT", "component", spare=True),
            Column("CONDITION", "condition"),
            Column("STATUS", "", formats.alerting),
            Column("SINCE", "since", formats.ago, spare=True),
            Column("FIRED", "fired_at", formats.lately),
            Column("REASON", "reason"),
            Column("SILENCED BY", "silenced_by", spare=True),
        ),
        rows="alerts",
    ),
    "silence.list": Table(
        (
            Column("ID", "id", whole=True),
            Column("HOST", "host"),
            Column("LABEL", "label"),
            Column("CONDITION", "condition"),
            Column("STATUS", "status"),
            Column("ENDS", "ends_at", formats.moment),
            Column("BY", "created_by"),
            Column("COMMENT", "comment"),
        ),
        rows="silences",
    ),
    "notification.list": Table(
        (
            Column("ID", "id", whole=True),
            Column("TIME", "timestamp", formats.lately),
            Column("STATUS", "status"),
            Column("EVENT", "notification.event"),
            Column("HOSTNAME", "notification.alert.hostname"),
            Column("CONDITION", "notification.alert.condition"),
            Column("ERROR", "error"),
        ),
        rows="deliveries",
    ),
    "notification.who-is-told": Table(
        (
            Column("NAME", "name"),
            Column("TYPE", "type"),
            Column("TO", "to"),
            Column("CONDITIONS", "conditions"),
            Column("LABELS", "labels", formats.labels),
            Column("PENDING", "pending"),
        ),
        rows="notifiers",
    ),
}

DELIVERY = (
    Column("ID", "id"),
    Column("Notifier", "notifier"),
    Column("Type", "type"),
    Column("Status", "status"),
    Column("Error", "error"),
    Column("Attempts", "attempts"),
    Column("Time", "timestamp", formats.moment),
    Column("Redelivers", "redelivers"),
    Column("Notification", "notification.id"),
    Column("Event", "notification.event"),
    Column("Condition", "notification.alert.condition"),
    Column("Component", "notification.alert.component"),
    Column("Hostname", "notification.alert.hostname"),
    Column("Reason", "notification.alert.reason"),
    Column("Fired", "notification.alert.fired_at", formats.moment),
    Column("Resolved", "notification.alert.resolved_at", formats.moment),
)

LINES = {f"notification.{verb}": DELIVERY for verb in ("get", "redeliver", "test")}
