"""What the agent says of itself: a beat every ten seconds, the facts of its host, and that the host is known."""

from collections.abc import Awaitable
from datetime import UTC, datetime

import attrs
import structlog
import trio

from agent import conditions, facts
from agent.buckets import Buckets
from agent.dispatch import perform
from agent.identity import Identity
from agent.lifecycle import Standing
from osapi import __version__, timeline, wire
from osapi.bus import Bucket, Entry, Stale, layout
from osapi.conditions import Kind, carried, condition, process_conditions
from osapi.config.schema import Agent
from osapi.errors import BadInput, Unavailable
from osapi.jobs import now
from osapi.operations import node
from osapi.registry import BEATS, AgentState, Beat, KnownHost, NodeCondition, ProcessUsage
from osapi.supervise import Condition
from osapi.vitals import Meter, keep_beating, sub_components

log = structlog.get_logger()


@attrs.define
class Heart:
    """What the beats of one agent have in common.

    `conditions` are those of the last beat, before the first those that a former run left behind. `revision` is that
    of the last beat, `told` its state. `rival` is another agent that was heard under this machine id, and is believed
    to be there for `contested` more beats.
    """

    buckets: Buckets
    identity: Identity
    standing: Standing
    limits: Agent
    health: dict[str, Condition]
    meter: Meter = attrs.field(factory=Meter)
    conditions: list[NodeCondition] = attrs.field(factory=list)
    known: KnownHost | None = None
    told: AgentState = AgentState.READY
    revision: int = 0
    rival: Beat | None = None
    contested: int = 0

    async def register(self) -> None:
        """Leave a record of this host, and an event in its timeline."""
        identity = self.identity
        before = await former(self.buckets.state, identity.machine_id)
        self.conditions = before.conditions if before else []
        await self.remember()
        event, told = "started" if before else "registered", f"agent {__version__} started"
        await timeline.tell(self.buckets.timeline, identity.machine_id, identity.hostname, event, told)

    async def again(self) -> None:
        """One more beat; the record of this host is kept up to date."""
        self.identity.refresh()
        await self.beat()
        await self.remember()

    async def stirred(self) -> None:
        """Wait until the state is another than that of the last beat."""
        await self.standing.leaves(self.told)

    async def beat(self) -> None:
        identity = self.identity
        report = (await perform(identity.host, node.Status())).result or node.NodeReport()
        usage = self.meter.usage()
        self.conditions = carried(await self.look(report, usage), self.conditions)
        self.told = self.standing.state
        said = Beat(
            machine_id=identity.machine_id,
            hostname=identity.hostname,
            instance=identity.instance,
            version=__version__,
            state=self.told,
            registered_at=now(),
            started_at=identity.started_at,
            fingerprint=identity.fingerprint,
            labels=identity.labels,
            os_info=report.os_info,
            uptime=report.uptime,
            load_averages=report.load_average,
            memory_stats=report.memory,
            process=usage,
            conditions=self.conditions,
            sub_components=sub_components(self.health),
        )
        await self.tell(self.buckets.registry, layout.agent(identity.machine_id), self.put(wire.encode(said)))
        self.health.setdefault("heartbeat", Condition()).worked = trio.current_time()

    async def look(self, report: node.NodeReport, usage: ProcessUsage) -> list[NodeCondition]:
        """What is wrong with this host and this agent, and what is not."""
        at, rival = self.identity.time(), self.rival if self.contested else None
        twin = f"an agent on {rival.hostname} (instance {rival.instance}) has it too" if rival else None
        return [
            *await conditions.of_host(self.identity, report, self.limits.conditions, at),
            condition(Kind.DUPLICATE_MACHINE_ID, at, twin),
            *process_conditions(usage, self.limits.process_conditions, at),
        ]

    async def put(self, value: bytes) -> int:
        """Write a beat over the last one; where that is not there any more, somebody else may beat here."""
        bucket, key = self.buckets.registry, layout.agent(self.identity.machine_id)
        try:
            self.revision = await bucket.update(key, value, self.revision)
            self.contested = max(self.contested - 1, 0)
        except Stale:
            if self.revision:
                self.suspect(await bucket.get(key))
            self.revision = await bucket.put(key, value)
        return self.revision

    def suspect(self, found: Entry | None) -> None:
        """Look whose beat is in the place of ours."""
        try:
            beat = wire.decode(Beat, found.value) if found and found.value else None
        except BadInput:
            return
        if beat and beat.instance != self.identity.instance:
            if not self.contested:
                log.error("another agent has this machine id", hostname=beat.hostname, instance=beat.instance)
            self.rival, self.contested = beat, BEATS

    async def remember(self) -> None:
        """Leave a record of this host that outlives its beats; jobs can be queued for it while it is away."""
        identity = self.identity
        known = KnownHost(
            machine_id=identity.machine_id,
            hostname=identity.hostname,
            labels=identity.labels,
            secrets_key=identity.opener.public,
            proof=identity.proof,
            conditions=[attrs.evolve(each, reason=None) for each in self.conditions],
        )
        if known != self.known:
            bucket, key = self.buckets.state, layout.host(identity.machine_id)
            await self.tell(bucket, key, bucket.put(key, wire.encode(known)))
            self.known = known

    async def tell(self, bucket: Bucket, key: str, write: Awaitable[int]) -> None:
        """Write what only this agent writes, and learn by it how far the broker's clock is from this machine's."""
        before = now()
        revision = await write
        after = now()
        entry = await bucket.get(key)
        if entry and entry.revision == revision:
            created = datetime.fromtimestamp(entry.created, UTC)
            self.identity.skew = created - min(max(created, before), after)


async def heartbeat(heart: Heart, interval: float, task_status: trio.TaskStatus[None]) -> None:
    """Beat every `interval` seconds until cancelled, and at once when the agent's state is another."""
    await heart.beat()
    task_status.started()
    with trio.move_on_after(min(1.0, interval)):  # the first beat had to call this component starting
        await heart.stirred()
    await keep_beating(heart.again, interval, heart.stirred)


async def former(bucket: Bucket, machine_id: str) -> KnownHost | None:
    """What a former run of this agent has left."""
    entry = await bucket.get(layout.host(machine_id))
    try:
        return wire.decode(KnownHost, entry.value) if entry and entry.value else None
    except BadInput as error:
        log.warning("the former record of this host cannot be read", error=str(error))
        return None


async def tell_facts(
    buckets: Buckets, identity: Identity, interval: float, task_status: trio.TaskStatus[None]
) -> None:
    """Gather the facts now and every `interval` seconds, keep them for references, and publish them."""
    identity.facts = await facts.gather(identity.host)
    task_status.started()
    while True:
        try:
            await buckets.facts.put(layout.facts(identity.machine_id), wire.encode(identity.facts))
        except Unavailable as error:
            log.warning("no facts told", reason=str(error))
        await trio.sleep(interval)
        identity.facts = await facts.gather(identity.host)


async def leave(buckets: Buckets, identity: Identity) -> None:
    """Say goodbye: the host is known to be stopped, not lost."""
    await buckets.registry.delete(layout.agent(identity.machine_id))
    await timeline.tell(
        buckets.timeline, identity.machine_id, identity.hostname, "stopped", "the agent was stopped"
    )
