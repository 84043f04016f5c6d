"""User accounts, and the SSH keys that open them."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.results import Changed

NAME = r"[A-Za-z_][A-Za-z0-9_.-]*\$?"
"""What useradd(8) of Debian takes, without what a shell, a number or an option could be."""
PATH = r"/(?:[^\x00-\x20\x7f:/]+(?:/[^\x00-\x20\x7f:/]+)*)?"
"""What a field of passwd(5) can hold."""
HIGHEST = 4294967294
"""The highest number of a user or group: the one above says `none` (chown(2))."""

Name = Annotated[str, text(NAME, "Name of the account", example="alice", most=32)]
Group = Annotated[str, text(NAME, "Name of a group", example="sudo", most=32)]
Groups = Annotated[
    list[Group],
    msgspec.Meta(max_length=500, description="All groups it is in beside its own; an empty list for none"),
]
Uid = Annotated[int, msgspec.Meta(ge=0, le=HIGHEST, description="Number of the user; 0 is any that is free")]
Gid = Annotated[
    int,
    msgspec.Meta(
        ge=0,
        le=HIGHEST,
        description="Number of its own group, which must be there; 0 makes one of the account's name",
    ),
]
Home = Annotated[str, text(PATH, "Home folder", example="/home/alice", most=1024)]
Shell = Annotated[str, text(PATH, "Login shell, a program that is there", example="/bin/bash", most=1024)]
Password = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=511,
        pattern=r"^[^\x00\r\n]+$(?!\n)",
        description="The password, of 511 bytes at most",
        examples=["correct horse battery staple"],
        extra={"secret": True, "literal": True},
    ),
]
Lock = Annotated[
    bool,
    msgspec.Meta(
        description="Lock the password, or open it again; SSH keys open the account for all that",
        extra={"off_flag": "unlock"},
    ),
]
Force = Annotated[bool, msgspec.Meta(description="Also where it is an account of the system")]
Key = Annotated[
    str,
    text(
        r"[^\x00-\x1f\x7f]+",
        "Public key as a line of authorized_keys, with options in front of it where it has some",
        example="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0zMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw alice@laptop",
        most=16384,
        literal=True,
    ),
]
Fingerprint = Annotated[
    str,
    text(
        r"SHA256:[A-Za-z0-9+/]{43}",
        "Fingerprint of the key, as ssh-keygen -l shows it",
        example="SHA256:uNiVztksCsDhcc0u9e8BrrCQHyGoDRxVNY1zeXk0S2c",
        most=50,
    ),
]


@attrs.frozen(kw_only=True)
class UserInfo:
    """An account; `groups` are all that it is in, its own first.

    `locked` is whether no password opens it; it is not there where the agent may not know.
    """

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    groups: list[str]
    locked: bool | None = None


@attrs.frozen(kw_only=True)
class Users:
    users: list[UserInfo]


@attrs.frozen(kw_only=True)
class FoundUser:
    """The one account that was asked for."""

    users: list[UserInfo]


@attrs.frozen(kw_only=True)
class UserChanged(Changed):
    name: str


@attrs.frozen(kw_only=True)
class SshKey:
    """A key in the authorized_keys of an account; `options` is what stands in front of it, such as `restrict`."""

    type: str
    fingerprint: str
    comment: str | None = None
    options: str | None = None


@attrs.frozen(kw_only=True)
class SshKeys:
    keys: list[SshKey]


@attrs.frozen(kw_only=True)
class SshKeyChanged(Changed):
    """Whether the keys were changed; `fingerprint` is of the key it was about."""

    fingerprint: str


class List(Operation[Users], GET="/user"):
    """List the accounts, those of the system too."""


class Get(Operation[FoundUser], GET="/user/{name}"):
    """Show one account."""

    name: Name


class Create(Operation[UserChanged], POST="/user"):
    """Make an account with a home folder, and a group of its own.

    Nothing is done where there is one that is as asked for; one that differs is a conflict, and the answer says in
    what. One that never had a password is given the one asked for. What is not asked for is as useradd(8) of the host
    makes it.
    """

    name: Name
    uid: Uid | None = None
    gid: Gid | None = None
    home: Home | None = None
    shell: Shell | None = None
    groups: Groups | None = None
    password: Password | None = None
    system: Annotated[bool, msgspec.Meta(description="An account of the system, not of a person")] = False


class Update(Operation[UserChanged], PUT="/user/{name}"):
    """Change an account; what is not given is kept.

    A new home takes with it what is in the old one, where that is the account's own; `groups` takes the place of all
    that it is in beside its own. The last account that can use sudo is not taken that.
    """

    name: Name
    shell: Shell | None = None
    home: Home | None = None
    groups: Groups | None = None
    lock: Lock | None = None
    force: Force = False


class Delete(Operation[UserChanged], DELETE="/user/{name}"):
    """Delete an account, with its home folder where that is its own.

    Nothing is done where there is none. Root, the agent's own account and the last one that can use sudo stay.
    """

    name: Name
    force: Force = False


class SetPassword(Operation[UserChanged], POST="/user/{name}/password", command="user password"):
    """Set the password of an account, and open it where it was locked.

    Nothing is done where it is the same, as far as the agent may know: it compares with /etc/shadow.
    """

    name: Name
    password: Password
    force: Force = False


class SshKeyList(Operation[SshKeys], GET="/user/{name}/ssh-key", command="user ssh-key list"):
    """List the SSH keys that open an account: those of ~/.ssh/authorized_keys."""

    name: Name


class SshKeyAdd(Operation[SshKeyChanged], POST="/user/{name}/ssh-key", command="user ssh-key add"):
    """Let an SSH key open an account.

    Nothing is done where it does, whatever its comment; with other options it is a conflict. The file and its folder
    are made to belong to the account alone, as sshd(8) wants them.
    """

    name: Name
    key: Key


class SshKeyRemove(
    Operation[SshKeyChanged],
    DELETE="/user/{name}/ssh-key/{fingerprint}",
    command="user ssh-key remove",
):
    """Let an SSH key open an account no longer; nothing is done where it does not."""

    name: Name
    fingerprint: Fingerprint
