"""The agent: one tree of tasks, taken down from the leaves to the root."""

from functools import partial
from pathlib import Path

import attrs
import structlog
import trio

from agent import dispatch, trial
from agent.broker import BrokerStore
from agent.buckets import Buckets
from agent.carry_out import Work
from agent.heartbeat import heartbeat, leave, remember, tell_facts
from agent.host import Host
from agent.identity import Identity, machine_id
from agent.intake import Intake, settle, take
from agent.journal import Journal
from agent.policy import Policy
from agent.preflight import keep_capabilities, preflight
from agent.uplink import ToBroker
from osapi import configfile
from osapi.blobs.store import Blobs
from osapi.bus import Bus, NoResponders
from osapi.bus.connect import connect
from osapi.bus.layout import Subjects, specs
from osapi.config import Config, urls
from osapi.errors import ConfigError, Unavailable
from osapi.registry import BEATS
from osapi.sealed import Opener
from osapi.state import StateDirectory
from osapi.supervise import Condition, keep

log = structlog.get_logger()

GOODBYE = 2.0
"""Seconds that leaving may take."""


async def run_agent(
    config: Config,
    state: StateDirectory,
    stop: trio.Event,
    *,
    file: Path | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve jobs until `stop`; then take no more, let those that run end, say goodbye, and return.

    `file` is the configuration, which file operations do not touch.
    """
    section = config.agent
    if section.privilege_escalation.enabled:
        keep_capabilities()
    dispatch.load()
    identity = identify(config, state, file)
    bus, subjects = connect(section.nats), Subjects(section.nats.namespace)
    health: dict[str, Condition] = {}
    with state.lock("agent"), Journal.open(state.agent / "journal.db") as journal:
        await preflight(identity.host)
        await trial.finish(identity.host)
        async with trio.open_nursery() as services:
            await services.start(keep, "bus", bus.run, health)
            await alone(bus, subjects, identity)
            work = await prepare(config, bus, subjects, identity, journal)
            telling = partial(tell_facts, work.buckets, identity, section.facts.interval)
            beating = partial(heartbeat, work.buckets, identity, health, config.nats.registry.ttl / BEATS)
            await services.start(keep, "facts", telling, health)
            async with trio.open_nursery() as running, trio.open_nursery() as taking:
                running.start_soon(settle, intake := Intake(work, section.max_jobs))
                listening = partial(take, bus, subjects, section.queue_group, intake, running)
                await taking.start(keep, "jobs", listening, health)
                await services.start(keep, "heartbeat", beating, health)
                log.info("agent ready", machine_id=identity.machine_id, hostname=identity.hostname)
                task_status.started()
                await stop.wait()
                taking.cancel_scope.cancel()  # take no more jobs,
                running.cancel_scope.deadline = trio.current_time() + section.drain_timeout  # let these end,
            with trio.move_on_after(GOODBYE):
                await goodbye(work.buckets, identity)  # say goodbye,
            services.cancel_scope.cancel()  # fall silent.


async def prepare(config: Config, bus: Bus, subjects: Subjects, identity: Identity, journal: Journal) -> Work:
    """What jobs need, and the record that this host is here."""
    namespace = config.agent.nats.namespace
    buckets = await Buckets.open(bus, specs(config, namespace))
    blobs = await Blobs.open(bus, config, namespace)
    await remember(buckets, identity, None)
    return Work(identity, bus, subjects, buckets, BrokerStore(identity.machine_id, buckets, blobs), journal)


def identify(config: Config, state: StateDirectory, file: Path | None) -> Identity:
    section = config.agent
    host = attrs.evolve(
        Host.detect(labels=section.labels, output_limit=section.output_limit_bytes),
        policy=policy(config, state, file),
        versions=str(state.agent / "versions"),
        uplink=ToBroker.of(*urls(section.nats)),
    )
    if section.privilege_escalation.enabled:
        host = attrs.evolve(host, sudo=("sudo", "-n"))
    return Identity(machine_id(section.machine_id), host, Opener.of(state.secrets_key()), section.hostname)


def policy(config: Config, state: StateDirectory, file: Path | None) -> Policy:
    """Which paths file operations may touch; not what the agent keeps, is configured by, or proves itself with."""
    section = config.agent
    own = (
        str(state.path),
        str(configfile.DEFAULT.parent),
        section.pki.key_dir,
        section.nats.auth.nkey_file,
        str(file.absolute()) if file else "",
    )
    return Policy(allow=section.files.allow, refuse=section.files.refuse, own=[*filter(None, own)])


async def alone(bus: Bus, subjects: Subjects, identity: Identity) -> None:
    """Refuse to be the second agent of one machine id: the two would share its jobs."""
    try:
        other = await bus.request(subjects.host("identify", identity.machine_id), b"", timeout=1)
    except (NoResponders, Unavailable):
        return
    raise ConfigError(
        f"another agent (instance {other.data.decode()}) already serves machine id {identity.machine_id}; "
        "stop it, or give this machine an id of its own (systemd-machine-id-setup, or agent.machine_id)"
    )


async def goodbye(buckets: Buckets, identity: Identity) -> None:
    try:
        await leave(buckets, identity)
    except Unavailable:
        log.info("the broker is away; the beat of this agent will expire", machine_id=identity.machine_id)
