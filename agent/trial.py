"""Changes of the network, on trial: what cuts the host off from its broker is taken back.

A change is checked in a copy of all files, applied, and stays where the broker is reached three times in a row within
half a minute. What is on trial is noted on the disk before: where the agent is killed or the host is switched off
meanwhile, the agent takes it back when it starts, before anything else. What cannot be told to be good does not stay.
"""

from collections.abc import Awaitable, Callable

import attrs
import structlog
import trio

from agent import netplan
from agent.files import Attributes
from agent.host import Host
from agent.netplan import Definition, Netplan
from osapi import wire
from osapi.errors import BadInput, CommandFailed, OperationError, Refused

PATIENCE = 30.0
"""Seconds in which the broker must be reached after a change."""
IN_A_ROW = 3
"""How often that must succeed: networkd works on after `netplan apply` has ended."""

GENERATE = ("netplan", "generate", "--root-dir")
APPLY = ("netplan", "apply")
PRIVILEGED = (APPLY,)

ROOTS = Attributes(mode=0o600, uid=0, gid=0)
"""As netplan wants its files, which can hold passwords."""
FOLDER, FILE = Attributes(mode=0o700), Attributes(mode=0o600)
"""The same for what is the agent's own."""

log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class Trial:
    """A file that is being changed, and what it held before; None where there was none."""

    path: str
    before: bytes | None = None


async def hold(host: Host, plan: Netplan, interface: str, path: str, wanted: Definition) -> bool:
    """Have a file of ours say of an interface what is wanted, and the host do so; True if that changed anything."""
    found = await host.stat(path)
    if found and found.given(ROOTS) == found and plan.own(path) == wanted:
        return False
    section, id = await netplan.place(host, plan, interface)
    await _change(host, plan, path, netplan.dump(section, id, wanted))
    return True


async def drop(host: Host, plan: Netplan, path: str) -> bool:
    """Have a file of ours gone, and the host do without; True if there was one."""
    if path not in plan.files:
        return False
    await _change(host, plan, path, None)
    return True


async def finish(host: Host) -> None:
    """Take back what was on trial when the agent ended."""
    noted = await host.read_bytes(_note(host))
    if noted is None:
        return
    try:
        trial = wire.decode(Trial, noted)
        await _take_back(host, trial)
    except (BadInput, OperationError) as error:
        log.error(
            "what was on trial when the agent ended is not taken back", note=_note(host), reason=str(error)
        )
    else:
        log.warning("a change of the network was on trial when the agent ended; taken back", path=trial.path)


async def _change(host: Host, before: Netplan, path: str, text: str | None) -> None:
    after = before.given(path, text)
    netplan.check_ways(before, after, await host.uplink.addresses())
    await _check(host, after, path)
    trial = Trial(path=path, before=await host.read_bytes(path))
    if not await _stands(host, trial, text):
        raise OperationError(
            f"the change of {path} is taken back: the broker could not be reached within {PATIENCE:g} s"
        )


async def _check(host: Host, plan: Netplan, path: str) -> None:
    """`Refused` where netplan refuses what is to be. The copy is the agent's own, and so is made in a dry run too."""
    real = attrs.evolve(host, dry=False)
    copy = f"{host.versions}/netplan"
    try:
        await real.make_folder(copy, FOLDER)
        for name, text in plan.files.items():
            await real.replace(copy + name, text.encode(errors="surrogateescape"), FILE)
        await real.run(*GENERATE, copy)
    except CommandFailed as error:
        said = error.stderr.strip().replace(copy, "") or f"exit status {error.exit_code}"
        raise Refused(f"{path} was left as it is: netplan refuses the new content: {said}") from None
    finally:
        await _shielded(lambda: real.remove_tree(copy))


async def _stands(host: Host, trial: Trial, text: str | None) -> bool:
    """Make a change, and see whether the broker is reached; else, or where anything fails, take it back."""
    stands = False
    if not host.dry:  # it changes nothing, so that there is nothing to take back
        await host.replace(_note(host), wire.encode(wire.plain(trial)), FILE)
    try:
        await _put(host, trial.path, None if text is None else text.encode())
        await host.change(*APPLY)
        stands = host.dry or await _reached(host)
    finally:
        if not stands:
            await _shielded(lambda: _take_back(host, trial))
    if not host.dry:
        await host.remove(_note(host))
    return stands


async def _reached(host: Host) -> bool:
    """Whether the broker is there to stay."""
    successes = 0
    with trio.move_on_after(PATIENCE):
        while successes < IN_A_ROW:
            await trio.sleep(host.uplink.pause)
            successes = successes + 1 if await host.uplink.reachable() else 0
    return successes == IN_A_ROW


async def _take_back(host: Host, trial: Trial) -> None:
    await _put(host, trial.path, trial.before)
    await host.change(*APPLY)
    await host.remove(_note(host))


async def _put(host: Host, path: str, data: bytes | None) -> None:
    await (host.remove(path) if data is None else host.replace(path, data, ROOTS))


async def _shielded(work: Callable[[], Awaitable[object]]) -> None:
    """What is done also where the job is cancelled."""
    with trio.CancelScope(shield=True):
        await work()


def _note(host: Host) -> str:
    """Where it is noted what is on trial."""
    return f"{host.versions}/netplan.json"
