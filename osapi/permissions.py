"""Who may do what: roles and the permissions they stand for, read off the catalogue.

A permission is `domain:verb`, the verb read, write, execute or admin. There are three roles; the configuration may
define others, or these anew:

* admin: everything
* write: everything but what gives a host away (`*:execute`), deleting what others rely on (`*:admin`),
  enrolling agents and reading the audit
* read: every `*:read` but the audit's
"""

from collections.abc import Collection, Mapping
from functools import cache

from osapi.config.schema import Role
from osapi.operation import catalogue
from osapi.tokens import Claims

CONTRACT = frozenset(
    f"{domain}:{verb}"
    for domain, verbs in {
        "agent": "read write",
        "audit": "read",
        "certificate": "read write",
        "command": "execute",
        "cron": "read write",
        "docker": "read write execute",
        "file": "read write",
        "health": "read",
        "job": "read write",
        "log": "read",
        "network": "read write",
        "node": "read write",
        "ntp": "read write",
        "package": "read write",
        "power": "execute",
        "process": "read execute",
        "service": "read write",
        "sysctl": "read write",
        "timezone": "read write",
        "user": "read write",
    }.items()
    for verb in verbs.split()
)
"""The permissions that tokens and roles of existing installations name."""

ADMIN, WRITE, READ = "admin", "write", "read"


@cache
def known() -> frozenset[str]:
    """Every permission there is: those of the catalogue, and those that existing installations name."""
    return CONTRACT | {declaration.spec.permission for declaration in catalogue().values()} - {""}


def built_in(permissions: Collection[str]) -> dict[str, frozenset[str]]:
    """The roles that need no configuration, over the given permissions."""
    unsafe = {"agent:write", "audit:read"}
    unsafe |= {each for each in permissions if each.endswith((":execute", ":admin"))}
    return {
        ADMIN: frozenset(permissions),
        WRITE: frozenset(permissions) - unsafe,
        READ: frozenset(each for each in permissions if each.endswith(":read")) - unsafe,
    }


class Policy:
    """What a token may do, under the roles of a configuration (`controller.api.security.roles`)."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self.roles = built_in(known()) | {name: frozenset(role.permissions) for name, role in roles.items()}

    def of(self, claims: Claims) -> frozenset[str]:
        """The permissions of a token: those it names, else those of its roles; an unknown role has none."""
        if claims.permissions:
            return frozenset(claims.permissions)
        return frozenset().union(*(self.roles.get(role, ()) for role in claims.roles))
