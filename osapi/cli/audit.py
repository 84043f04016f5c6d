"""`osapi client audit export` and `osapi client audit verify`: the audit log as a file, and whether it is untouched.

It is this program that verifies, not the controller: what it is sealed with may be pinned by its public key.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Literal

import asyncclick as click
import attrs

from osapi import wire
from osapi.audit.chain import Head
from osapi.audit.verify import Finding, Verification
from osapi.calls import audit
from osapi.cli.session import Session
from osapi.client import Client
from osapi.errors import BadInput, Error
from osapi.keys import PublicKey

STANDARD = "-"
"""Stands for standard input or output."""

TAMPERED = 1


@click.command(
    "export",
    help="Write the whole log into a file, as JSON lines, oldest first.\n\n"
    "Each line is an entry as it was written, so that `verify --file` can check the file. As json it is one document, "
    "newest first, which cannot be verified.",
    epilog="\b\nExample:\n  osapi client audit export --output audit.jsonl",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(),
    metavar="FILE",
    help="Where to write it; - is standard output.",
)
@click.option("--type", "kind", default="file", type=click.Choice(["file"]), help="The kind of output.")
@click.option(
    "--format",
    "form",
    default="jsonl",
    type=click.Choice(["jsonl", "json"]),
    help="JSON lines, or one document.",
)
@click.option("--after", default=0, type=click.IntRange(0), help="Only entries with a higher number.")
@click.pass_obj
async def export(said: Session, output: str, kind: str, form: Literal["jsonl", "json"], after: int) -> int:
    from osapi.cli.render import console, pairs

    assert kind == "file", "the only kind"
    written = 0
    with _target(output) as file:
        async with (
            said.client() as osapi,
            osapi.receive(audit.Export(format=form, after=after)) as incoming,
        ):
            async for piece in incoming.pieces:
                file.write(piece)
                written += piece.count(b"\n")
    if output != STANDARD:
        counts = [("Exported", str(written)), ("Total", str(written))] if form == "jsonl" else []
        pairs(console(), [*counts, ("Output", output)])
    return 0


@contextmanager
def _target(output: str) -> Iterator[IO[bytes]]:
    """Where to write; a file takes its name once it is complete, and only its owner can read it."""
    if output == STANDARD:
        yield sys.stdout.buffer
        return
    path = Path(output)
    try:
        with NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise Error(f"{output}: {error.strerror or error}") from error


@click.command(
    "verify",
    help="Check that nobody has edited, removed, moved or put in entries of the log.\n\n"
    "It is read from the controller, or from a file that `export` has made. Exits with 1 where an entry is not as "
    "it was written, and names it by its number.",
    epilog="\b\nExample:\n  osapi client audit verify\n"
    "  osapi client audit verify --file audit.jsonl --public-key audit.pub",
)
@click.option(
    "--file", "source", type=click.Path(), metavar="FILE", help="Check this file; - is standard input."
)
@click.option(
    "--public-key",
    "pinned",
    multiple=True,
    metavar="KEY",
    help="Trust only this key: base64, a file that holds it, or the fingerprint of a key that the controller "
    "names. May be repeated.",
)
@click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="NUMBER:DIGEST",
    help="The head that an earlier verification has shown: the log must still have it. May be repeated.",
)
@click.pass_obj
async def verify(
    said: Session, source: str | None, pinned: tuple[str, ...], expected: tuple[str, ...]
) -> int:
    anchors = [Head.of(text) for text in expected]
    if source is not None:
        if not pinned:
            raise BadInput(
                "--public-key: needed with --file; `osapi client audit key` shows the controller's",
                "public_key",
            )
        check = Verification(trusted=trusted(pinned, ()), anchors=anchors)
        _read(source, check)
        return _show(said, check)
    async with said.client() as osapi:
        known = await osapi.run(audit.Key())
        offered = [PublicKey.of(text) for text in (known.public_key, *known.trusted_keys)]
        head = [Head.of(known.head)] if known.head else []
        check = Verification(trusted=trusted(pinned, offered), anchors=[*anchors, *head])
        async for line in _lines(osapi):
            check.add(line)
    return _show(said, check)


def trusted(pinned: Sequence[str], offered: Sequence[PublicKey]) -> dict[str, PublicKey]:
    """The keys to believe, by fingerprint: those that are pinned, or else those that the controller names."""
    known = {key.fingerprint: key for key in offered}
    if not pinned:
        return known
    found = {}
    for text in pinned:
        key = known.get(text) if text.startswith("SHA256:") else _key(text)
        if key is None:
            named = ", ".join(known) or "none, as it was not asked"
            raise BadInput(f"--public-key: {text} is no key that the controller names: {named}", "public_key")
        found[key.fingerprint] = key
    return found


def _key(text: str) -> PublicKey:
    path = Path(text)
    try:
        return PublicKey.of(path.read_text().strip() if path.is_file() else text)
    except (OSError, UnicodeDecodeError, BadInput):
        raise BadInput(
            f"--public-key: {text:.100} is neither a key in base64, nor a file that holds one", "public_key"
        ) from None


def _read(source: str, check: Verification) -> None:
    """All lines of a file; those that are empty are passed over."""
    try:
        with sys.stdin.buffer if source == STANDARD else Path(source).open("rb") as file:
            for line in file:
                if line.strip():
                    check.add(line)
    except OSError as error:
        raise Error(f"{source}: {error.strerror or error}") from error


async def _lines(osapi: Client) -> AsyncIterator[bytes]:
    """The lines of the log, as the controller sends them."""
    rest = b""
    async with osapi.receive(audit.Export(format="jsonl")) as incoming:
        async for piece in incoming.pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line
    if rest:
        yield rest


def _show(said: Session, check: Verification) -> int:
    """Tell what was found; the exit code."""
    findings = check.end()
    if said.output in {"table", "wide"}:
        _print(check, findings)
    else:
        from osapi.cli.render import console

        text = wire.encode(report(check, findings)).decode()
        console().print(text, soft_wrap=True)
    return TAMPERED if findings else 0


def report(check: Verification, findings: Sequence[Finding]) -> dict[str, Any]:
    """What was found, for programs."""
    return {
        "verified": not findings,
        "entries": check.entries,
        "first": check.first,
        "head": str(check.head) if check.head else None,
        "keys": list(check.trusted),
        "findings": [attrs.asdict(found) for found in findings],
        "unfinished": list(check.unfinished.values()),
    }


def _print(check: Verification, findings: Sequence[Finding]) -> None:
    from osapi.cli.columns import Column, Table
    from osapi.cli.render import console, pairs, rows

    screen = console()
    head, last = check.head, check.head.number if check.head else 0
    pairs(
        screen,
        [
            ("Entries", f"{check.entries}, from {check.first} to {last}" if check.entries else "none"),
            ("Keys", ", ".join(check.trusted)),
            ("Head", str(head or "")),
            ("Changes without an outcome", ", ".join(list(check.unfinished.values())[:10])),
        ],
    )
    if findings:
        columns = (Column("WHAT", "kind"), Column("ENTRIES", "entries"), Column("WHY", "detail"))
        rows(screen, Table(columns), [attrs.asdict(each) | {"entries": each.entries} for each in findings])
        screen.print("  The log is not as it was written.")
        return
    screen.print("  The log is as it was written.")
    if head:
        screen.print(f"  Next time, see that its end was not cut off: --expect {head}")
