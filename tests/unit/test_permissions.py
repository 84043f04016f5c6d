"""Permissions: what roles stand for."""

import pytest

from osapi.config import Role
from osapi.operation import catalogue
from osapi.permissions import CONTRACT, Policy, built_in, known
from osapi.tokens import issue, verify

KEY = "0123456789abcdef" * 4


def allowed(roles, permissions=(), config=None):
    return Policy(config or {}).of(verify(KEY, issue(KEY, "alice", roles, permissions)))


def test_the_roles_of_existing_installations_may_what_they_could():
    roles = built_in(CONTRACT)

    assert {name: len(permissions) for name, permissions in roles.items()} == {
        "admin": 36,
        "write": 30,
        "read": 17,
    }
    assert roles["admin"] - roles["write"] == {
        "agent:write",
        "audit:read",
        "command:execute",
        "docker:execute",
        "power:execute",
        "process:execute",
    }
    assert roles["read"] == {each for each in CONTRACT if each.endswith(":read")} - {"audit:read"}


def test_every_permission_of_the_catalogue_is_one_that_some_role_has():
    for declaration in catalogue().values():
        if permission := declaration.spec.permission:
            assert permission in known()
            assert permission in allowed(["admin"])


def test_reading_roles_cannot_change_anything():
    assert all(permission.endswith(":read") for permission in allowed(["read"]))
    assert not any(permission.endswith(":execute") for permission in allowed(["write"]))


def test_only_admins_may_delete_blobs():
    assert "blob:admin" in allowed(["admin"])
    assert allowed(["write"]) >= {"blob:read", "blob:write"}
    assert allowed(["read"]) >= {"blob:read"}
    assert not any(permission.endswith(":admin") for permission in allowed(["write", "read"]))


def test_several_roles_add_up():
    config = {"ops": Role(permissions=["power:execute"])}

    assert allowed(["read", "ops"], config=config) == allowed(["read"]) | {"power:execute"}


def test_a_permissions_claim_stands_in_for_the_roles():
    assert allowed(["admin"], ["node:read"]) == {"node:read"}


def test_a_role_of_the_configuration_replaces_the_one_of_that_name():
    config = {"write": Role(permissions=["node:read"]), "none": Role()}

    assert allowed(["write"], config=config) == {"node:read"}
    assert allowed(["none"], config=config) == frozenset()


@pytest.mark.parametrize("role", ["root", "", "Admin"])
def test_a_role_that_nobody_defined_may_nothing(role):
    assert allowed([role]) == frozenset()
