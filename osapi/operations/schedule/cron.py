"""What cron does."""

from typing import Annotated, Literal

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.operations.file import ContentType, ObjectName, Vars
from osapi.results import Changed

ITEM = r"(?:[*?]|[0-9A-Za-z]+(?:-[0-9A-Za-z]+)?)(?:/[0-9]+)?"
FIELD = rf"{ITEM}(?:,{ITEM})*"

Name = Annotated[str, text(r"[A-Za-z0-9_-]+", "Name of the entry", example="backup", most=64)]
Schedule = Annotated[
    str,
    text(
        rf"{FIELD}(?: +{FIELD}){{4}}",
        "Minute, hour, day of the month, month and day of the week, as crontab(5) has them",
        example="17 3 * * *",
        most=200,
    ),
]
Interval = Annotated[
    Literal["hourly", "daily", "weekly", "monthly"],
    msgspec.Meta(description="In place of a schedule: run the object with all that cron runs so often"),
]
User = Annotated[
    str,
    text(r"(?:[a-z_][a-z0-9_-]*\$?)?", "User that it runs as; root unless told", example="root", most=32),
]


@attrs.frozen(kw_only=True)
class CronEntry:
    """An entry that OSAPI has made; `source` is where it is: cron.d, or the interval.

    Schedule and user are what the host has. An object that is a crontab can have several of them.
    """

    name: str
    object: str
    schedule: str | None = None
    interval: str | None = None
    source: str | None = None
    user: str | None = None


@attrs.frozen(kw_only=True)
class CronChanged(Changed):
    name: str


class List(Operation[list[CronEntry]], GET="/schedule/cron"):
    """List the entries that OSAPI has made, one item for each."""


class Get(Operation[CronEntry], GET="/schedule/cron/{name}"):
    """Show one entry that OSAPI has made."""

    name: Name


class Create(Operation[CronChanged], POST="/schedule/cron"):
    """Have cron run an object of the object store at certain times: a script, a program or commands of sh.

    With a schedule, that is a line of /etc/cron.d/NAME, and it runs as `user`; with an interval, it is
    one of /etc/cron.hourly and so on, and runs as root. An object that is a crontab itself, with lines as
    crontab(5) has them for /etc/cron.d, becomes the file as it is; then the schedule, and the user if one is
    given, must be among those in it. Where OSAPI has made the entry before, it is put right; a file
    of that name that OSAPI has not made is a conflict.
    """

    name: Name
    object: ObjectName
    schedule: Schedule | None = None
    interval: Interval | None = None
    user: User | None = None
    content_type: ContentType | None = None
    vars: Vars | None = None


class Update(Operation[CronChanged], PUT="/schedule/cron/{name}"):
    """Change an entry that OSAPI has made; what is not given is kept.

    The times of an object that is a crontab itself are changed with the object.
    """

    name: Name
    object: ObjectName | None = None
    schedule: Schedule | None = None
    user: User | None = None
    content_type: ContentType | None = None
    vars: Vars | None = None


class Delete(Operation[CronChanged], DELETE="/schedule/cron/{name}"):
    """Remove an entry that OSAPI has made, and what it runs."""

    name: Name
