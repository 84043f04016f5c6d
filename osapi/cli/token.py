"""`osapi token`: make tokens and look into them, with the signing key of this machine."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncclick as click

from osapi import configfile
from osapi.cli.session import ROOT, Duration, Session, share
from osapi.config import Config, load
from osapi.errors import BadInput, ConfigError
from osapi.permissions import Policy, known
from osapi.state import SYSTEM, StateDirectory, locate
from osapi.tokens import LIFETIME, Claims, issue, verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def token() -> None:
    """Make and check tokens."""


@token.command()
@click.option(
    "--roles", "-r", multiple=True, required=True, help="admin, write, read, or one of the configuration."
)
@click.option("--subject", "-u", required=True, help="Who it is for.")
@click.option("--permissions", "-p", multiple=True, help="What it may do, instead of what the roles may.")
@click.option(
    "--expires",
    type=Duration(),
    default=LIFETIME,
    help="How long it is valid, such as 12h; 90d unless said otherwise.",
    show_default=False,
)
@click.pass_obj
def generate(
    session: Session, roles: tuple[str, ...], subject: str, permissions: tuple[str, ...], expires: float
) -> None:
    """Make a token."""
    config = _config(session)
    wanted, needed = _words(roles), _words(permissions)
    _allowed("roles", wanted, Policy(config.controller.api.security.roles).roles)
    _allowed("permissions", needed, known())
    made = issue(_signing_key(config, session), subject, wanted, needed, expires)
    _print(session, token=made, subject=subject, roles=wanted, permissions=needed)


@token.command()
@click.option("--token", "-t", "text", required=True, help="The token; - reads it from the standard input.")
@click.pass_obj
def validate(session: Session, text: str) -> None:
    """Say what a token is good for, or why it is not valid."""
    config = _config(session)
    given = click.get_text_stream("stdin").read() if text == "-" else text
    claims = verify(_signing_key(config, session), given.strip())
    _print(session, **_told(claims, Policy(config.controller.api.security.roles).of(claims)))


def _told(claims: Claims, effective: Iterable[str]) -> dict[str, Any]:
    return {
        "subject": claims.subject,
        "roles": list(claims.roles),
        "permissions": list(claims.permissions),
        "effective_permissions": sorted(effective),
        "audience": list(claims.audience),
        "issued": claims.issued and claims.issued.isoformat(),
        "expires": claims.expires.isoformat(),
    }


def _config(session: Session) -> Config:
    return load(session.file or configfile.find(session.environ), session.environ)


def _signing_key(config: Config, session: Session) -> str:
    if configured := config.controller.api.security.signing_key:
        return configured
    state = StateDirectory(locate(config.state_dir, session.environ))
    if kept := state.known_signing_key():
        return kept
    raise ConfigError(_no_key(state.path))


def _no_key(looked_in: Path) -> str:
    other = f"; {SYSTEM} is for its owner only (sudo?)" if looked_in != SYSTEM and SYSTEM.exists() else ""
    return (
        f"no signing key: set controller.api.security.signing_key, or start a controller on this machine, "
        f"which makes one; there is none in {looked_in}{other}"
    )


def _words(given: tuple[str, ...]) -> list[str]:
    """The words of an option that may be repeated, and may have commas."""
    return [word.strip() for text in given for word in text.split(",") if word.strip()]


def _allowed(field: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    for word in given:
        if word not in allowed:
            raise BadInput(f"{field}: {word!r} is not known; allowed: {', '.join(sorted(allowed))}", field)


def _print(session: Session, **values: Any) -> None:
    if session.json:
        click.echo(json.dumps(values))
        return
    for name, value in values.items():
        words = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{name.replace('_', ' ').title()}: {words or '-'}")


for command in token.commands.values():
    share(command, ROOT)
