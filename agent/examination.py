"""What the doctor asks of an agent that is not root: whether it has what it needs of root, and what it lacks.

The agent itself looks when it starts (`agent.preflight`); here it may be another user who looks, at an agent that
runs or does not. Sources: sudo(8) `-l` and `-U`, proc_pid_status(5).
"""

import os
from pathlib import Path

import attrs

from agent import privileges
from agent.host import Host
from agent.preflight import CAPABILITIES, words
from osapi.errors import OperationError


@attrs.frozen(kw_only=True)
class Privileges:
    """How many rules of sudo an agent has, which commands it may not run, and which capabilities it lacks."""

    user: str
    rules: int
    refused: list[str]
    lacking: list[str]


async def examine(user: str, process: int | None, host: Host | None = None) -> Privileges:
    """Look at the rules of the user that an agent is, and at the capabilities of the one that runs.

    `OperationError` where sudo cannot be asked, as by a user who is neither that one nor root.
    """
    host = host or Host()
    about = ("-U", user) if os.geteuid() == 0 else ()
    await host.run("sudo", "-n", "-l", *about)
    found = privileges.installed()
    refused, rules = [], 0
    for patterns in privileges.by_domain().values():
        for pattern in patterns:
            if pattern[0] not in found:
                continue
            rules += 1
            try:
                await host.run("sudo", "-n", "-l", *about, "--", found[pattern[0]], *words(pattern))
            except OperationError:
                refused.append(" ".join(pattern))
    return Privileges(user=user, rules=rules, refused=refused, lacking=lacking(process))


def lacking(process: int | None) -> list[str]:
    """The capabilities that the agent that runs was not given; none where none runs."""
    if process is None:
        return []
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    held = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]
