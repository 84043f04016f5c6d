"""What is known of a request while it is served: who asked, for what, of which hosts.

Audit, metrics and traces read it; whoever learns a part of it, writes that down.
"""

from datetime import datetime

import attrs
import trio
from quart import g

from osapi.jobs import now


@attrs.define(kw_only=True)
class Notes:
    """One request; `began` is trio's clock, `at` the wall's.

    `trace_id`: 32 hexadecimal digits, the caller's where it names a trace.
    `source`: the address it comes from. `path` as it was sent, without the query.
    `operation` is the name of its declaration, empty where the path has none; `hosts` are those it is done on.
    """

    request_id: str
    trace_id: str
    source: str
    method: str = ""
    path: str = ""
    began: float = attrs.field(factory=trio.current_time)
    at: datetime = attrs.field(factory=now)
    user: str = ""
    roles: tuple[str, ...] = ()
    operation: str = ""
    target: str = ""
    dry_run: bool = False
    job_id: str = ""
    hosts: tuple[str, ...] = ()


def notes() -> Notes:
    """Those of the request that is being served."""
    found = g.notes
    assert isinstance(found, Notes)
    return found
