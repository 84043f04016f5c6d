"""What is recorded: of a request before it changes something and when it was answered, of a job when it ended.

`phase` says which: `intent`, `outcome`, `end`, or `note` for what the controller has to say itself. Parameters are
recorded with changes, those that are secret masked, those that are long by their digest.
"""

import socket
from collections.abc import Iterable, Mapping
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any

from controller.notes import Notes
from controller.projection import Record
from osapi import wire
from osapi.audit.chain import Entry
from osapi.jobs import now
from osapi.operation import Declaration, parameters
from osapi.sealed import MASK

BEGUN, GONE = 102, 499
"""Instead of a status: the request goes on (RFC 2518, 10.1); the client has gone before it was answered."""

LONG = 256
"""Characters of a parameter beyond which its digest stands for it, and of all parameters, sixteen times as many."""
HOSTS = 1000
"""Hosts that are named; how many there are is told always."""
READ_HOSTS = 20
"""The same of what only reads."""


def of(noted: Notes, phase: str) -> Entry:
    """What is known of a request, as the beginning of an entry."""
    return {
        "phase": phase,
        "timestamp": moment(noted.at),
        "user": noted.user,
        "roles": list(noted.roles),
        "method": noted.method,
        "path": short(noted.path),
        "operation_id": noted.operation,
        "source_ip": noted.source,
        "response_code": BEGUN,
        "duration_ms": 0,
        "trace_id": noted.trace_id,
        "request_id": noted.request_id,
        "controller": socket.gethostname(),
        "target": short(noted.target),
        "dry_run": noted.dry_run,
    } | ({"job_id": noted.job_id} if noted.job_id else {})


def intent(noted: Notes, params: Mapping[str, Any], hosts: Iterable[str] = ()) -> Entry:
    """A change that is about to be made, with its parameters, of which none is secret."""
    return of(noted, "intent") | {"params": bounded(params)} | named(hosts, HOSTS)


def end(record: Record, roles: Iterable[str] = ()) -> Entry:
    """How a job ended whose request was answered before."""
    return note("the job has ended") | {
        "phase": "end",
        "user": record.user,
        "roles": list(roles),
        "operation_id": record.operation,
        "target": short(record.target),
        "job_id": record.id,
        "outcome": record.overall.value,
        "states": {state.value: count for state, count in record.tally.items() if count},
    }


def note(detail: str, **more: Any) -> Entry:
    """What a controller says by itself."""
    return {
        "phase": "note",
        "timestamp": moment(now()),
        "user": "",
        "roles": [],
        "method": "",
        "path": "",
        "source_ip": "",
        "response_code": 0,
        "duration_ms": 0,
        "controller": socket.gethostname(),
        "detail": detail,
    } | more


def given(asked: Declaration[Any]) -> dict[str, Any]:
    """The parameters of what is asked, those that are secret masked."""
    hidden = {parameter.name for parameter in parameters(type(asked)) if parameter.secret}
    return {name: MASK if name in hidden else value for name, value in wire.given(asked).items()}


def named(hosts: Iterable[str], most: int) -> Entry:
    """The names of hosts, as many as are told."""
    found = list(hosts)
    return {"hosts": found[:most], "host_count": len(found)} if found else {}


def bounded(params: Mapping[str, Any]) -> Any:
    """Parameters of a size that an entry can have."""
    found = _bounded(dict(params))
    encoded = wire.encode(found)
    return (
        found if len(encoded) <= 16 * LONG else {"sha256": sha256(encoded).hexdigest(), "bytes": len(encoded)}
    )


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return short(value)
    if isinstance(value, float):
        return str(
            value
        )  # there is more than one way to write a number with a fraction, and digests need one
    if isinstance(value, Mapping):
        return {str(name): _bounded(inner) for name, inner in value.items()}
    return [_bounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def short(text: str) -> str:
    """A text, or where it is long, what it begins with and its digest."""
    if len(text) <= LONG:
        return text
    return (
        f"{text[:32]}… ({len(text)} characters, SHA-256 {sha256(text.encode(errors='replace')).hexdigest()})"
    )


def moment(at: Any) -> str:
    return str(at.isoformat(timespec="milliseconds")).replace("+00:00", "Z")


def source(peer: str, forwarded: str, proxies: Iterable[str]) -> str:
    """Where a request comes from: the address that asks, unless that is a proxy that is trusted to say for whom.

    Of X-Forwarded-For, the last address counts that no trusted proxy has: what is before it, anybody may have
    written.
    """
    networks = [ip_network(each) for each in proxies]
    hops = [*(hop.strip() for hop in forwarded.split(",") if hop.strip()), peer]
    for hop in reversed(hops):
        try:
            address = ip_address(hop)
        except ValueError:
            break
        peer = str(address)
        if not any(address in network for network in networks):
            break
    return peer
