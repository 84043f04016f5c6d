"""The audit log: pages by cursor or offset, single entries, all of it, and the key it is sealed with."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
from quart import Response, request

from controller.access import Caller
from controller.audit.reader import Match, Reader, number
from controller.context import Context, answers
from controller.problems import JSON, json
from osapi.audit.chain import Entry
from osapi.calls import audit
from osapi.durations import parse
from osapi.errors import BadInput
from osapi.jobs import now

LINES = "application/x-ndjson"

EQUAL = ("user", "method", "job_id", "source_ip", "trace_id", "outcome", "phase")
"""Filters that a member of that name must be equal to."""


@answers(audit.List)
async def list_entries(context: Context, call: audit.List, _caller: Caller) -> Response:
    reader, matches = Reader(context.recorder.trail.log), tuple(filters(call))
    total = 0 if matches else await reader.count()
    since = moment(call.since, "since") if call.since else None
    found: list[Entry] = []
    skip, below = call.offset, int(call.cursor) if call.cursor else None
    if skip and not matches and below is None:
        below, skip = max(context.recorder.trail.head.number + 1 - skip, 1), 0
    async with aclosing(reader.newest(below)) as newest:
        async for line, entries in newest:
            found += [entry for entry in entries if all(match(entry) for match in matches)]
            if len(found) > skip + call.limit or (since and line.created < since.timestamp()):
                break
    shown, more = found[skip : skip + call.limit], len(found) > skip + call.limit
    page = {
        "total_items": total if not matches else skip + len(shown) + more,
        "items": shown,
        "next_cursor": str(number(shown[-1])) if more and shown else None,
    }
    return json({name: value for name, value in page.items() if value is not None})


@answers(audit.Get)
async def get(context: Context, call: audit.Get, _caller: Caller) -> Response:
    return json({"entry": await Reader(context.recorder.trail.log).find(call.id)})


@answers(audit.Export)
async def export(context: Context, call: audit.Export, _caller: Caller) -> Response:
    reader = Reader(context.recorder.trail.log)
    as_lines = call.format == "jsonl" or request.accept_mimetypes.best == LINES
    body = reader.oldest(call.after) if as_lines else document(reader, call.after, await reader.count())
    response = Response(b"" if request.method == "HEAD" else body, content_type=LINES if as_lines else JSON)
    response.timeout = None
    return response


async def document(reader: Reader, after: int, total: int) -> AsyncIterator[bytes]:
    """All entries as one JSON document, newest first, piece by piece."""
    yield b'{"total_items":%d,"items":[' % total
    between = b""
    async with aclosing(reader.newest()) as newest:
        async for _, entries in newest:
            if wanted := [entry for entry in entries if number(entry) > after]:
                yield between + b",".join(map(msgspec.json.encode, wanted))
                between = b","
            if len(wanted) < len(entries):
                break
    yield b"]}\n"


@answers(audit.Key)
async def key(context: Context, _call: audit.Key, _caller: Caller) -> audit.AuditKey:
    trail = context.recorder.trail
    return audit.AuditKey(
        public_key=trail.keys.public.text,
        fingerprint=trail.keys.public.fingerprint,
        trusted_keys=context.config.controller.audit.trusted_keys,
        head=str(trail.head) if trail.head.number else "",
    )


def filters(call: audit.List) -> Iterator[Match]:
    """What an entry must be like to be shown."""
    equal = {name: wanted for name in EQUAL if (wanted := getattr(call, name)) is not None}
    yield from (partial(has, name, wanted) for name, wanted in equal.items())
    if path := call.path:
        yield lambda entry: str(entry.get("path", "")).startswith(path)
    if operation := call.operation_id:
        yield lambda entry: f"{entry.get('operation_id')}.".startswith(f"{operation}.")
    if host := call.host:
        yield lambda entry: host in {entry.get("target"), *entry.get("hosts", ())}
    if status := call.status:
        begin = status.removesuffix("xx")
        yield lambda entry: str(entry.get("response_code")).startswith(begin)
    if call.since:
        since = moment(call.since, "since")
        yield lambda entry: at(entry) >= since
    if call.until:
        until = moment(call.until, "until")
        yield lambda entry: at(entry) <= until


def has(name: str, wanted: str, entry: Entry) -> bool:
    return bool(entry.get(name) == wanted)


def at(entry: Entry) -> datetime:
    """When it was; long ago, where that cannot be read."""
    try:
        return datetime.fromisoformat(str(entry.get("timestamp")))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def moment(given: str, field: str) -> datetime:
    """A time, in UTC unless it says otherwise, or a duration as the time so long ago."""
    try:
        if given[4:5] == "-":
            found = datetime.fromisoformat(given)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        return now() - timedelta(seconds=parse(given))
    except (ValueError, OverflowError):
        raise BadInput(f"{field}: {given!r} is no time; such as 2026-01-31T12:00:00Z or 2h", field) from None
