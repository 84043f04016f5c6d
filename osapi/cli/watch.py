"""`--watch`: ask again and again; on a terminal each answer takes the place of the one before."""

from datetime import datetime
from typing import Any, NoReturn

import trio
from rich.console import Console

from osapi.cli import ask
from osapi.cli.render import console
from osapi.cli.session import Session
from osapi.client import Client
from osapi.errors import Unavailable
from osapi.operation import Declaration

HOME, TO_LINE_END, TO_SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"


async def watch(osapi: Client, asked: Declaration[Any], said: Session) -> NoReturn:
    """Ask every `said.watch` seconds, until interrupted."""
    screen = console()
    every = said.watch or 2.0
    while True:
        if screen.is_terminal and said.output in {"table", "wide"}:
            with screen.capture() as drawn:
                screen.print(
                    f"  Every {every:g} s, at {datetime.now().astimezone():%H:%M:%S}; Ctrl-C ends it"
                )
                await _once(osapi, asked, said, screen)
            _redraw(screen, drawn.get())
        else:
            await _once(osapi, asked, said, screen)
        await trio.sleep(every)


async def _once(osapi: Client, asked: Declaration[Any], said: Session, screen: Console) -> None:
    try:
        await ask.once(osapi, asked, said, screen)
    except Unavailable as error:
        screen.print(f"\n  {error}")


def _redraw(screen: Console, text: str) -> None:
    """Write over what is there, rather than clear it first, which would flicker."""
    lines = text.rstrip("\n").split("\n")[: screen.height - 1]
    screen.file.write(HOME + "".join(f"{line}{TO_LINE_END}\n" for line in lines) + TO_SCREEN_END)
    screen.file.flush()
