"""What an agent keeps on the broker."""

import attrs

from osapi.bus import Bucket, Bus, Log, Objects
from osapi.bus.layout import Specs


@attrs.frozen
class Buckets:
    """The buckets, the object store and the log that an agent writes to."""

    responses: Bucket
    registry: Bucket
    facts: Bucket
    state: Bucket
    file_state: Bucket
    objects: Objects
    timeline: Log

    @staticmethod
    async def open(bus: Bus, specs: Specs) -> "Buckets":
        """All of them, made where they are not there yet."""
        return Buckets(
            responses=await bus.bucket(specs.responses),
            registry=await bus.bucket(specs.registry),
            facts=await bus.bucket(specs.facts),
            state=await bus.bucket(specs.state),
            file_state=await bus.bucket(specs.file_state),
            objects=await bus.objects(specs.objects),
            timeline=await bus.log(specs.timeline),
        )
