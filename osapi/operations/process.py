"""Processes."""

from typing import Annotated, Literal

import attrs
import msgspec

from osapi.operation import Operation
from osapi.results import Changed

Pid = Annotated[int, msgspec.Meta(ge=1, le=4194304, description="Process id", examples=[4711])]
Signal_ = Annotated[
    Literal["TERM", "KILL", "HUP", "INT", "USR1", "USR2"],
    msgspec.Meta(description="Signal to send", examples=["TERM"]),
]


@attrs.frozen(kw_only=True)
class Process:
    """One process; memory in bytes and percent of the host's, CPU in percent of one core over its life."""

    pid: int
    name: str
    user: str
    state: str
    cpu_percent: float
    mem_percent: float
    mem_rss: int
    command: str
    start_time: str


@attrs.frozen(kw_only=True)
class Processes:
    processes: list[Process]


@attrs.frozen(kw_only=True)
class OneProcess:
    process: Process


@attrs.frozen(kw_only=True)
class Signalled(Changed):
    """The process that was sent a signal."""

    pid: int
    signal: str


class List(Operation[Processes], GET="/process"):
    """List the processes."""


class Get(Operation[OneProcess], GET="/process/{pid}"):
    """Show one process."""

    pid: Pid


class Signal(
    Operation[Signalled], POST="/process/{pid}/signal", permission="process:execute", repeatable=False
):
    """Send a signal to a process.

    The first process of the host and the agent itself are refused.
    """

    pid: Pid
    signal: Signal_
