"""`osapi context`: controllers by names of one's own, and which of them is asked."""

import sys
from pathlib import Path
from typing import Any

import asyncclick as click
import attrs

from osapi import contexts
from osapi.cli import hidden
from osapi.cli.session import ROOT, Session, names_of_contexts, share
from osapi.cli.written import written
from osapi.contexts import Context, Contexts
from osapi.errors import BadInput, NotFound

NAME = click.argument("name", shell_complete=names_of_contexts)
NAME_OR_NONE = click.argument("name", required=False, shell_complete=names_of_contexts)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def context() -> None:
    """Name controllers, and choose which of them is asked.

    What says where a controller is, the first of them: --url and environment; --context and OSAPI_CONTEXT; a file
    named by -f or OSAPI_OSAPIFILE; the context in use; /etc/osapi/osapi.yaml; a controller on this machine.
    """


@context.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the contexts; * marks the one in use."""
    found = contexts.read(session.environ)
    told = [_told(found, name) for name in sorted(found.named)]
    if session.output in {"json", "yaml"}:
        written(session, told)
        return
    if not told:
        click.echo(
            "There are no contexts. Make one: osapi context set NAME --url https://osapi.example.org --token -"
        )
        return
    from osapi.cli.columns import Column, Table
    from osapi.cli.render import console, rows

    table = Table(
        (
            Column("", "current", lambda current: "*" if current else ""),
            Column("NAME", "name"),
            Column("URL", "url"),
            Column("TOKEN", "token"),
            Column("TARGET", "target"),
        )
    )
    rows(console(), table, told, wide=session.output == "wide")


@context.command()
@NAME_OR_NONE
@click.pass_obj
def show(session: Session, name: str | None) -> None:
    """Show a context, the one in use unless another is named. Its token is not shown."""
    found = contexts.read(session.environ)
    told = _told(found, name or _in_use(session, found))
    if session.output in {"json", "yaml"}:
        written(session, told)
        return
    for field in ("Name", "URL", "Token", "Target"):
        click.echo(f"  {field}: {told[field.lower()] or '-'}")


@context.command()
@click.pass_obj
def current(session: Session) -> None:
    """Print the name of the context in use."""
    found = contexts.read(session.environ)
    name = _in_use(session, found)
    found.get(name)
    click.echo(name)


@context.command()
@NAME_OR_NONE
@click.option(
    "--none",
    "no_context",
    is_flag=True,
    help="None: the configuration file, or this machine, says whom to ask.",
)
@click.pass_obj
def use(session: Session, name: str | None, no_context: bool) -> None:
    """Ask the controller of a context from now on."""
    if (name is None) != no_context:
        raise BadInput("name: one is needed, or --none", "name")
    found = contexts.read(session.environ)
    if name is not None:
        found.get(name)
    found.current = name or ""
    found.write()
    click.echo(f"Asking {found.get(name).url} from now on." if name else "No context is in use.")


@context.command(
    "set",
    epilog="\b\nExample:\n  osapi context set prod --url https://osapi.example.org --token - < prod.token",
)
@click.argument("name")
@click.option("--url", help="Address of the controller; needed for a new context.")
@click.option(
    "--token", metavar="-", help="- reads the token from standard input, or asks for it on a terminal."
)
@click.option(
    "--token-file", type=click.Path(path_type=Path), help="The file that holds the token, read at each use."
)
@click.option("--target", help="Hosts to ask where none are named, such as group:web; an empty one is _all.")
@click.pass_obj
def set_(
    session: Session,
    name: str,
    url: str | None,
    token: str | None,
    token_file: Path | None,
    target: str | None,
) -> None:
    """Make a context, or change what is given of it."""
    found = contexts.read(session.environ)
    before = found.named.get(contexts.checked_name(name))
    if before is None and url is None:
        raise BadInput(f"url: needed, as there is no context {name} yet", "url")
    changes: dict[str, str] = {} if url is None else {"url": contexts.checked_url(url)}
    if token is not None and token_file is not None:
        raise BadInput("--token and --token-file: only one of them", "token")
    if token is not None:
        changes |= {"token": _read(token), "token_file": ""}
    if token_file is not None:
        changes |= {"token": "", "token_file": str(token_file.expanduser().absolute())}
    if target is not None:
        changes["target"] = target
    if (
        before is not None
        and url is not None
        and not before.leads_to(url)
        and token is None
        and token_file is None
    ):
        changes |= {"token": "", "token_file": ""}
        sys.stderr.write(
            f"The token of {name} was for {before.url}, and is removed; --token - gives it another.\n"
        )
    found.named[name] = attrs.evolve(before or Context(url=""), **changes)
    found.write()
    click.echo(
        f"{name}: {found.named[name].url}"
        + ("" if found.current == name else f"  (osapi context use {name})")
    )


@context.command()
@NAME
@click.pass_obj
def delete(session: Session, name: str) -> None:
    """Forget a context; a file that holds its token stays."""
    found = contexts.read(session.environ)
    found.get(name)
    del found.named[name]
    was = found.current == name
    found.current = "" if was else found.current
    found.write()
    click.echo(f"{name}: deleted" + ("; it was in use, and none is now" if was else ""))


@context.command()
@click.argument("old", shell_complete=names_of_contexts)
@click.argument("new")
@click.pass_obj
def rename(session: Session, old: str, new: str) -> None:
    """Give a context another name."""
    found = contexts.read(session.environ)
    found.get(old)
    if contexts.checked_name(new) in found.named:
        raise BadInput(f"there is a context {new} already", "new")
    found.named = {new if name == old else name: each for name, each in found.named.items()}
    found.current = new if found.current == old else found.current
    found.write()
    click.echo(f"{old}: now {new}")


def _read(token: str) -> str:
    if token != hidden.STDIN:
        raise BadInput(
            "token: others could see it in the list of processes; --token - reads it from standard input",
            "token",
        )
    if sys.stdin.isatty():
        return hidden.typed("token", "token", repeat=False)
    return hidden.line("token").strip().removeprefix("Token: ")  # as `osapi token generate` prints it


def _in_use(session: Session, found: Contexts) -> str:
    name = session.context or session.environ.get(contexts.VARIABLE) or found.current
    if not name:
        raise NotFound("no context is in use; choose one with `osapi context use NAME`")
    return name


def _told(found: Contexts, name: str) -> dict[str, Any]:
    each = found.get(name)
    return {
        "name": name,
        "current": name == found.current,
        "url": each.url,
        "token": each.token_file or ("****" if each.token else ""),
        "target": each.target,
    }


for command in context.commands.values():
    share(command, ROOT)
