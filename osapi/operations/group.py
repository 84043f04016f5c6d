"""Groups of users."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.operations.user import HIGHEST, NAME
from osapi.results import Changed

Name = Annotated[str, text(NAME, "Name of the group", example="developers", most=32)]
Gid = Annotated[int, msgspec.Meta(ge=0, le=HIGHEST, description="Number of the group; 0 is any that is free")]
Member = Annotated[str, text(NAME, "Name of an account", example="alice", most=32)]
Members = Annotated[
    list[Member],
    msgspec.Meta(max_length=5000, description="All its members; an empty list for none"),
]


@attrs.frozen(kw_only=True)
class GroupInfo:
    """A group; `members` are those that are in it beside those whose own group it is."""

    name: str
    gid: int
    members: list[str]


@attrs.frozen(kw_only=True)
class Groups:
    groups: list[GroupInfo]


@attrs.frozen(kw_only=True)
class FoundGroup:
    """The one group that was asked for."""

    groups: list[GroupInfo]


@attrs.frozen(kw_only=True)
class GroupChanged(Changed):
    name: str


class List(Operation[Groups], GET="/group", permission="user:read"):
    """List the groups, those of the system too."""


class Get(Operation[FoundGroup], GET="/group/{name}", permission="user:read"):
    """Show one group."""

    name: Name


class Create(Operation[GroupChanged], POST="/group", permission="user:write"):
    """Make a group.

    Nothing is done where there is one that is as asked for; one with another number is a conflict.
    """

    name: Name
    gid: Gid | None = None
    system: Annotated[bool, msgspec.Meta(description="A group of the system, not of people")] = False


class Update(Operation[GroupChanged], PUT="/group/{name}", permission="user:write"):
    """Set the members of a group, in the place of all that it has.

    The last account that can use sudo is not taken out of the group sudo.
    """

    name: Name
    members: Members | None = None


class Delete(Operation[GroupChanged], DELETE="/group/{name}", permission="user:write"):
    """Delete a group; nothing is done where there is none.

    One that is the own group of an account is not deleted.
    """

    name: Name
    force: Annotated[bool, msgspec.Meta(description="Also where it is a group of the system")] = False
