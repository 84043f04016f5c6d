"""Notifications: the log of deliveries, and telling things again or for a test."""

from controller.access import Caller
from controller.alerts.deliveries import find, latest
from controller.alerts.notifier import sample
from controller.context import Context, answers
from osapi.calls import notification
from osapi.jobs import now


@answers(notification.List)
async def list_deliveries(
    context: Context, call: notification.List, _caller: Caller
) -> notification.Deliveries:
    def wanted(found: notification.Delivery) -> bool:
        alert = found.notification.alert
        return (
            call.notifier in {None, found.notifier}
            and call.status in {None, found.status}
            and call.hostname in {None, alert.hostname, alert.machine_id}
            and call.condition in {None, alert.condition}
        )

    shown = await latest(context.alerting.notifier.deliveries, wanted, call.limit)
    return notification.Deliveries(deliveries=shown, total=len(shown))


@answers(notification.WhoIsTold)
async def list_notifiers(
    context: Context, _call: notification.WhoIsTold, _caller: Caller
) -> notification.Notifiers:
    notifier = context.alerting.notifier
    return notification.Notifiers(
        notifiers=[
            notification.NotifierInfo(
                name=way.name,
                type=way.channel.type,
                to=way.channel.to or None,
                conditions=way.settings.conditions or None,
                labels=way.settings.labels or None,
                pending=notifier.pending(way.name),
            )
            for way in notifier.ways.values()
        ]
    )


@answers(notification.Get)
async def get(context: Context, call: notification.Get, _caller: Caller) -> notification.Delivery:
    return await find(context.alerting.notifier.deliveries, call.id)


@answers(notification.Redeliver)
async def redeliver(context: Context, call: notification.Redeliver, _caller: Caller) -> notification.Delivery:
    notifier = context.alerting.notifier
    found = await find(notifier.deliveries, call.id)
    return await notifier.once(found.notifier, found.notification, redelivers=found.id)


@answers(notification.Test)
async def test(context: Context, call: notification.Test, caller: Caller) -> notification.Delivery:
    return await context.alerting.notifier.once(call.notifier, sample(caller.user, now()))
