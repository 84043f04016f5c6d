"""`osapi config`: what is wrong with a configuration, and what it comes to."""

import json
from typing import Any

import asyncclick as click

from osapi import configfile
from osapi.cli.session import ROOT, Session, share
from osapi.errors import ConfigError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def config() -> None:
    """Check and show the configuration."""


@config.command()
@click.pass_obj
def check(session: Session) -> None:
    """Say everything that is wrong with the configuration. Keys without effect are named, too."""
    from osapi.config import check

    path = session.file or configfile.find(session.environ)
    report = check(path, session.environ)
    found = {"file": path and str(path), "problems": report.problems, "notes": report.notes}
    if session.json:
        click.echo(json.dumps(found))
    else:
        for line in (*report.problems, *report.notes):
            click.echo(line)
    where = path or "the environment (there is no file)"
    if report.problems:
        count = len(report.problems)
        raise ConfigError(f"{count} problem{'s' if count > 1 else ''} in {where}")
    if not session.json:
        click.echo(f"{where}: nothing is wrong")


@config.command()
@click.pass_obj
def show(session: Session) -> None:
    """Show every key with its value, and secrets as `****`."""
    from osapi.config import load, masked

    found = masked(load(session.file or configfile.find(session.environ), session.environ))
    click.echo(json.dumps(found) if session.json else _yaml(found), nl=session.json)


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


for command in config.commands.values():
    share(command, ROOT)
