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
from agent.enrollment import Enrollment
from agent.gate import Gate
from agent.heartbeat import Heart, heartbeat, leave, tell_facts
from agent.host import Host
from agent.identity import Identity, machine_id
from agent.intake import Intake, settle, take
from agent.journal import Journal
from agent.lifecycle import Standing, lifecycle
from agent.metrics import AgentMetrics
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
from osapi.keys import AGENT, KeyDirectory
from osapi.metrics.server import start_metrics
from osapi.registry import BEATS
from osapi.sealed import Opener
from osapi.state import SYSTEM, StateDirectory
from osapi.supervise import Component, Condition, keep
from osapi.tracing.delivery import deliver, traced

log = structlog.get_logger()

CREDENTIALS = "/run/credentials"
"""Where systemd puts what units load, the configuration of daemons too (systemd.exec(5), LoadCredential=)."""

GOODBYE = 2.0
"""Seconds that leaving may take."""


async def run_agent(
    config: Config,
    state: StateDirectory,
    stop: trio.Event,
    *,
    file: Path | None = None,
    service: str = "osapi-agent",
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve jobs until `stop`; then take no more, let those that run end, say goodbye, and return.

    `file` is the configuration, which file operations do not touch; `service` is the agent's name in traces.
    """
    section = config.agent
    identity = identify(config, state, file)
    bus, subjects = connect(section.nats), Subjects(section.nats.namespace)
    health: dict[str, Condition] = {}
    metrics = AgentMetrics(health)
    with state.lock("agent"), Journal.open(state.agent / "journal.db") as journal, traced(config, service):
        await preflight(identity.host)
        await trial.finish(identity.host)
        async with trio.open_nursery() as services:
            await start_metrics(metrics, section.metrics, bus, health, services)
            await services.start(keep, "bus", bus.run, health)
            await alone(bus, subjects, identity)
            work = attrs.evolve(await prepare(config, bus, subjects, identity, journal), metrics=metrics)
            heart, intake = await wake(work, config, health, services)
            async with trio.open_nursery() as running, trio.open_nursery() as taking:
                running.start_soon(settle, intake)
                listening = partial(take, bus, subjects, section.queue_group, intake, running)
                await taking.start(keep, "jobs", listening, health)
                await services.start(keep, "heartbeat", partial(heartbeat, heart, period(config)), health)
                log.info("agent ready", machine_id=identity.machine_id, hostname=identity.hostname)
                task_status.started()
                await stop.wait()
                taking.cancel_scope.cancel()  # take no more jobs,
                running.cancel_scope.deadline = trio.current_time() + section.drain_timeout  # let these end,
            with trio.move_on_after(GOODBYE):
                await goodbye(work.buckets, identity)  # say goodbye,
            services.cancel_scope.cancel()  # fall silent.


def period(config: Config) -> float:
    """Seconds between two beats."""
    return config.nats.registry.ttl / BEATS


async def wake(
    work: Work, config: Config, health: dict[str, Condition], services: trio.Nursery
) -> tuple[Heart, Intake]:
    """Say that this host is here, and start what runs before jobs are taken."""
    standing = Standing(accepted=work.identity.pair is None)
    gate = await Gate.open(config, work.bus, work.identity, standing)
    heart = Heart(work.buckets, work.identity, standing, config.agent, health)
    await heart.register()
    await deliver(services, health)
    for name, component in parts(heart, period(config), gate).items():
        await services.start(keep, name, component, health)
    intake = Intake(work, config.agent.max_jobs, standing, gate)
    work.metrics.follow(intake.slots, work.bus)
    return heart, intake


def parts(heart: Heart, interval: float, gate: Gate | None) -> dict[str, Component]:
    """The components that run before jobs are taken, in the order they start in."""
    buckets, identity, standing = heart.buckets, heart.identity, heart.standing
    enrolling: dict[str, Component] = {}
    if gate:
        enrolling["enrollment"] = Enrollment(
            gate.trust, gate.bucket, standing, identity.hostname, interval
        ).run
    return {
        **enrolling,
        "facts": partial(tell_facts, buckets, identity, heart.limits.facts.interval),
        "lifecycle": partial(lifecycle, buckets.state, buckets.timeline, identity, standing, interval),
    }


async def prepare(config: Config, bus: Bus, subjects: Subjects, identity: Identity, journal: Journal) -> Work:
    """What jobs need."""
    dispatch.load()
    namespace = config.agent.nats.namespace
    buckets = await Buckets.open(bus, specs(config, namespace))
    blobs = await Blobs.open(bus, config, namespace)
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
        keep_capabilities()
        host = attrs.evolve(host, sudo=("sudo", "-n"))
    pair = KeyDirectory(Path(section.pki.key_dir)).pair(AGENT) if section.pki.enabled else None
    return Identity(
        machine_id(section.machine_id), host, Opener.of(state.secrets_key()), section.hostname, pair
    )


def policy(config: Config, state: StateDirectory, file: Path | None) -> Policy:
    """Which paths file operations may touch; not what daemons keep, are configured by, or prove themselves with."""
    section = config.agent
    own = (
        str(state.path),
        str(SYSTEM),
        CREDENTIALS,
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
