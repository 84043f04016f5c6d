"""Certificate authorities that a host trusts."""

from typing import Annotated, Literal

import attrs

from osapi.operation import Operation, text
from osapi.operations.file import ObjectName
from osapi.results import Changed, Time

Name = Annotated[
    str, text(r"[A-Za-z0-9_-]+", "Name of the certificate authority", example="internal-ca", most=128)
]


@attrs.frozen(kw_only=True)
class Authority:
    """A certificate authority; `custom` is one that OSAPI has added, of an `object`."""

    name: str
    source: Literal["system", "custom"]
    object: str | None = None
    subject: str | None = None
    expires: Time | None = None


@attrs.frozen(kw_only=True)
class Authorities:
    certificates: list[Authority]


@attrs.frozen(kw_only=True)
class AuthorityChanged(Changed):
    name: str


class List(Operation[Authorities], GET="/certificate/ca"):
    """List the certificate authorities that a host trusts, first those that OSAPI has added."""


class Create(Operation[AuthorityChanged], POST="/certificate/ca"):
    """Trust a certificate authority, from an object of the object store (PEM).

    The object must hold one certificate of an authority that has not expired, and no private key. Where OSAPI has
    added one of that name before, it is put right.
    """

    name: Name
    object: ObjectName


class Update(Operation[AuthorityChanged], PUT="/certificate/ca/{name}"):
    """Trust another certificate under the name of one that OSAPI has added."""

    name: Name
    object: ObjectName


class Delete(Operation[AuthorityChanged], DELETE="/certificate/ca/{name}"):
    """Trust a certificate authority no longer that OSAPI has added."""

    name: Name
