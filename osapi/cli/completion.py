"""`osapi completion`: a script that lets a shell complete commands, options and their values."""

import asyncclick as click
from asyncclick.shell_completion import ShellComplete, get_completion_class

from osapi.cli.main import COMPLETE


def _script(shell: str) -> click.Command:
    @click.pass_context
    def callback(ctx: click.Context) -> None:
        kind = get_completion_class(shell)
        assert kind is not None
        # The script itself: what bash adds to that starts a bash, to see that it is no older than 4.4.
        click.echo(ShellComplete.source(kind(ctx.find_root().command, {}, "osapi", COMPLETE)), nl=False)

    return click.Command(shell, callback=callback, help=f"Print the script for {shell}.")


completion = click.Group(
    "completion",
    commands=[_script(shell) for shell in ("bash", "zsh", "fish")],
    help="Print a script that lets a shell complete commands, options and their values.",
    epilog="\b\nExample:\n  osapi completion bash > /etc/bash_completion.d/osapi",
)
