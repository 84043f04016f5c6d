"""Whether this agent takes jobs: its standing, and how it learns what operators want of it.

Ready -> Draining -> Cordoned, and back. What the state is follows from what is known, so that after a restart it is
the same again; whoever learns a part of that notes it down in the one `Standing` of the agent, and whoever has to
act on the state waits for it there.

That a host is drained is a key on the broker. The controller that writes it wakes the agent, which looks at once; a
wake-up that was lost costs the time between two beats. A watch of the key would be a consumer for each agent, of which
a stream has a thousand at most.
"""

import attrs
import structlog
import trio

from agent.identity import Identity
from osapi import timeline
from osapi.bus import Bucket, Log, layout
from osapi.errors import Unavailable
from osapi.registry import AgentState

log = structlog.get_logger()


@attrs.define
class Standing:
    """What decides on the state; `drained` is an operator's word, `jobs` are those that were taken and have not ended.

    To add a reason for taking no jobs, add what is known of it here, a line in `state`, and a method that notes it.
    """

    accepted: bool = True
    """Whether a controller has taken this agent in; True where it needs none to (`agent.enrollment`)."""
    drained: bool = False
    jobs: int = 0
    asked: trio.Event = attrs.field(factory=trio.Event)
    """Set when the agent is to look what operators want; the next one is another."""
    _stirred: trio.Event = attrs.field(factory=trio.Event)

    @property
    def state(self) -> AgentState:
        if not self.accepted:
            return AgentState.PENDING
        if not self.drained:
            return AgentState.READY
        return AgentState.DRAINING if self.jobs else AgentState.CORDONED

    @property
    def takes_jobs(self) -> bool:
        return self.state is AgentState.READY

    def accept(self) -> None:
        """Note that a controller has taken this agent in."""
        self.accepted = True
        self._stir()

    def drain(self, drained: bool) -> None:
        """Note what an operator wants."""
        self.drained = drained
        self._stir()

    def count(self, jobs: int) -> None:
        """Note how many jobs are here."""
        self.jobs = jobs
        self._stir()

    def look(self) -> None:
        """Have the agent look what operators want of it."""
        self.asked.set()
        self.asked = trio.Event()

    async def becomes(self, state: AgentState) -> None:
        """Wait until the state is this one; at once where it is."""
        while self.state is not state:
            await self._stirred.wait()

    async def leaves(self, state: AgentState) -> None:
        """Wait until the state is another one; at once where it is."""
        while self.state is state:
            await self._stirred.wait()

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = trio.Event()


async def lifecycle(
    bucket: Bucket,
    told: Log,
    identity: Identity,
    standing: Standing,
    interval: float,
    task_status: trio.TaskStatus[None],
) -> None:
    """Follow what operators want of this agent, until cancelled; started once that is known."""
    async with trio.open_nursery() as nursery:
        await nursery.start(follow_drain, bucket, identity.machine_id, standing, interval)
        nursery.start_soon(tell_of_cordon, told, identity, standing)
        task_status.started()


async def follow_drain(
    bucket: Bucket, machine_id: str, standing: Standing, interval: float, task_status: trio.TaskStatus[None]
) -> None:
    """Note down whether there is a key that says the host is drained: when woken, and every `interval` seconds."""
    known = False
    while True:
        asked, pause = standing.asked, interval
        try:
            entry = await bucket.get(layout.drain(machine_id))
        except Unavailable:
            if not known:
                raise
            pause = 1.0
        else:
            standing.drain(entry is not None and entry.value is not None)
            if not known:
                known = True
                task_status.started()
        with trio.move_on_after(pause):
            await asked.wait()


async def tell_of_cordon(told: Log, identity: Identity, standing: Standing) -> None:
    """Put it into the timeline that the last job of a drained host has ended; not again after a restart."""
    while True:
        await standing.leaves(AgentState.CORDONED)
        await standing.becomes(AgentState.CORDONED)
        log.info("drained", machine_id=identity.machine_id)
        await timeline.tell(told, identity.machine_id, identity.hostname, "cordoned", "no job runs any more")
