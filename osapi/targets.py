"""Which hosts a target means: `_any`, `_all`, a host name or machine id, or `key:value`.

A label's value matches a target that equals it or is a dotted prefix of it: `group:web` means hosts
labelled `web`, `web.dev` and `web.dev.eu`, and not `webshop`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from osapi.errors import BadInput, Conflict

ANY, ALL = "_any", "_all"

LABEL = re.compile(r"([a-zA-Z0-9_-]+):([a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)*)")
HELP = "allowed: _any, _all, a host name, a machine id, or key:value"


class Candidate(Protocol):
    """What is known of a host when a target is resolved."""

    @property
    def machine_id(self) -> str: ...
    @property
    def hostname(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def schedulable(self) -> bool:
        """Whether `_any`, `_all` and labels include it: it is there, and not drained."""


C = TypeVar("C", bound=Candidate)


def many(target: str) -> bool:
    """Whether a target may mean more than one host."""
    return target == ALL or ":" in target


def resolve(target: str, hosts: Iterable[C]) -> list[C]:
    """The hosts that a target means now; for `_any` those of which one will do it.

    Raises `BadInput` where the target is malformed or means no known host, `Conflict` where several have the name.
    """
    known = list(hosts)
    if target in {ANY, ALL}:
        return _some([host for host in known if host.schedulable], target, "no agent is ready")
    if ":" in target:
        return _labelled(target, known)
    found = [host for host in known if host.machine_id == target]
    found = found or [host for host in known if host.hostname == target]
    return [one(_some(found, target, f"no host is known as that; {HELP}"), target)]


def one(found: Sequence[C], name: str) -> C:
    """The one host of a name; `Conflict` where there are several."""
    if len(found) > 1:
        ids = ", ".join(sorted(host.machine_id for host in found))
        raise Conflict(f"{name!r} is the name of {len(found)} hosts; name one by machine id: {ids}")
    return found[0]


def _labelled(target: str, known: list[C]) -> list[C]:
    match = LABEL.fullmatch(target)
    if not match:
        raise BadInput(f"target: {target!r} is not a label; {HELP}", "target")
    key, value = match.groups()
    carrying = [host for host in known if f"{host.labels.get(key, '')}.".startswith(f"{value}.")]
    if not carrying:
        raise BadInput(f"target: {target!r}: no host carries that label", "target")
    return _some([host for host in carrying if host.schedulable], target, "no agent that carries it is ready")


def _some(found: list[C], target: str, otherwise: str) -> list[C]:
    if not found:
        raise BadInput(f"target: {target!r}: {otherwise}", "target")
    return found
