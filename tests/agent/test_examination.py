"""What the doctor sees of an agent's privileges, with a sudo that answers from a table."""

import os
from pathlib import Path

import attrs
import pytest

from agent import examination, privileges
from agent.host import Host
from agent.preflight import CAPABILITIES
from osapi.errors import CommandFailed


@attrs.frozen(kw_only=True, eq=False)
class Sudoer(Host):
    """A host whose sudo lets everything but `refused` programs run, or may not be asked."""

    refused: frozenset[str] = frozenset()
    asked: list[tuple[str, ...]] = attrs.field(factory=list)

    async def run(self, *argv, privileged=False, input=None, timeout=60, check=True):
        self.asked.append(argv)
        program = Path(argv[argv.index("--") + 1]).name if "--" in argv else argv[0]
        if program in self.refused:
            raise CommandFailed(argv, 1, "sorry")
        return ""


async def test_every_program_that_is_here_is_asked_for_and_what_is_refused_is_told():
    here = privileges.installed()
    program = next(iter(here))

    fine = await examination.examine("osapi", None, Sudoer())
    found = await examination.examine("osapi", None, Sudoer(refused=frozenset({program})))

    patterns = [p for listed in privileges.by_domain().values() for p in listed if p[0] in here]
    assert (fine.rules, fine.refused, fine.lacking) == (len(patterns), [], [])
    assert found.refused == [" ".join(pattern) for pattern in patterns if pattern[0] == program]


async def test_a_sudo_that_may_not_be_asked_is_an_error():
    with pytest.raises(CommandFailed):
        await examination.examine("osapi", None, Sudoer(refused=frozenset({"sudo"})))


def test_an_agent_that_runs_is_looked_at_itself():
    assert set(examination.lacking(os.getpid())) <= set(CAPABILITIES)
