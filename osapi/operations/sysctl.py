"""Kernel parameters, set now and at each boot."""

from typing import Annotated

import attrs

from osapi.operation import Operation, text
from osapi.results import Changed

KEY = r"[a-z0-9_][a-z0-9_-]*(?:\.[A-Za-z0-9_@+-]+(?:/[A-Za-z0-9_@+-]+)*)+"
"""Names joined by dots; a dot within a name is a slash (sysctl.d(5))."""

Key = Annotated[
    str,
    text(
        KEY,
        "Name of the parameter, such as net.ipv4.ip_forward; a dot that is part of a name is written as a slash, as in "
        "net.ipv4.conf.eth0/100.rp_filter",
        example="net.ipv4.ip_forward",
        most=200,
    ),
]
Value = Annotated[
    str,
    text(
        r"[\t ]*[^\x00-\x20\x7f][^\x00-\x08\x0a-\x1f\x7f]*",
        "Its value, on one line; several words are told apart by any space between them",
        example="1",
        most=1024,
    ),
]


@attrs.frozen(kw_only=True)
class Setting:
    """A parameter that OSAPI keeps; `value` is what it is now, `kept` what it should be, where that is not the same.

    Where the host does not have the parameter now, such as that of a module that is not loaded, `value` is what it
    should be.
    """

    key: str
    value: str
    kept: str | None = None


@attrs.frozen(kw_only=True)
class SettingChanged(Changed):
    key: str


class List(Operation[list[Setting]], GET="/sysctl"):
    """List the parameters that OSAPI keeps."""


class Get(Operation[Setting], GET="/sysctl/{key}"):
    """Show one of the parameters that OSAPI keeps."""

    key: Key


class Create(Operation[SettingChanged], POST="/sysctl"):
    """Keep a parameter at a value: set it now, and at each boot.

    Nothing is done where it is kept and is at that value; where somebody has set it otherwise since, it is set again.
    One that is kept at another value is a conflict. So is one that another file, which the host reads later at boot,
    sets to another value: the answer names it.

    A value that the kernel does not take, or takes for another one, fails, and is not kept. Parameters that name a
    program, which the kernel would run as root, are refused.
    """

    key: Key
    value: Value


class Update(Operation[SettingChanged], PUT="/sysctl/{key}"):
    """Give a parameter that OSAPI keeps another value.

    What the host or the kernel does not take is an error as with create.
    """

    key: Key
    value: Value


class Delete(Operation[SettingChanged], DELETE="/sysctl/{key}"):
    """Keep a parameter no longer.

    It gets the value that other files of sysctl.d(5) give it at boot. Where none does, it stays as it is until then.
    """

    key: Key
