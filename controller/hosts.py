"""The hosts as the broker knows them: an index in memory, fed by watches of registry, facts and state.

A host is known once it has been here, online while it beats, and ready while it takes jobs.
"""

from collections.abc import Callable, Iterator, Mapping

import attrs
import structlog
import trio

from osapi import wire
from osapi.bus import Bucket, CaughtUp, Entry
from osapi.errors import BadInput, NotFound
from osapi.registry import BEAT, Beat, ComponentBeat, Facts, KnownHost

log = structlog.get_logger()

SILENCE = 3.5 * BEAT
"""Seconds without a beat, by this controller's clock, after which a host counts as gone."""


@attrs.define
class Host:
    """One host: what it last said, and when it was heard."""

    machine_id: str
    known: KnownHost | None = None
    beat: Beat | None = None
    facts: Facts | None = None
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
    def online(self) -> bool:
        return self.beat is not None and trio.current_time() - self.heard < SILENCE

    @property
    def schedulable(self) -> bool:
        return self.online and self.beat is not None and self.beat.state == "Ready"


@attrs.define
class Hosts:
    """All hosts by machine id, and the other components that beat.

    `returned` is called with the machine id of a host whose agent has started, or come back.
    """

    by_id: dict[str, Host] = attrs.field(factory=dict)
    components: dict[str, ComponentBeat] = attrs.field(factory=dict)
    returned: Callable[[str], None] = attrs.field(default=lambda _: None)

    def __iter__(self) -> Iterator[Host]:
        return iter([host for host in self.by_id.values() if host.beat or host.known])

    def online(self, machine_id: str) -> bool:
        host = self.by_id.get(machine_id)
        return host is not None and host.online

    def find(self, name: str) -> Host:
        """A host by machine id or host name."""
        if name in self.by_id:
            return self.by_id[name]
        for host in self:
            if host.hostname == name:
                return host
        raise NotFound(f"no agent {name!r} is known; `osapi client agent list` shows those that are")

    def apply(self, entry: Entry) -> None:
        """Take in one revision of a key of the registry, the facts or the state."""
        kind, _, name = entry.key.partition(".")
        try:
            if kind == "agents":
                self._beat(name, entry)
            elif kind == "facts":
                self._host(name).facts = wire.decode(Facts, entry.value) if entry.value else None
            elif kind == "hosts":
                self._host(name).known = wire.decode(KnownHost, entry.value) if entry.value else None
            elif entry.value is None:
                self.components.pop(entry.key, None)
            else:
                self.components[entry.key] = wire.decode(ComponentBeat, entry.value)
        except BadInput as error:
            log.warning("an entry that cannot be read was passed over", key=entry.key, error=str(error))

    def _host(self, machine_id: str) -> Host:
        return self.by_id.setdefault(machine_id, Host(machine_id))

    def _beat(self, machine_id: str, entry: Entry) -> None:
        host = self._host(machine_id)
        before, was_online = host.beat, host.online
        host.beat = wire.decode(Beat, entry.value) if entry.value else None
        host.heard = trio.current_time()
        if host.beat and not (was_online and before and before.instance == host.beat.instance):
            self.returned(machine_id)


async def follow(bucket: Bucket, keys: str, hosts: Hosts, task_status: trio.TaskStatus[None]) -> None:
    """Feed the index from one bucket, for ever; started once all that was there has been read."""
    async with bucket.watch(keys) as watch:
        async for seen in watch:
            if isinstance(seen, CaughtUp):
                task_status.started()
            else:
                hosts.apply(seen)
