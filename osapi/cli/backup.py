"""`osapi backup` and `osapi restore`: all that an installation keeps on its broker, to a file and back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import asyncclick as click
import trio

from osapi.backup.archive import Archive, Manifest
from osapi.backup.keys import keyring
from osapi.backup.restoring import Plan, plan, refuse
from osapi.backup.restoring import restore as carry_out
from osapi.backup.sealing import acceptable
from osapi.backup.taking import Told, take
from osapi.bus import Bus
from osapi.bus.connect import visit
from osapi.bus.layout import specs
from osapi.cli import formats, hidden
from osapi.cli.session import Session
from osapi.cli.visiting import Place, find
from osapi.cli.written import written
from osapi.errors import BadInput, ConfigError, Error

PATIENCE = 10.0
"""Seconds in which the broker must let one in."""

EXPOSED = """\
Warning: the keys are in {file} as they are: whoever reads it is an administrator. --encrypt asks for a passphrase.
"""

PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="The first line of it is the passphrase; - reads it from standard input.",
)


@click.command(
    "backup", epilog="\b\nExample:\n  osapi backup /srv/backups/monday.backup --with-keys --encrypt"
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--with-keys", is_flag=True, help="The keys of this machine's daemons, too.")
@click.option("--encrypt", is_flag=True, help="Ask for a passphrase, without which nobody can read it.")
@PASSPHRASE
@click.pass_obj
async def backup(
    session: Session, file: Path | None, with_keys: bool, encrypt: bool, passphrase_file: Path | None
) -> None:
    """Save all that this installation keeps on its broker in a file.

    Jobs and answers, known hosts, files, blobs and what was deployed, audit and timelines; controllers and agents
    go on meanwhile. Without FILE it is osapi-<time>.backup in this folder.
    """
    place = ready(session)
    path = file or Path(f"osapi-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup")
    passphrase = new_passphrase(passphrase_file) if encrypt or passphrase_file else None
    keys = list(keyring(place.config, place.state).read()) if with_keys else []
    if with_keys and not keys:
        raise ConfigError(
            f"there are no keys in {place.state.path}; run this on the controller's machine, as its user"
        )
    if keys and passphrase is None:
        sys.stderr.write(EXPOSED.format(file=path))

    async def work(bus: Bus) -> Manifest:
        with told_of("Saving") as told:
            return await take(bus, layout(place), path, keys=keys, passphrase=passphrase, told=told)

    with explained(path):
        manifest = await visit(place.config.controller.nats, PATIENCE, work)
    found = {"file": str(path), "size": path.stat().st_size, "encrypted": passphrase is not None}
    show(
        session,
        found,
        manifest,
        f"{path}: {formats.size(found['size'])}, as of {manifest.made:%Y-%m-%d %H:%M:%S} UTC",
    )


@click.command(
    "restore",
    epilog="\b\nExample:\n  systemctl stop osapi-controller osapi-agent\n  osapi restore /srv/backups/monday.backup",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check it, and say what would be done.")
@click.option("--force", is_flag=True, help="Save what is there to a file, and put the backup in its place.")
@PASSPHRASE
@click.pass_obj
async def restore(
    session: Session, file: Path, dry_run: bool, force: bool, passphrase_file: Path | None
) -> None:
    """Bring back what `osapi backup` saved, to a broker that has nothing of an installation.

    Start the broker, and leave controllers and agents stopped. All of the file is checked first; where something fails
    later, nothing of it stays.
    """
    place = ready(session)
    asked = cache(partial(known_passphrase, passphrase_file))
    saved = file.with_name(f"{file.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}") if force else None
    with explained(file), await trio.to_thread.run_sync(Archive, file, asked) as archive:
        ring = keyring(place.config, place.state)
        passphrase = asked() if archive.sealed else None

        async def work(bus: Bus) -> Plan:
            with told_of("Restoring") as told:
                found = await plan(bus, layout(place), archive, ring, told)
                if not force:
                    refuse(found)
                if not dry_run:
                    await carry_out(
                        bus,
                        layout(place),
                        archive,
                        ring,
                        found,
                        saved=saved,
                        passphrase=passphrase,
                        told=told,
                    )
            return found

        found = await visit(place.config.controller.nats, PATIENCE, work)
    replaces = saved is not None and found.removed and not dry_run
    about = {"file": str(file), "dry_run": dry_run, "saved": str(saved) if replaces else None}
    done = "would be restored" if dry_run else "restored"
    last = f"{file}: {done}, as of {archive.manifest.made:%Y-%m-%d %H:%M:%S} UTC"
    show(session, about, archive.manifest, f"{last}\n  What was there is in {saved}." if replaces else last)


def ready(session: Session) -> Place:
    """This machine's configuration; `ConfigError` where it is wrong."""
    place = find(session)
    if place.problems:
        raise ConfigError(place.problems[0])
    return place


def layout(place: Place) -> Any:
    return specs(place.config, place.config.controller.nats.namespace)


def show(session: Session, about: dict[str, Any], manifest: Manifest, last: str) -> None:
    """What is in a backup, and a last line."""
    parts = [
        {
            "name": part.name,
            "entries": part.state["messages"] if part.state else None,
            "size": part.size,
            "sha256": part.sha256,
        }
        for part in manifest.parts
    ]
    if session.output in {"json", "yaml"}:
        written(
            session, about | {"made": manifest.made.isoformat(), "version": manifest.version, "parts": parts}
        )
        return
    from osapi.cli.columns import Column, Table
    from osapi.cli.render import console, rows

    table = Table(
        (Column("PART", "name"), Column("ENTRIES", "entries"), Column("SIZE", "size", formats.size))
    )
    rows(console(), table, parts)
    click.echo(f"  {last}")


@contextmanager
def told_of(title: str) -> Iterator[Told]:
    """A bar on a terminal, for all parts together."""
    from osapi.cli.transfer import progress

    done: dict[str, int] = {}
    with progress(title) as draw:

        def told(part: str, size: int) -> None:
            done[part] = size
            draw(sum(done.values()), 0)

        yield told


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """What the system says of a file, as an error that names it."""
    try:
        yield
    except OSError as error:
        raise Error(f"{error.filename or path}: {error.strerror or error}") from error


def new_passphrase(file: Path | None) -> str:
    if file is None and sys.stdin.isatty():
        return acceptable(hidden.typed("passphrase", "passphrase"))
    return acceptable(_from_file(file or Path(hidden.STDIN)))


def known_passphrase(file: Path | None) -> str:
    if file is not None:
        return _from_file(file)
    if sys.stdin.isatty():
        return hidden.typed("passphrase", "passphrase", repeat=False)
    raise BadInput(
        "it is encrypted: name a file with --passphrase-file, or - for standard input", "passphrase"
    )


def _from_file(file: Path) -> str:
    if str(file) == hidden.STDIN:
        return hidden.line("passphrase")
    with explained(file):
        return file.read_text().partition("\n")[0]
