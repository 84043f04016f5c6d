"""The SSH keys that open an account: ~/.ssh/authorized_keys, as sshd(8) reads it.

The folder is the user's, who may put there what the user likes: no link of theirs is followed (`agent.disk`), nothing
of another user is given to them, and the file is replaced, so that another name of it stays as it is.
"""

from agent import accounts, authorized_keys
from agent.accounts import Account
from agent.dispatch import performs
from agent.files import Attributes
from agent.host import Host
from osapi.errors import Conflict, NotFound, Refused
from osapi.operations import user

MOST = 1024 * 1024
"""Bytes of a file that is read; with keys alone, it is a thousand times smaller."""


@performs(user.SshKeyList, "debian")
async def list_keys(host: Host, p: user.SshKeyList) -> user.SshKeys:
    _, folder = await _place(host, p.name)
    data = await _read(host, f"{folder}/authorized_keys")
    return user.SshKeys(keys=[info(key) for _, key in authorized_keys.lines(data) if key])


@performs(user.SshKeyAdd, "debian")
async def add(host: Host, p: user.SshKeyAdd) -> user.SshKeyChanged:
    new = authorized_keys.wanted(p.key)
    account, folder = await _place(host, p.name)
    file = f"{folder}/authorized_keys"
    async with host.turns.at(file):
        await _check_folders(host, account, folder)
        await _check_file(host, account, file)
        data = await _read(host, file)
        there = [key.options for _, key in authorized_keys.lines(data) if key and key.blob == new.blob]
        if there and new.options not in there:
            raise Conflict(f"this key opens {p.name} already, {_with(there[0])}; remove it first")
        if not there:
            data += b"\n" * (data[-1:] not in {b"", b"\n"}) + f"{p.key.strip()}\n".encode()
        changed = await host.make_folder(folder, Attributes(mode=0o700, uid=account.uid, gid=account.gid))
        own = Attributes(mode=0o600, uid=account.uid, gid=account.gid)
        changed |= await host.replace(file, data, own, parents=False)
    return user.SshKeyChanged(fingerprint=new.fingerprint, changed=changed)


@performs(user.SshKeyRemove, "debian")
async def remove(host: Host, p: user.SshKeyRemove) -> user.SshKeyChanged:
    account, folder = await _place(host, p.name)
    file = f"{folder}/authorized_keys"
    async with host.turns.at(file):
        data = await _read(host, file)
        lines = authorized_keys.lines(data)
        kept = b"".join(line for line, key in lines if key is None or key.fingerprint != p.fingerprint)
        if changed := kept != data:
            await _check_file(host, account, file)
            await host.replace(file, kept, parents=False)
    return user.SshKeyChanged(fingerprint=p.fingerprint, changed=changed)


def info(key: authorized_keys.PublicKey) -> user.SshKey:
    return user.SshKey(
        type=key.type,
        fingerprint=key.fingerprint,
        comment=key.comment or None,
        options=key.options or None,
    )


async def _place(host: Host, name: str) -> tuple[Account, str]:
    """An account, and the folder for its keys."""
    account = (await accounts.read(host)).user(name)
    if not account.home.startswith("/"):
        raise NotFound(f"user {name} has no home folder")
    return account, f"{account.home.rstrip('/')}/.ssh"


async def _read(host: Host, file: str) -> bytes:
    if (found := await host.stat(file)) and found.size > MOST:
        raise Refused(f"{file} has {found.size} bytes; it is read up to {MOST}")
    return await host.read_bytes(file) or b""


async def _check_folders(host: Host, account: Account, folder: str) -> None:
    """`Refused` where the account would be given what is not its own, or keys in a folder of the system."""
    home, found = await host.stat(account.home), await host.stat(folder)
    if home is None or home.kind != "folder":
        raise NotFound(f"user {account.name} has no home folder: there is no {account.home}")
    if home.uid != account.uid and (home.uid != 0 or found is None):
        owner = await host.user_name(home.uid)
        raise Refused(f"the home folder {account.home} of user {account.name} belongs to {owner}")
    if found and found.uid not in {0, account.uid}:
        raise Refused(f"{folder} belongs to {await host.user_name(found.uid)}, not to {account.name}")


async def _check_file(host: Host, account: Account, file: str) -> None:
    """`Refused` where a copy of it would tell the user what the user may not read, and sshd, which is the user then."""
    found = await host.stat(file)
    if found and found.uid != account.uid and not found.mode & 0o004:
        owner = await host.user_name(found.uid)
        raise Refused(f"{file} belongs to {owner}, and user {account.name} may not read it; it is left alone")


def _with(options: str) -> str:
    return f"with the options {options}" if options else "without options"
