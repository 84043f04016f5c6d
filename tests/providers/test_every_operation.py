"""What must hold of each operation that is declared."""

from typing import get_type_hints

import pytest

from agent.dispatch import HANDLERS
from agent.release import FAMILIES
from osapi.operation import operations

EVERY = pytest.mark.parametrize("operation", operations().values(), ids=lambda each: each.spec.name)


@EVERY
def test_it_is_performed_by_the_provider_of_its_name(operation):
    registered = HANDLERS[operation]

    module = operation.__module__.replace("osapi.operations", "agent.providers")
    assert registered.handler.__module__ == module or registered.handler.__module__.startswith(f"{module}_")


@EVERY
def test_its_provider_takes_it_and_returns_what_it_declares(operation):
    hints = list(get_type_hints(HANDLERS[operation].handler).values())

    assert hints[1:] == [operation, operation.spec.returns]


@EVERY
def test_it_is_for_families_that_hosts_have(operation):
    assert set(HANDLERS[operation].families) <= set(FAMILIES.values())
