"""Alerts: from the index of them."""

from datetime import datetime

import attrs

from controller.access import Caller
from controller.alerts.record import Record
from controller.alerts.silences import KEPT
from controller.context import Context, answers
from osapi.calls import alert
from osapi.jobs import now


@answers(alert.List)
async def list_alerts(context: Context, call: alert.List, _caller: Caller) -> alert.Alerts:
    at = now()
    records = context.alerting.alerts.records.values()
    shown = [record for record in records if record.active or (call.all and lately(record, at))]
    found = [
        info(context, record, at) for record in sorted(shown, key=lambda each: each.fired_at, reverse=True)
    ]
    return alert.Alerts(alerts=found, total=len(found))


def lately(record: Record, at: datetime) -> bool:
    return record.resolved_at is not None and record.resolved_at + KEPT > at


def info(context: Context, record: Record, at: datetime) -> alert.AlertInfo:
    silenced = [each.id for each in context.alerting.silences.of(record, at)] if record.active else []
    pending = {name for notice in record.notices for name in notice.undone}
    return alert.AlertInfo(
        **attrs.asdict(record.shown, recurse=False),
        notified_at=record.notified_at,
        silenced_by=silenced or None,
        pending=sorted(pending) or None,
    )


@answers(alert.Dismiss)
async def dismiss(context: Context, call: alert.Dismiss, caller: Caller) -> alert.AlertInfo:
    return info(context, await context.alerting.watcher.dismiss(call.id, caller.user), now())
