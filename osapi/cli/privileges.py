"""`osapi agent privileges` and `osapi agent sudoers`: what an agent runs as root, and the file that lets it."""

import sys
from pathlib import Path

import asyncclick as click

from osapi.cli.session import Session


@click.command("privileges", help="List what the agent runs as root, by domain.")
@click.pass_obj
def privileges(session: Session) -> None:
    from agent.privileges import by_domain
    from osapi import wire

    found = by_domain()
    if session.json:
        click.echo(wire.encode({domain: list(map(list, patterns)) for domain, patterns in found.items()}))
        return
    for domain, patterns in found.items():
        click.echo(domain)
        for pattern in patterns:
            click.echo(f"  {' '.join(pattern)}")
    click.echo(
        "\n* is one word, ** any number of them. `osapi agent sudoers` makes a sudoers file of the list."
    )


@click.command(
    "sudoers",
    help="Print the sudoers file for an agent that runs as a user of its own.\n\n"
    "Only programs that are installed on this host are in it: print it anew after you have installed more.",
    epilog="\b\nExample:\n  osapi agent sudoers --user osapi | visudo -c -f - && \\\n"
    "    osapi agent sudoers --user osapi > /etc/sudoers.d/osapi",
)
@click.option("--user", default="osapi", show_default=True, help="The user that the agent runs as.")
def sudoers(user: str) -> None:
    from agent.privileges import installed, sudoers

    sys.stdout.write(sudoers(user, installed()))


def sudoers_on(root: Path, user: str) -> str:
    """The sudoers file for `user` on the machine with this root directory."""
    from agent.privileges import installed, sudoers

    return sudoers(user, installed(root))
