"""The root of the command line, and its groups that are not read off declarations."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import asyncclick as click
import attrs

from osapi import __version__
from osapi.cli import session

if TYPE_CHECKING:
    from asyncclick.shell_completion import CompletionItem

HELP = {"help_option_names": ["-h", "--help"]}


@attrs.frozen
class Elsewhere:
    """A command that is imported when it is called: `module:attribute`, and what the help says of it."""

    where: str
    summary: str


Child = Elsewhere | click.Command


def load(child: Child) -> click.Command:
    """The command itself."""
    if isinstance(child, click.Command):
        return child
    module, _, attribute = child.where.partition(":")
    found = getattr(import_module(module), attribute)
    assert isinstance(found, click.Command)
    return found


def summary(child: Child) -> str:
    """A line on it."""
    return child.get_short_help_str(80) if isinstance(child, click.Command) else child.summary


class Listing(click.Group, ABC):
    """A group that lists its commands without making them: `summaries` has a line on each.

    `shared` are the options that every command below it takes as well.
    """

    def __init__(self, name: str, *, shared: Sequence[click.Option], **settings: Any) -> None:
        super().__init__(name, params=list(shared), context_settings=dict(HELP), **settings)
        self.shared = shared

    @abstractmethod
    def summaries(self) -> Mapping[str, str]:
        """The names of its commands, and a line on each."""

    @abstractmethod
    def find(self, name: str) -> click.Command | None:
        """The command of that name."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click asks
        found = self.find(cmd_name)
        return None if found is None else session.share(found, self.shared)

    async def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return await super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=self.summaries(), ctx=ctx) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks
        return sorted(self.summaries())

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self.summaries().items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        from asyncclick.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=summary)
            for name, summary in sorted(self.summaries().items())
            if name.startswith(incomplete)
        ]


class Fixed(Listing):
    """A group whose commands are named here."""

    def __init__(
        self,
        name: str,
        children: Mapping[str, Child],
        *,
        shared: Sequence[click.Option] = session.ROOT,
        **settings: Any,
    ) -> None:
        super().__init__(name, shared=shared, **settings)
        self.children = children

    def summaries(self) -> Mapping[str, str]:
        return {name: summary(child) for name, child in self.children.items()}

    def find(self, name: str) -> click.Command | None:
        return load(self.children[name]) if name in self.children else None


def bound(**keys: str) -> Iterable[click.Option]:
    """Options of a daemon's group, by the keys of the configuration that they stand for."""
    for flag, key in keys.items():
        yield session.setting(f"--{flag.replace('_', '-')}", key=key, help="Overrides the key")


AGENT = (
    *bound(
        agent_host="agent.nats.host",
        agent_port="agent.nats.port",
        agent_client_name="agent.nats.client_name",
        agent_queue_group="agent.queue_group",
        agent_hostname="agent.hostname",
        agent_max_jobs="agent.max_jobs",
        consumer_max_deliver="agent.consumer.max_deliver",
        consumer_ack_wait="agent.consumer.ack_wait",
        consumer_max_ack_pending="agent.consumer.max_ack_pending",
        consumer_replay_policy="agent.consumer.replay_policy",
    ),
    session.setting(
        "--consumer-back-off", key="agent.consumer.back_off", multiple=True, help="Overrides the key"
    ),
)
CONTROLLER = (session.setting("--port", "-p", key="controller.api.port", help="Port to listen on"),)


def installing(name: str, what: str) -> Mapping[str, Child]:
    """The commands that make a unit of a daemon, and take it away."""
    where = f"osapi.cli.install:{name}"
    return {
        "install": Elsewhere(f"{where}_install", f"Have systemd run {what}."),
        "uninstall": Elsewhere(f"{where}_uninstall", "Take away what install wrote."),
    }


def _print_version() -> None:
    click.echo(f'{{"version":"{__version__}"}}')


def _print_name(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    if given and not ctx.resilient_parsing:
        click.echo(f"osapi {__version__}")
        raise click.exceptions.Exit


root = Fixed(
    "osapi",
    {
        "start": Elsewhere(
            "osapi.cli.daemons:start", "Run a broker, a controller and an agent in one process."
        ),
        "agent": Fixed(
            "agent",
            {
                "start": Elsewhere("osapi.cli.daemons:agent_start", "Run an agent on this host."),
                **installing("agent", "the agent on this host"),
                "privileges": Elsewhere(
                    "osapi.cli.privileges:privileges", "List what the agent runs as root."
                ),
                "sudoers": Elsewhere(
                    "osapi.cli.privileges:sudoers", "Print the sudoers file of an agent that is not root."
                ),
            },
            shared=(*session.ROOT, *AGENT),
            help="The agent: does the work on a host.",
        ),
        "controller": Fixed(
            "controller",
            {
                "start": Elsewhere("osapi.cli.daemons:controller_start", "Run a controller."),
                **installing("controller", "a controller on this machine"),
                "key": Fixed(
                    "key",
                    {"rotate": Elsewhere("osapi.cli.keys:rotate", "Give the controllers another key.")},
                    help="The key that jobs are signed with.",
                ),
            },
            shared=(*session.ROOT, *CONTROLLER),
            help="The controller: the REST API.",
        ),
        "nats": Fixed(
            "nats",
            {
                "server": Fixed(
                    "server",
                    {
                        "start": Elsewhere("osapi.cli.daemons:nats_server_start", "Run the broker."),
                        **installing("nats_server", "the broker on this machine"),
                    },
                    help="The embedded nats-server.",
                )
            },
            help="The broker.",
        ),
        "client": Elsewhere("osapi.cli.tree:client", "Ask a controller and its hosts."),
        "context": Elsewhere("osapi.cli.context:context", "Choose which controller is asked."),
        "config": Elsewhere("osapi.cli.config:config", "Check and show the configuration."),
        "doctor": Elsewhere("osapi.cli.doctor:doctor", "Say what is wrong here, and what mends it."),
        "backup": Elsewhere("osapi.cli.backup:backup", "Save all that an installation keeps in a file."),
        "restore": Elsewhere("osapi.cli.backup:restore", "Bring back what was saved in a file."),
        "metrics": Fixed(
            "metrics",
            {
                "dashboard": Elsewhere("osapi.cli.metrics:dashboard", "Print a dashboard for Grafana."),
                "alerts": Elsewhere("osapi.cli.metrics:alerts", "Print alert rules for Prometheus."),
            },
            help="Dashboard and alert rules.",
        ),
        "token": Elsewhere("osapi.cli.token:token", "Make and check tokens."),
        "completion": Elsewhere("osapi.cli.completion:completion", "Print a script that completes commands."),
        "version": click.Command(
            "version", callback=_print_version, help="Print the version of this program."
        ),
    },
    help="Linux servers as managed appliances.",
    epilog="\b\nTry it:\n  osapi start\n  osapi client node status",
)
root.params += (
    session.CONTEXT,
    click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_name,
        help="Print name and version.",
    ),
)
