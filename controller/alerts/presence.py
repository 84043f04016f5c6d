"""Who beats, and what of: an index in memory of agents, controllers and brokers, fed by a watch of the registry.

Silence is measured by this controller's clock, and only while anybody at all is heard: the broker being away is not the
hosts being gone.
"""

import re
from collections import defaultdict
from collections.abc import Mapping

import attrs
import structlog
import trio

from controller.hosts import Listening
from osapi import wire
from osapi.bus import Entry
from osapi.errors import BadInput
from osapi.registry import KnownHost, NodeCondition

log = structlog.get_logger()

AGENT = "agents."
KIND = re.compile(r"(agents|controller|nats)\.[A-Za-z0-9_-]+")
"""Keys of the registry that are components; others are passed over."""

CONDITION = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST = 32
"""Conditions of a component that are looked at."""


@attrs.frozen(kw_only=True)
class Said:
    """What of a beat matters here; of agents, controllers and brokers alike."""

    hostname: str
    labels: dict[str, str] = attrs.field(factory=dict)
    conditions: list[NodeCondition] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class Sign:
    """A component: what it said last, when that was by the broker's clock (`at`) and by ours (`heard`).

    `left` is when it said goodbye, by our clock; None where it did not.
    """

    key: str
    hostname: str
    labels: Mapping[str, str]
    conditions: Mapping[str, NodeCondition]
    at: float
    heard: float
    left: float | None = None


@attrs.define
class Presence:
    """All that beat, or have; `silence` seconds without a beat, while others are heard, make a component gone."""

    silence: float
    signs: dict[str, Sign] = attrs.field(factory=dict)
    clock: Listening = attrs.field(init=False)
    _heard: float = attrs.field(factory=trio.current_time)
    _named: defaultdict[str, set[str]] = attrs.field(factory=lambda: defaultdict(set))

    def __attrs_post_init__(self) -> None:
        self.clock = Listening(self.silence / 3)

    def apply(self, entry: Entry) -> str | None:
        """Take in one revision of a key of the registry; the key, where it is one of a component."""
        self._hear()
        if not KIND.fullmatch(entry.key) or entry.lapsed:
            return None  # that a beat lapsed is no goodbye: if it is gone, its silence tells
        sign = self.signs.get(entry.key)
        if entry.value is None:
            if sign and sign.left is None:
                sign.left, sign.at = self.clock.time(), entry.created
            return entry.key
        try:
            said = wire.decode(Said, entry.value)
        except BadInput:
            return None  # the index of hosts has a word in the log for it
        if sign and sign.hostname != said.hostname:
            self._named[sign.hostname].discard(entry.key)
        if entry.key.startswith(AGENT):
            self._named[said.hostname].add(entry.key)
        self.signs[entry.key] = Sign(
            key=entry.key,
            hostname=said.hostname,
            labels=said.labels,
            conditions={each.type: each for each in said.conditions[:MOST] if CONDITION.fullmatch(each.type)},
            at=entry.created,
            heard=self.clock.time(),
        )
        return entry.key

    def expect(self, key: str, known: KnownHost, at: float, *, stopped: bool) -> None:
        """Take in a host that has not been heard since we listen: it has its full time, or said goodbye."""
        heard = self.clock.time()
        self.signs.setdefault(
            key,
            Sign(
                key=key,
                hostname=known.hostname,
                labels=known.labels,
                conditions={},
                at=at,
                heard=heard,
                left=heard if stopped else None,
            ),
        )

    def _hear(self) -> None:
        """Go on with the clock; after an outage that could have made all of them silent, all have their full time."""
        now = trio.current_time()
        away, self._heard = now - self._heard, now
        self.clock.hear()
        if away >= self.silence:
            for sign in self.signs.values():
                sign.heard = self.clock.time()

    def namesakes(self, sign: Sign) -> list[str]:
        """The machine ids of other hosts that beat under the same name, of which controllers and brokers are none."""
        if not sign.key.startswith(AGENT):
            return []
        return sorted(
            key.removeprefix(AGENT)
            for key in self._named.get(sign.hostname, ())
            if key != sign.key and (other := self.signs[key]).left is None and not self.silent(other)
        )

    def silent(self, sign: Sign) -> bool:
        """Whether it has stopped beating without a goodbye."""
        return sign.left is None and self.clock.time() - sign.heard >= self.silence

    def gone(self, sign: Sign, patience: float) -> bool:
        """Whether it said goodbye, and has not come back for so many seconds."""
        return sign.left is not None and self.clock.time() - sign.left >= patience
