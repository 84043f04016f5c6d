"""`osapi client agent drain --wait`: until the last job of a drained host has ended."""

import sys
from typing import Any

import trio

from osapi.calls.agent import Drain, Get
from osapi.client import Client
from osapi.operation import Declaration

LOOK = 0.5
"""Seconds between two looks."""


async def until_cordoned(osapi: Client, asked: Declaration[Any], seconds: float) -> bool:
    """Whether no job runs on the host any more within so many seconds."""
    assert isinstance(asked, Drain)
    state = None
    with trio.move_on_after(seconds):
        while True:
            state = (await osapi.run(Get(hostname=asked.hostname))).state
            if state == "Cordoned":
                return True
            await trio.sleep(LOOK)
    sys.stderr.write(f"Error: {asked.hostname} is {state} still, after {seconds:g} s; its jobs go on\n")
    return False
