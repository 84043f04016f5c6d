"""What runs."""

from controller.access import Caller
from controller.context import Context, answers
from osapi import __version__
from osapi.calls import version


@answers(version.Get)
async def get(_context: Context, _call: version.Get, _caller: Caller) -> version.Version:
    return version.Version(version=__version__)
