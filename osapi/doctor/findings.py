"""What a check looks at, and what it finds."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

import attrs

from osapi.config import Config
from osapi.contexts import Context
from osapi.state import StateDirectory

ROLES = ("broker", "controller", "agent", "client")


class Level(StrEnum):
    """How bad a finding is; `skip` is what cannot be looked at from here."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@attrs.frozen
class Finding:
    """What a check has found, in one line, and what mends it, in another."""

    check: str
    status: Level
    found: str
    fix: str = ""


@attrs.frozen(kw_only=True)
class Machine:
    """This machine as its daemons see it: `states` has the directory of each role's daemon, `roles` what it is for.

    `problems` and `notes` are of the configuration. `file` is None where there is none; what daemons then assume is in
    `config`. `root` is where the files of the machine are.
    """

    config: Config
    file: Path | None
    problems: Iterable[str] = ()
    notes: Iterable[str] = ()
    states: Mapping[str, StateDirectory]
    roles: frozenset[str]
    environ: Mapping[str, str]
    context: Context | None = None
    root: Path = Path("/")

    @property
    def present(self) -> list[str]:
        """The roles, in their order."""
        return [role for role in ROLES if role in self.roles]

    def state(self, role: str) -> StateDirectory:
        return self.states.get(role) or self.states["controller"]


def ok(check: str, found: str) -> Finding:
    return Finding(check, Level.OK, found)


def warn(check: str, found: str, fix: str) -> Finding:
    return Finding(check, Level.WARN, found, fix)


def fail(check: str, found: str, fix: str) -> Finding:
    return Finding(check, Level.FAIL, found, fix)


def skip(check: str, found: str, fix: str = "") -> Finding:
    return Finding(check, Level.SKIP, found, fix)


def worst(findings: Iterable[Finding]) -> Level:
    """The level of all of them together."""
    levels = {finding.status for finding in findings}
    return next((level for level in (Level.FAIL, Level.WARN) if level in levels), Level.OK)
