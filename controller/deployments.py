"""What is deployed where, as the agents record it: an index in memory, fed by a watch of the bucket of file states.

It tells which deployments are stale: made of an object that has other content by now.
"""

from collections.abc import Callable, Iterator, Mapping

import attrs
import structlog
import trio

from osapi import wire
from osapi.bus import Bucket, CaughtUp, Entry, layout
from osapi.calls.file import StaleDeployment
from osapi.deployments import Deployment
from osapi.errors import BadInput

log = structlog.get_logger()

PROVIDERS = {
    "/etc/systemd/system/": "service",
    "/usr/local/share/ca-certificates/": "certificate",
    "/usr/local/lib/osapi/cron/": "cron",
    "/usr/local/lib/osapi/timer/": "timer",
    **{f"/etc/cron.{when}/": "cron" for when in ("d", "hourly", "daily", "weekly", "monthly")},
}
"""Whose a file is, by the folder it lies in; anywhere else it is the file provider's."""


@attrs.define
class Deployments:
    """All that is on a disk and was made of an object, by key; each with the machine id of its host."""

    _by_key: dict[str, tuple[str, Deployment]] = attrs.field(factory=dict)

    def __iter__(self) -> Iterator[tuple[str, Deployment]]:
        return iter(self._by_key.values())

    def apply(self, entry: Entry) -> None:
        """Take in one revision of a key."""
        self._by_key.pop(entry.key, None)
        if entry.value is None:
            return
        machine_id = entry.key.rpartition(".")[0]
        try:
            found = _own(entry.key, machine_id, wire.decode(Deployment, entry.value))
        except BadInput as error:
            log.warning("an entry that cannot be read was passed over", key=entry.key, error=str(error))
            return
        if found.present and found.object_name:
            self._by_key[entry.key] = machine_id, found

    def clear(self) -> None:
        self._by_key.clear()

    def stale(self, current: Mapping[str, str], hostname: Callable[[str], str]) -> list[StaleDeployment]:
        """Those whose object has another SHA-256 than in `current`, or is not in it; sorted by object, host and path.

        `hostname` gives the name of a host by its machine id.
        """
        found = [
            StaleDeployment(
                object_name=made.object_name,
                hostname=hostname(machine_id),
                provider=provider(made.path),
                path=made.path,
                deployed_sha=made.source_sha256,
                current_sha=current.get(made.object_name, ""),
                deployed_at=made.deployed_at,
            )
            for machine_id, made in self
            if made.source_sha256 != current.get(made.object_name)
        ]
        return sorted(found, key=lambda each: (each.object_name, each.hostname, each.path))


def _own(key: str, machine_id: str, found: Deployment) -> Deployment:
    """The deployment that a key is for, and no other."""
    if layout.deployment(machine_id, found.path) != key:
        raise BadInput(f"path: {found.path} is not that of the key", "path")
    return found


def provider(path: str) -> str:
    """The provider that has deployed a file."""
    return next((name for folder, name in PROVIDERS.items() if path.startswith(folder)), "file")


async def follow_deployments(
    bucket: Bucket, deployments: Deployments, task_status: trio.TaskStatus[None]
) -> None:
    """Feed the index, for ever; started once all that was there has been read."""
    deployments.clear()  # of what went while nobody followed, nothing is told
    async with bucket.watch() as watch:
        async for seen in watch:
            if isinstance(seen, CaughtUp):
                task_status.started()
            else:
                deployments.apply(seen)
