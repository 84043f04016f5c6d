"""Before an agent begins that is not root: whether it has what it needs of root.

Each rule of sudoers and each capability is looked at; what is missing ends the start, with all of it told.
Sources: sudo(8) `-l`, capabilities(7), proc_pid_status(5).
"""

import ctypes

import structlog

from agent import privileges
from agent.host import Host
from agent.privileges import ANY, REST, Pattern
from osapi.errors import CommandFailed, ConfigError, OperationError

log = structlog.get_logger()

CAPABILITIES = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_KILL": 5}
"""What files and processes of others need, by their bits in CapEff."""

PR_CAP_AMBIENT, CLEAR_ALL = 47, 4
"""Of prctl.h."""

SAMPLE = "sample"
"""Stands for any word where a rule is asked for."""


def keep_capabilities() -> None:
    """Leave the agent what its unit gave it, and nothing of that to the programs it starts (prctl(2), capabilities(7)).

    To be called before there are threads, each of which has capabilities of its own.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_CAP_AMBIENT, CLEAR_ALL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_CAP_AMBIENT_CLEAR_ALL")


async def preflight(host: Host) -> None:
    """`ConfigError` that names all that is missing; what is there is logged."""
    if not host.sudo:
        return
    found = privileges.installed()
    held = [name for name, bit in CAPABILITIES.items() if await effective(host) >> bit & 1]
    rules = [
        (pattern, await allowed(host, (found[pattern[0]], *words(pattern))))
        for patterns in privileges.by_domain().values()
        for pattern in patterns
        if pattern[0] in found
    ]
    refused = [" ".join(pattern) for pattern, is_allowed in rules if not is_allowed]
    missing = [name for name in CAPABILITIES if name not in held]
    log.info("what the agent has of root", capabilities=held, rules=len(rules) - len(refused))
    if refused:
        raise ConfigError(
            f"sudo does not let the agent run: {'; '.join(refused)}\n"
            "Make /etc/sudoers.d/osapi of what `osapi agent sudoers` prints."
        )
    if missing:
        raise ConfigError(
            f"the agent lacks {', '.join(missing)}; give them with AmbientCapabilities= in its unit, "
            "or run it as root"
        )


async def effective(host: Host) -> int:
    """The capabilities that are in force, as bits."""
    status = await host.read("/proc/self/status") or ""
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)


async def allowed(host: Host, argv: tuple[str, ...]) -> bool:
    """Whether sudo would run a command without asking for a password."""
    try:
        await host.run("sudo", "-n", "-l", "--", *argv)
    except CommandFailed:
        return False
    except OperationError as error:
        raise ConfigError(f"sudo cannot be asked: {error}; install it, or run the agent as root") from None
    return True


def words(pattern: Pattern) -> tuple[str, ...]:
    """The arguments of a command that a pattern stands for."""
    return tuple(SAMPLE if word in {ANY, REST} else word for word in pattern[1:])
