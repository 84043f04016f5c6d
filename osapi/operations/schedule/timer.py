"""Timers of systemd."""

from typing import Annotated

import attrs

from osapi.operation import Operation, text
from osapi.operations.file import ContentType, ObjectName, Vars
from osapi.results import Changed, Time

Name = Annotated[
    str,
    text(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
        "Name of the timer; its units are osapi-NAME.timer and osapi-NAME.service",
        example="backup",
        most=200,
    ),
]
AnyName = Annotated[
    str,
    text(
        r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*",
        "Name of the timer, with or without .timer; one that OSAPI has made goes before another of that name",
        example="apt-daily",
        most=255,
    ),
]
Calendar = Annotated[
    str,
    text(
        r"[A-Za-z0-9*][A-Za-z0-9*:,./~_+ -]*",
        "When it runs, as systemd.time(7) has it, such as daily or 'Mon..Fri 03:00'",
        example="Mon..Fri 03:00",
        most=200,
    ),
]
User = Annotated[
    str,
    text(r"(?:[a-z_][a-z0-9_-]*\$?)?", "User that it runs as; root unless told", example="root", most=32),
]


@attrs.frozen(kw_only=True)
class TimerInfo:
    """A timer: when it runs next and ran last, `unit` is what it starts, `managed` whether OSAPI has made it."""

    name: str
    unit: str | None = None
    next: Time | None = None
    last: Time | None = None
    calendar: str | None = None
    managed: bool = False


@attrs.frozen(kw_only=True)
class Timers:
    timers: list[TimerInfo]


@attrs.frozen(kw_only=True)
class TimerReport:
    timer: TimerInfo


@attrs.frozen(kw_only=True)
class TimerChanged(Changed):
    name: str


class List(Operation[Timers], GET="/schedule/timer", permission="cron:read"):
    """List the timers that the host has."""


class Get(Operation[TimerReport], GET="/schedule/timer/{name}", permission="cron:read"):
    """Show one timer."""

    name: AnyName


class Create(Operation[TimerChanged], POST="/schedule/timer", permission="cron:write"):
    """Have a timer run an object of the object store, a script or a program, and start that timer now and at boot.

    A run that is missed while the host is off is made up for when it is back. Where OSAPI has made the timer before,
    it is put right; units of that name that OSAPI has not made are a conflict.
    """

    name: Name
    object: ObjectName
    calendar: Calendar
    user: User | None = None
    content_type: ContentType | None = None
    vars: Vars | None = None


class Delete(Operation[TimerChanged], DELETE="/schedule/timer/{name}", permission="cron:write"):
    """Stop a timer that OSAPI has made, and remove it with what it runs; a run that has begun comes to its end."""

    name: Name
