"""Changes of user accounts, each by a command of its own: usermod(8), gpasswd(1)."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from agent import accounts
from agent.accounts import NO_LOGIN, SUDO, Account, Accounts
from agent.dispatch import performs
from agent.files import Attributes
from agent.host import Host
from osapi.errors import BadInput, Conflict, NotFound, Refused
from osapi.operations import user

Argv = tuple[str, ...]

LOCK, UNLOCK = ("usermod", "--lock", "--"), ("usermod", "--unlock", "--")
PRIVILEGED = (
    ("usermod", "--shell", "*", "--", "*"),
    ("usermod", "--home", "*", "--", "*"),
    ("usermod", "--home", "*", "--move-home", "--", "*"),
    (*LOCK, "*"),
    (*UNLOCK, "*"),
    ("gpasswd", "--add", "*", "--", "*"),
    ("gpasswd", "--delete", "*", "--", "*"),
)
MOVE = 600.0
"""Seconds that a home folder may take to move, to another file system in the worst case."""


@performs(user.Update, "debian")
async def update(host: Host, p: user.Update) -> user.UserChanged:
    if p.shell is None and p.home is None and p.groups is None and p.lock is None:
        raise BadInput("shell: at least one of shell, home, groups and lock is needed", "shell")
    async with host.turns.at(accounts.PASSWD):
        known = await accounts.read(host)
        account = known.user(p.name)
        known.guard(account, force=p.force)
        if loses_sudo(known, account, p):
            known.keep_sudo(lost={p.name})
        changes = await _changes(host, known, account, p)
        for argv in changes:
            await host.change(*argv, timeout=MOVE)
    return user.UserChanged(name=p.name, changed=bool(changes))


def loses_sudo(known: Accounts, account: Account, p: user.Update) -> bool:
    """Whether the account could not use sudo afterwards."""
    taken_out = p.groups is not None and SUDO not in {*p.groups, known.own_group(account)}
    return taken_out or p.lock is True or p.shell in NO_LOGIN


async def _changes(host: Host, known: Accounts, account: Account, p: user.Update) -> list[Argv]:
    """The commands that are needed; none where all is as it is asked for."""
    found: list[Argv] = []
    if p.shell and p.shell != account.shell:
        await accounts.check_shell(host, p.shell)
        found.append(("usermod", "--shell", p.shell, "--", account.name))
    if p.groups is not None:
        found += memberships(known, account, p.groups)
    if p.lock is not None and p.lock != known.locked(account.name):
        found.append((*(LOCK if p.lock else unlock(known, account)), account.name))
    if p.home and p.home != account.home:
        found.append(await _move(host, known, account, p.home))
    return found


def memberships(known: Accounts, account: Account, groups: Iterable[str]) -> Iterator[Argv]:
    """What puts an account into these groups beside its own, and takes it out of all others."""
    wanted = {known.group(name).name for name in groups} - {known.own_group(account)}
    actual = {*known.beside_own(account)}
    for group in sorted(wanted - actual):
        yield "gpasswd", "--add", account.name, "--", group
    for group in sorted(actual - wanted):
        yield "gpasswd", "--delete", account.name, "--", group


def unlock(known: Accounts, account: Account) -> Argv:
    """What opens a password again; usermod(8) leaves locked, and says it went well, what never had one."""
    if (known.passwords or {}).get(account.name, "!x").lstrip("!")[:1] in {"", "*"}:
        raise Conflict(f"user {account.name} has no password that could be opened; set one instead")
    return UNLOCK


async def _move(host: Host, known: Accounts, account: Account, home: str) -> Argv:
    """What gives an account another home; usermod(8) finds only after that what stands in its way."""
    own, there = await accounts.owns_home(host, known, account), await host.stat(home)
    if there and (there.kind, there.uid) == ("folder", account.uid):
        return "usermod", "--home", home, "--", account.name
    if there:
        raise Conflict(f"{home} is there already, and is no folder of user {account.name}")
    parent = str(PurePosixPath(home).parent)
    if (above := await host.stat(parent)) is None or above.kind != "folder":
        raise NotFound(f"there is no folder {parent}, in which {home} would be")
    if own and home.startswith(f"{account.home}/"):
        raise Refused(f"{home} is in {account.home}, which would be moved there")
    if own:
        return "usermod", "--home", home, "--move-home", "--", account.name
    await host.make_folder(home, Attributes(mode=0o700, uid=account.uid, gid=account.gid))
    return "usermod", "--home", home, "--", account.name
