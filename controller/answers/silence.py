"""Silences: from the index of them, and into the bucket of state."""

import fnmatch
from datetime import datetime, timedelta

import attrs

from controller.access import Caller
from controller.alerts.record import new_id
from controller.alerts.silences import KEPT, active
from controller.context import Context, answers
from osapi.calls import silence
from osapi.conditions import ALL
from osapi.durations import parse
from osapi.errors import BadInput
from osapi.jobs import now


@answers(silence.List)
async def list_silences(context: Context, call: silence.List, _caller: Caller) -> silence.Silences:
    at = now()
    known = context.alerting.silences.by_id.values()
    kept = [each for each in known if active(each, at) or (call.all and each.ends_at + KEPT > at)]
    shown = [info(each, at) for each in sorted(kept, key=lambda each: each.ends_at)]
    return silence.Silences(silences=shown, total=len(shown))


def info(found: silence.Silence, at: datetime) -> silence.Silence:
    return attrs.evolve(found, status="active" if active(found, at) else "expired")


@answers(silence.Create)
async def create(context: Context, call: silence.Create, caller: Caller) -> silence.Silence:
    if not (call.host or call.label or call.condition):
        raise BadInput(
            "what is to be silenced is not said; allowed: host, label, condition; a host of * is all"
        )
    if call.condition and not fnmatch.filter(ALL, call.condition):
        raise BadInput(f"condition: there is no {call.condition!r}; allowed: {', '.join(ALL)}", "condition")
    at = now()
    found = silence.Silence(
        id=new_id(),
        starts_at=at,
        ends_at=end(call, at),
        created_by=caller.user,
        host=call.host,
        label=call.label,
        condition=call.condition,
        comment=call.comment,
    )
    await context.alerting.silences.put(found)
    return found


def end(call: silence.Create, at: datetime) -> datetime:
    """When a silence is to end."""
    if call.until is not None:
        found, field, given = call.until, "until", call.until.isoformat()
    else:
        field, given = "duration", call.duration
        try:
            found = at + timedelta(seconds=min(parse(given), 2 * silence.LONGEST))
        except ValueError as error:
            raise BadInput(f"duration: {error}", field) from None
    if not at < found <= at + timedelta(seconds=silence.LONGEST):
        raise BadInput(f"{field}: {given} is over, or too far ahead; allowed: up to 366 days from now", field)
    return found


@answers(silence.Expire)
async def expire(context: Context, call: silence.Expire, _caller: Caller) -> silence.Silence:
    at = now()
    return info(await context.alerting.silences.expire(call.id, at), at)
