"""The broker, as the daemons of this machine reach it: with their login, over the network, within seconds."""

import json
import time
from functools import partial
from pathlib import Path

import trio

from osapi.backup.contents import OPTIONAL, streams
from osapi.bus import Account, Bus, Held
from osapi.bus.connect import visit
from osapi.bus.layout import specs
from osapi.bus.server import CONFIG
from osapi.config import NatsConnection
from osapi.doctor.daemons import running
from osapi.doctor.findings import Finding, Machine, fail, ok, skip, warn
from osapi.errors import ConfigError, Error, Unavailable

PATIENCE = 5.0
"""Seconds in which the broker must let one in, and answer."""

SKEW, MOST_SKEW = 2.0, 30.0
"""Seconds between two clocks above which it is told, and above which jobs expire too early or too late."""


async def broker(machine: Machine) -> list[Finding]:
    """Whether it lets the daemons in, has JetStream and the buckets, and what its clock says."""
    config, wanted = machine.config, {}
    if {"broker", "controller"} & machine.roles:
        wanted["controller"] = config.controller.nats
    if "agent" in machine.roles and _login(config.agent.nats) not in map(_login, wanted.values()):
        wanted["agent"] = config.agent.nats
    found: dict[str, list[Finding]] = {}

    async def reach(role: str) -> None:
        found[role] = await _reached(machine, role, wanted[role])

    async with trio.open_nursery() as nursery:
        for role in wanted:
            nursery.start_soon(reach, role)
    return [finding for role in wanted for finding in found[role]]


def _login(nats: NatsConnection) -> tuple[object, ...]:
    """What decides whether one is let in."""
    return nats.host, nats.port, nats.auth, nats.namespace


async def _reached(machine: Machine, role: str, nats: NatsConnection) -> list[Finding]:
    try:
        return await visit(nats, PATIENCE, partial(_look, machine, role, nats))
    except ConfigError as error:
        fix = f"{role}.nats.auth must be one of the broker's nats.server.auth.users or nkeys"
        return [fail("broker", str(error), fix)]
    except Unavailable as error:
        here = "broker" in machine.roles and running(machine, "broker") is None
        fix = "start it: osapi nats server start, or systemctl start osapi-nats"
        return [
            fail("broker", str(error), fix if here else f"check {role}.nats.host and port, and firewalls")
        ]


async def _look(machine: Machine, role: str, nats: NatsConnection, bus: Bus) -> list[Finding]:
    began = trio.current_time()
    await bus.flush()
    took = (trio.current_time() - began) * 1000
    server = bus.server
    login = nats.auth.username or ("nkey" if nats.auth.type == "nkey" else "nobody")
    reached = ok("broker", f"{server.url} ({server.version}) lets {login} in, within {took:.0f} ms")
    if role == "agent" and "controller" in machine.roles:
        return [reached]
    try:
        with trio.fail_after(PATIENCE):
            return [reached, *await _stored(machine, nats, bus)]
    except (Error, trio.TooSlowError) as error:
        if role == "agent":
            return [reached, skip("jetstream", "an agent's login may not ask")]
        fix = "jetstream {} in the configuration of nats-server, and for this account"
        return [reached, fail("jetstream", str(error) or f"no answer within {PATIENCE:g} s", fix)]


async def _stored(machine: Machine, nats: NatsConnection, bus: Bus) -> list[Finding]:
    layout = specs(machine.config, nats.namespace)
    account = await bus.streams.account()
    before = time.time()
    held = {name: await bus.streams.find(name) for name in streams(layout, OPTIONAL)}
    found = [_room(account), *_buckets(held)]
    known = next((each.time for each in held.values() if each and each.time), None)
    if known is not None:
        found.append(skew(known - before))
    return found


def _room(account: Account) -> Finding:
    used = f"{account.streams} streams, {account.bytes / 1024**2:.0f} MiB"
    if account.most is None:
        return ok("jetstream", used)
    told = f"{used} of {account.most / 1024**2:.0f}"
    if account.bytes > 0.9 * account.most:
        return fail(
            "jetstream",
            told,
            "raise max_file_store or the account's limit, or set limits in nats.kv and blobs",
        )
    return ok("jetstream", told)


def _buckets(held: dict[str, Held | None]) -> list[Finding]:
    missing = [name for name, found in held.items() if found is None]
    if len(missing) == len(held):
        return [warn("buckets", "none is there yet", "start a controller once: it makes them")]
    if missing:
        return [warn("buckets", f"not there: {', '.join(missing)}", "restart the controller: it makes them")]
    return [ok("buckets", f"all {len(held)} are there")]


def skew(seconds: float) -> Finding:
    """What it means that the broker's clock is so many seconds ahead of this machine's."""
    told = f"the broker's is {abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}"
    fix = "synchronize both machines: timedatectl set-ntp true, or chrony"
    if abs(seconds) > MOST_SKEW:
        return fail("clock", told, fix)
    return warn("clock", told, fix) if abs(seconds) > SKEW else ok("clock", "the same as the broker's")


async def durability(machine: Machine) -> list[Finding]:
    """Whether what is acknowledged is on the disk, as the configuration that the broker runs with has it."""
    if not {"broker", "controller"} & machine.roles:
        return []
    if "broker" not in machine.roles:
        told = "an external server does not tell; it needs `sync_interval: always` in jetstream {}"
        return [skip("fsync", told, "see docs/how-to/external-nats.md")]
    server = machine.config.nats.server
    store = Path(server.store_dir) if server.store_dir else machine.state("broker").nats
    if not server.sync_always:
        fix = "nats.server.sync_always: true"
        return [warn("fsync", "off: what was acknowledged can be lost for 2 minutes at a power failure", fix)]
    actual = _sync_interval(store / CONFIG) if running(machine, "broker") is not None else "always"
    if actual != "always":
        return [
            warn("fsync", f"on, and the broker that runs was started with {actual}", "restart the broker")
        ]
    return [ok("fsync", "each write is on the disk before it is acknowledged")]


def _sync_interval(path: Path) -> str:
    """As the generated configuration says; "always" where this user may not read it."""
    try:
        return str(json.loads(path.read_text())["jetstream"].get("sync_interval", "2m"))
    except (OSError, ValueError, KeyError):
        return "always"
