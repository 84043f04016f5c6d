"""What the command line says besides the parameters of a command, and the options that say it.

Each option is taken on its group and on every command below it, as an administrator writes it in either place.
"""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import asyncclick as click
import attrs

from osapi import durations
from osapi.targets import ALL

if TYPE_CHECKING:
    from asyncclick.shell_completion import CompletionItem

    from osapi.client import Client
    from osapi.contexts import Context

Format = Literal["table", "wide", "json", "yaml"]


@attrs.define
class Session:
    """One run of the command line; the context's object.

    `environ` is the environment with what options said of keys of the configuration put on top, so that an
    option beats a variable, and a variable the file. `wait` and `expires` are in seconds, as is `watch`.
    `component` is the kind to show alone where health is asked for.
    """

    environ: dict[str, str] = attrs.field(factory=lambda: dict(os.environ))
    file: Path | None = None
    context: str | None = None
    output: Format = "table"
    hosts: str | None = None
    dry_run: bool = False
    wait: float | None = None
    expires: float | None = None
    detach: bool = False
    idempotency_key: str | None = None
    watch: float | None = None
    stdout: bool = False
    stderr: bool = False
    component: str = ""

    @property
    def debug(self) -> bool:
        return self.environ.get("OSAPI_DEBUG") == "true"

    @property
    def json(self) -> bool:
        return self.output == "json"

    @property
    def target(self) -> str:
        """The hosts that are meant: those that were named, else those of the context, else all."""
        if self.hosts is not None:
            return self.hosts
        context = self.in_context()
        return (context.target if context else "") or ALL

    def in_context(self) -> "Context | None":
        """The context that was named, or is in use; none where another controller is to be asked."""
        from osapi.configfile import URL_KEY, variable
        from osapi.contexts import chosen

        found, url = chosen(self.environ, self.context, file=self.file), self.environ.get(variable(URL_KEY))
        return None if found and url and not found.leads_to(url) else found

    @asynccontextmanager
    async def client(self, *, anonymous: bool = False) -> AsyncIterator["Client"]:
        """A client of the controller that options, environment, context, file or this machine's state name.

        `anonymous` does without a token where there is none. What is asked of it is one trace.
        """
        from osapi.cli.traced import traced
        from osapi.client import Client
        from osapi.configfile import client_settings, find

        path, context = self.file or find(self.environ), self.in_context()
        found = Client(*client_settings(path, self.environ, context=context, anonymous=anonymous))
        async with traced(path, self.environ, debug=self.debug), found:
            yield found


class Duration(click.ParamType[float]):
    """Seconds, or a number with a unit: 90, 90s, 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            seconds = float(value) if value.replace(".", "", 1).isdecimal() else durations.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r} is no time to come; such as 90s or 1h30m", param, ctx)
        return float(seconds)


def kept(*names: str, to: str, stands_for: Any = None, **settings: Any) -> click.Option:
    """An option whose value is kept as an attribute of the session; a flag `stands_for` a value."""

    def keep(ctx: click.Context, _: click.Parameter, given: Any) -> None:
        if given is not None and given is not False:
            setattr(ctx.obj, to, given if stands_for is None else stands_for)

    return _option(names, keep, settings if stands_for is None else settings | {"is_flag": True})


def setting(*names: str, key: str, help: str, **settings: Any) -> click.Option:
    """An option that stands for a key of the configuration."""

    def put(ctx: click.Context, _: click.Parameter, given: Any) -> None:
        from osapi.configfile import variable

        if given is not None and given is not False and given != ():
            listed = given if isinstance(given, tuple) else [given]
            ctx.obj.environ[variable(key)] = ",".join(
                "true" if item is True else str(item) for item in listed
            )

    return _option(names, put, settings | {"help": f"{help} ({key})."})


def _option(names: tuple[str, ...], callback: Any, settings: dict[str, Any]) -> click.Option:
    own = "_" + names[-1].lstrip("-").replace("-", "_")
    return click.Option([*names, own], expose_value=False, callback=callback, **settings)


ROOT = (
    setting("-d", "--debug", key="debug", is_flag=True, help="Tell more of what happens"),
    kept("-j", "--json", to="output", stands_for="json", help="Print the answer as it came: JSON."),
    kept(
        "-f",
        "--osapi-file",
        to="file",
        type=click.Path(path_type=Path),
        help="Configuration file; /etc/osapi/osapi.yaml where it is there.",
    ),
    kept(
        "-o",
        "--output",
        to="output",
        type=click.Choice(["table", "wide", "json", "yaml"]),
        help="How to show the answer; wide shows every field and every host.",
    ),
)


def names_of_contexts(ctx: click.Context, _: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """The contexts whose names begin so, for a shell."""
    from asyncclick.shell_completion import CompletionItem

    from osapi.contexts import read
    from osapi.errors import ConfigError

    try:
        found = read(getattr(ctx.obj, "environ", os.environ)).named
    except ConfigError:
        return []
    return [
        CompletionItem(name, help=each.url) for name, each in found.items() if name.startswith(incomplete)
    ]


CONTEXT = kept(
    "--context",
    to="context",
    shell_complete=names_of_contexts,
    help="Controller to ask, by the name it has in `osapi context`.",
)
CLIENT = (
    CONTEXT,
    setting("--url", key="controller.client.url", help="Address of the controller"),
)
NODE = (
    kept("-T", "--target", to="hosts", help="Hosts: _all, _any, a host name or machine id, or key:value."),
)


def share(command: click.Command, options: Iterable[click.Option]) -> click.Command:
    """Let a command take options of the groups above it, where it has none of that name itself."""
    taken = {name for option in command.params for name in option.opts}
    command.params = [*command.params, *(option for option in options if taken.isdisjoint(option.opts))]
    return command
