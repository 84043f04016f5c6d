"""The hosts as the broker knows them: an index in memory, fed by watches of registry, facts and state.

A host is known once it has been here, online while it beats, and ready while it takes jobs.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import attrs
import structlog
import trio

from osapi import wire
from osapi.bus import Bucket, CaughtUp, Entry
from osapi.conditions import Kind, condition
from osapi.enrollment import vouched
from osapi.errors import BadInput, NotFound
from osapi.keys import PublicKey
from osapi.registry import AgentState, Beat, ComponentBeat, Facts, KnownHost, NodeCondition
from osapi.targets import one

log = structlog.get_logger()


@attrs.define
class Listening:
    """A clock that stands still once nothing was heard for `patience` seconds: the broker is away, not the hosts."""

    patience: float
    _last: float = attrs.field(factory=trio.current_time)
    _missed: float = 0.0

    def hear(self) -> None:
        now = trio.current_time()
        self._missed += max(0.0, now - self._last - self.patience)
        self._last = now

    def time(self) -> float:
        return min(trio.current_time(), self._last + self.patience) - self._missed


@attrs.define
class Host:
    """One host: what it last said, and when it was heard; after `silence` seconds it counts as gone.

    `drained` is what an operator wants, which the host itself may not have noticed yet.
    """

    machine_id: str
    silence: float
    clock: Listening
    known: KnownHost | None = None
    beat: Beat | None = None
    facts: Facts | None = None
    drained: bool = False
    accepted: PublicKey | None = None
    """The key that its agent was taken in with, where agents are to be."""
    heard: float = 0.0

    @property
    def hostname(self) -> str:
        said = self.beat or self.known
        return said.hostname if said else self.machine_id

    @property
    def labels(self) -> Mapping[str, str]:
        said = self.beat or self.known
        return said.labels if said else {}

    @property
    def secrets_key(self) -> str:
        """What secrets are sealed with for it; empty where its agent takes none, or where another may have said so."""
        known = self.known
        if known is None or not known.secrets_key:
            return ""
        if self.accepted and not vouched(self.accepted, known.proof, self.machine_id, known.secrets_key):
            return ""
        return known.secrets_key

    @property
    def fingerprint(self) -> str | None:
        """That of the key that it was accepted with, or of the one that it says it has."""
        if self.accepted:
            return self.accepted.fingerprint
        return self.beat.fingerprint if self.beat else None

    @property
    def estranged(self) -> bool:
        """Whether who beats has not the key that was accepted."""
        return bool(self.beat and self.accepted and self.beat.fingerprint != self.accepted.fingerprint)

    @property
    def online(self) -> bool:
        return self.beat is not None and self.clock.time() - self.heard < self.silence

    @property
    def state(self) -> str | None:
        """Whether it takes jobs, as an `AgentState`; None of a host that is away and not drained."""
        if self.beat is None:
            return AgentState.CORDONED if self.drained else None
        if self.estranged:
            return AgentState.PENDING
        if self.drained and self.beat.state == AgentState.READY:
            return AgentState.DRAINING
        return self.beat.state

    @property
    def schedulable(self) -> bool:
        return self.online and self.state == AgentState.READY


@attrs.define
class Hosts:
    """All hosts by machine id, and the other components that beat.

    `silence` is how many seconds without a beat, while others are heard, make a host gone; this controller
    itself beats more often than thrice in that time. `returned` is called with the machine id of a host whose
    agent has started, has come back, or takes jobs again.
    """

    silence: float
    clock: Listening = attrs.field(init=False)
    by_id: dict[str, Host] = attrs.field(factory=dict)
    components: dict[str, ComponentBeat] = attrs.field(factory=dict)
    returned: Callable[[str], None] = attrs.field(default=lambda _: None)

    def __attrs_post_init__(self) -> None:
        self.clock = Listening(self.silence / 3)

    def __iter__(self) -> Iterator[Host]:
        return iter([host for host in self.by_id.values() if host.beat or host.known])

    def online(self, machine_id: str) -> bool:
        host = self.by_id.get(machine_id)
        return host is not None and host.online

    def ready(self, machine_id: str) -> bool:
        host = self.by_id.get(machine_id)
        return host is not None and host.schedulable

    def find(self, name: str) -> Host:
        """A host by machine id or host name; `NotFound`, or `Conflict` where several have the name."""
        found = [host for host in self if host.machine_id == name]
        found = found or [host for host in self if host.hostname == name]
        if not found:
            raise NotFound(f"no agent {name!r} is known; `osapi client agent list` shows those that are")
        return one(found, name)

    def accept(self, machine_id: str, key: PublicKey | None) -> None:
        """Note with which key an agent was taken in; None where it was not."""
        host = self._host(machine_id)
        before, host.accepted = host.schedulable, key
        if host.schedulable and not before:
            self.returned(machine_id)

    def named(self) -> Mapping[str, list[Host]]:
        """All hosts by their names."""
        found = defaultdict(list)
        for host in self:
            found[host.hostname].append(host)
        return found

    def apply(self, entry: Entry) -> None:
        """Take in one revision of a key of the registry, the facts or the state."""
        kind, _, name = entry.key.partition(".")
        if kind not in {"facts", "hosts", "drain"}:
            self.clock.hear()
        try:
            if kind == "agents":
                self._beat(name, entry)
            elif kind == "facts":
                self._host(name).facts = wire.decode(Facts, entry.value) if entry.value else None
            elif kind == "hosts":
                known = _own(name, wire.decode(KnownHost, entry.value)) if entry.value else None
                self._host(name).known = known
            elif kind == "drain":
                self._drain(name, entry)
            elif entry.value is None:
                self.components.pop(entry.key, None)
            else:
                self.components[entry.key] = wire.decode(ComponentBeat, entry.value)
        except BadInput as error:
            log.warning("an entry that cannot be read was passed over", key=entry.key, error=str(error))

    def _host(self, machine_id: str) -> Host:
        return self.by_id.setdefault(machine_id, Host(machine_id, self.silence, self.clock))

    def _drain(self, machine_id: str, entry: Entry) -> None:
        host = self._host(machine_id)
        before, host.drained = host.schedulable, entry.value is not None
        if host.schedulable and not before:
            self.returned(machine_id)

    def _beat(self, machine_id: str, entry: Entry) -> None:
        if entry.lapsed:
            return  # that is no goodbye: if it is gone, its silence tells
        host = self._host(machine_id)
        before, was_online, was_schedulable = host.beat, host.online, host.schedulable
        host.beat = _own(machine_id, wire.decode(Beat, entry.value)) if entry.value else None
        host.heard = self.clock.time()
        known = was_online and before and host.beat and before.instance == host.beat.instance
        if host.beat and (not known or (host.schedulable and not was_schedulable)):
            self.returned(machine_id)


def conditions(host: Host, namesakes: Iterable[Host]) -> list[NodeCondition]:
    """What a host says of itself, and whether another one has its name; `namesakes` are all of that name."""
    if host.beat is None:
        return []
    others = [other for other in namesakes if other.machine_id != host.machine_id]
    ids = ", ".join(sorted(other.machine_id for other in others))
    reason = f"it is also the name of {ids}" if others else None
    since = max([host.beat.started_at, *(other.beat.started_at for other in others if other.beat)])
    return [*host.beat.conditions, condition(Kind.DUPLICATE_HOSTNAME, since, reason)]


S = TypeVar("S", Beat, KnownHost)


def _own(machine_id: str, said: S) -> S:
    """What a host says of itself, and not of another."""
    if said.machine_id != machine_id:
        raise BadInput(f"machine_id: {said.machine_id} is not the host of the key", "machine_id")
    return said


async def follow(bucket: Bucket, keys: str, hosts: Hosts, task_status: trio.TaskStatus[None]) -> None:
    """Feed the index from one bucket, for ever; started once all that was there has been read."""
    async with bucket.watch(keys) as watch:
        async for seen in watch:
            if isinstance(seen, CaughtUp):
                task_status.started()
            else:
                hosts.apply(seen)
