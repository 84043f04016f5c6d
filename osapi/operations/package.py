"""Software packages: what is installed, what could be, and what is out of date."""

from typing import Annotated

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.results import Changed

NAME = r"[a-z0-9][a-z0-9+.-]*[a-z0-9+](?::[a-z0-9]+)?"
"""Debian Policy 5.6.1, without a minus at the end, with which apt-get(8) would remove the package."""

Name = Annotated[str, text(NAME, "Name of the package", example="curl", most=128)]
Wanted = Annotated[
    str,
    text(
        rf"{NAME}(?:=[A-Za-z0-9.+:~-]+)?",
        "Name of the package, or name=version",
        example="curl",
        most=256,
    ),
]
More = Annotated[
    list[Wanted], msgspec.Meta(max_length=500, description="Further packages, installed together with it")
]


@attrs.frozen(kw_only=True)
class PackageInfo:
    """A package that is on the host; `size` in bytes, `status` as dpkg-query(1) has it: `installed` if all is well."""

    name: str
    version: str
    status: str
    description: str | None = None
    size: int | None = None


@attrs.frozen(kw_only=True)
class Packages:
    packages: list[PackageInfo]


@attrs.frozen(kw_only=True)
class PackageChange:
    """What became of one package; `before` and `after` are versions, None where it is not installed."""

    name: str
    before: str | None = None
    after: str | None = None


@attrs.frozen(kw_only=True)
class PackageChanged(Changed):
    """What became of all packages that were touched, dependencies too; `name` is the one that was asked for."""

    name: str | None = None
    changes: list[PackageChange] | None = None


@attrs.frozen(kw_only=True)
class UpdateInfo:
    """A package of which there is a newer version."""

    name: str
    current_version: str | None = None
    new_version: str | None = None


@attrs.frozen(kw_only=True)
class AvailableUpdates:
    updates: list[UpdateInfo]


class List(Operation[Packages], GET="/package"):
    """List the packages that are installed."""


class Updates(Operation[AvailableUpdates], GET="/package/update"):
    """List the packages of which there is a newer version, as far as the lists of the host know."""


class Get(Operation[Packages], GET="/package/{name}"):
    """Show a package that is installed."""

    name: Name


class Install(Operation[PackageChanged], POST="/package"):
    """Install a package, or several, with what they need.

    Nothing is done where they are installed, in the version that is asked for; where that is an older one, it takes
    the place of a newer one. What would remove other packages is refused.
    """

    name: Wanted
    more: More = attrs.field(factory=list)


class Remove(Operation[PackageChanged], DELETE="/package/{name}"):
    """Remove a package, and those that need it; their configuration stays.

    A dry run says which those are. What the agent itself runs on is refused.
    """

    name: Name


class Update(Operation[PackageChanged], POST="/package/update"):
    """Fetch the lists of what is available anew.

    A source that cannot be reached is an error. What is new is known only then: a dry run says `changed: false`.
    """
