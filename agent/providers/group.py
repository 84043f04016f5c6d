"""Groups: read from the files that hold them, and changed by the programs of shadow-utils."""

from agent import accounts
from agent.accounts import NOBODY, SUDO, Accounts
from agent.dispatch import performs
from agent.host import Host
from osapi.errors import BadInput, Conflict, Refused
from osapi.operations import group

PRIVILEGED = (
    ("groupadd", "--", "*"),
    ("groupadd", "--gid", "*", "--", "*"),
    ("groupadd", "--system", "--", "*"),
    ("groupadd", "--system", "--gid", "*", "--", "*"),
    ("groupdel", "--", "*"),
    ("gpasswd", "--members", "*", "--", "*"),
    ("gpasswd", "--delete", "*", "--", "*"),
)


@performs(group.List, "debian")
async def list_all(host: Host, _: group.List) -> group.Groups:
    known = await accounts.read(host)
    return group.Groups(groups=[info(found) for found in known.groups.values()])


@performs(group.Get, "debian")
async def get(host: Host, p: group.Get) -> group.FoundGroup:
    known = await accounts.read(host)
    return group.FoundGroup(groups=[info(known.group(p.name))])


@performs(group.Create, "debian")
async def create(host: Host, p: group.Create) -> group.GroupChanged:
    async with host.turns.at(accounts.PASSWD):
        known = await accounts.read(host)
        if found := known.groups.get(p.name):
            _check_same(known, found, p)
            return group.GroupChanged(name=p.name, changed=False)
        if other := next((one for one in known.groups.values() if p.gid and one.gid == p.gid), None):
            raise Conflict(f"gid {p.gid} is that of group {other.name}")
        system, number = ["--system"] if p.system else [], ["--gid", str(p.gid)] if p.gid else []
        await host.change("groupadd", *system, *number, "--", p.name)
    return group.GroupChanged(name=p.name, changed=True)


@performs(group.Update, "debian")
async def update(host: Host, p: group.Update) -> group.GroupChanged:
    if p.members is None:
        raise BadInput("members: they are needed, be it as an empty list", "members")
    async with host.turns.at(accounts.PASSWD):
        known = await accounts.read(host)
        actual = {*known.group(p.name).members}
        wanted = {known.user(name).name for name in p.members}
        if p.name == SUDO:
            known.keep_sudo(lost=actual - wanted, gained=wanted)
        if wanted and wanted != actual:
            await host.change("gpasswd", "--members", ",".join(sorted(wanted)), "--", p.name)
        if not wanted:  # an empty word is none that sudo could let pass
            for name in sorted(actual):
                await host.change("gpasswd", "--delete", name, "--", p.name)
    return group.GroupChanged(name=p.name, changed=wanted != actual)


@performs(group.Delete, "debian")
async def delete(host: Host, p: group.Delete) -> group.GroupChanged:
    async with host.turns.at(accounts.PASSWD):
        known = await accounts.read(host)
        found = known.groups.get(p.name)
        if found is None:
            return group.GroupChanged(name=p.name, changed=False)
        if owners := [account.name for account in known.users.values() if account.gid == found.gid]:
            raise Conflict(f"group {p.name} is the own group of {', '.join(owners[:5])}; it is not deleted")
        if is_system(known, found) and not p.force:
            raise Refused(f"group {p.name} (gid {found.gid}) is of the system; say force if you mean it")
        if p.name == SUDO:
            known.keep_sudo(lost={*found.members})
        await host.change("groupdel", "--", p.name)
    return group.GroupChanged(name=p.name, changed=True)


def info(found: accounts.Group) -> group.GroupInfo:
    return group.GroupInfo(name=found.name, gid=found.gid, members=[*found.members])


def is_system(known: Accounts, found: accounts.Group) -> bool:
    return found.gid < known.first_gid or found.gid in NOBODY


def _check_same(known: Accounts, found: accounts.Group, p: group.Create) -> None:
    """`Conflict` where a group is not as it is asked for."""
    if p.gid and p.gid != found.gid:
        raise Conflict(f"group {p.name} is there already, and differs: gid is {found.gid}, not {p.gid}")
    if p.system and not p.gid and not is_system(known, found):
        raise Conflict(f"group {p.name} is there already, and differs: gid {found.gid} is none of the system")
