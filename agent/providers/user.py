"""User accounts: read from the files that hold them, made and deleted by useradd(8) and userdel(8)."""

from collections.abc import Iterator, Sequence

from agent import accounts, passwords
from agent.accounts import Account, Accounts
from agent.dispatch import performs
from agent.host import Host
from osapi.errors import Conflict, NotFound, Refused
from osapi.operations import user

CREATE = ("useradd", "--create-home")
DELETE = ("userdel", "--")
DELETE_WITH_HOME = ("userdel", "--remove", "--")
PRIVILEGED = ((*CREATE, "**"), (*DELETE, "*"), (*DELETE_WITH_HOME, "*"), passwords.SET)
REMOVAL = 600.0
"""Seconds that the removal of a home folder may take."""
NO_PASSWORD = "!"  # noqa: S105 - what useradd(8) puts in the place of one, until there is one
"""What an account has that was made, and has never had a password."""


@performs(user.List, "debian")
async def list_all(host: Host, _: user.List) -> user.Users:
    known = await accounts.read(host)
    return user.Users(users=[info(known, account) for account in known.users.values()])


@performs(user.Get, "debian")
async def get(host: Host, p: user.Get) -> user.FoundUser:
    known = await accounts.read(host)
    return user.FoundUser(users=[info(known, known.user(p.name))])


@performs(user.Create, "debian")
async def create(host: Host, p: user.Create) -> user.UserChanged:
    passwords.check(p.password)
    async with host.turns.at(accounts.PASSWD):
        known = await accounts.read(host)
        if found := known.users.get(p.name):
            return await _complete(host, known, found, p)
        await _can_be_made(host, known, p)
        await host.change(*CREATE, *options(p), "--", p.name)
        if p.password:
            await passwords.put(host, p.name, p.password)
    return user.UserChanged(name=p.name, changed=True)


@performs(user.Delete, "debian")
async def delete(host: Host, p: user.Delete) -> user.UserChanged:
    async with host.turns.at(accounts.PASSWD):
        known = await accounts.read(host)
        account = known.users.get(p.name)
        if account is None:
            return user.UserChanged(name=p.name, changed=False)
        if account.uid in {0, host.uid}:
            raise Refused(f"user {p.name} is {'what the agent runs as' if account.uid else 'root'}; it stays")
        known.guard(account, force=p.force)
        known.keep_sudo(lost={p.name})
        own = await accounts.owns_home(host, known, account)
        await host.change(*(DELETE_WITH_HOME if own else DELETE), p.name, timeout=REMOVAL)
    return user.UserChanged(name=p.name, changed=True)


@performs(user.SetPassword, "debian")
async def set_password(host: Host, p: user.SetPassword) -> user.UserChanged:
    passwords.check(p.password)
    async with host.turns.at(accounts.PASSWD):
        known = await accounts.read(host)
        known.guard(known.user(p.name), force=p.force)
        if changed := not await passwords.is_set(host, known, p.name, p.password):
            await passwords.put(host, p.name, p.password)
    return user.UserChanged(name=p.name, changed=changed)


def info(known: Accounts, account: Account) -> user.UserInfo:
    own = known.own_group(account)
    return user.UserInfo(
        name=account.name,
        uid=account.uid,
        gid=account.gid,
        home=account.home,
        shell=account.shell,
        groups=[*([own] if own else []), *known.beside_own(account)],
        locked=known.locked(account.name),
    )


def options(p: user.Create) -> Sequence[str]:
    """What useradd(8) is told."""
    return [
        *(["--system"] if p.system else []),
        *(["--uid", str(p.uid)] if p.uid else []),
        *(["--gid", str(p.gid)] if p.gid else ["--user-group"]),
        *(["--home-dir", p.home] if p.home else []),
        *(["--shell", p.shell] if p.shell else []),
        *(["--groups", ",".join(p.groups)] if p.groups else []),
    ]


async def _can_be_made(host: Host, known: Accounts, p: user.Create) -> None:
    """What useradd(8) would say only when it is too late for a dry run."""
    if other := next((one for one in known.users.values() if p.uid and one.uid == p.uid), None):
        raise Conflict(f"uid {p.uid} is that of user {other.name}")
    if p.gid and all(group.gid != p.gid for group in known.groups.values()):
        raise NotFound(f"there is no group with the number {p.gid}; make it first, or leave gid out")
    if not p.gid and (group := known.groups.get(p.name)):
        raise Conflict(f"there is a group {p.name} already; with gid {group.gid}, it is the account's own")
    for name in p.groups or ():
        known.group(name)
    if p.home:
        await host.stat(p.home)  # refuses what leads elsewhere
    if p.shell:
        await accounts.check_shell(host, p.shell)


async def _complete(host: Host, known: Accounts, found: Account, p: user.Create) -> user.UserChanged:
    """What is there already: as it is asked for, or made by a job that was cut short before it set the password."""
    different = list(differences(known, found, p))
    unset = bool(p.password) and not await passwords.is_set(host, known, p.name, p.password or "")
    fresh = (known.passwords or {}).get(p.name) == NO_PASSWORD and not known.is_system(found)
    if unset and not fresh:
        different.append("it has another password")
    if different:
        raise Conflict(f"user {p.name} is there already, and differs: {'; '.join(different)}")
    if unset and p.password:
        await passwords.put(host, p.name, p.password)
    return user.UserChanged(name=p.name, changed=unset)


def differences(known: Accounts, found: Account, p: user.Create) -> Iterator[str]:
    """In what an account is not as it is asked for."""
    for name, wanted in (("uid", p.uid), ("gid", p.gid), ("home", p.home), ("shell", p.shell)):
        if wanted and wanted != (actual := getattr(found, name)):
            yield f"{name} is {actual}, not {wanted}"
    if p.groups is not None:
        actual = sorted(known.beside_own(found))
        wanted_groups = sorted({*p.groups} - {known.own_group(found)})
        if actual != wanted_groups:
            yield f"groups are {', '.join(actual) or 'none'}, not {', '.join(wanted_groups) or 'none'}"
    if p.system and not p.uid and not known.is_system(found):
        yield f"uid {found.uid} is that of a person"
