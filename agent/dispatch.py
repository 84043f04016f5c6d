"""From an operation to the provider function that performs it, and from how that ends to a state."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, TypeVar, get_type_hints

import attrs
import structlog

from agent.host import Host
from osapi.errors import Error, Unsupported
from osapi.jobs import State
from osapi.operation import Operation
from osapi.results import Changed, Plan

P = TypeVar("P", bound=Operation[Any])
R = TypeVar("R")

Handler = Callable[[Host, P], Awaitable[R]]

log = structlog.get_logger()


@attrs.frozen
class Registered:
    """A provider function, and the families of distributions it is for; none are all."""

    handler: Handler[Any, Any]
    families: tuple[str, ...]


HANDLERS: dict[type[Operation[Any]], Registered] = {}
"""Filled in as the modules of `agent.providers` are imported."""


@attrs.frozen(kw_only=True)
class Performed:
    """How an operation ended here; `plan` is there after a dry run."""

    state: State
    result: Any = None
    changed: bool = False
    error: str | None = None
    code: str | None = None
    plan: Plan | None = None


def performs(operation: type[P], *families: str) -> Callable[[Handler[P, R]], Handler[P, R]]:
    """Say that a function performs `operation`, on hosts of these families, or on all."""

    def register(handler: Handler[P, R]) -> Handler[P, R]:
        name, promised = operation.spec.name, operation.spec.returns
        assert operation not in HANDLERS, f"{name} is performed twice"
        actual = get_type_hints(handler)["return"]
        assert actual == promised, f"{name} must return {promised}, not {actual}"
        HANDLERS[operation] = Registered(handler, families)
        return handler

    return register


def load() -> None:
    """Import every provider."""
    package = import_module("agent.providers")
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        import_module(module.name)


async def perform(host: Host, params: Operation[Any]) -> Performed:
    """Carry an operation out; each way it can end is a `Performed`, but for being cancelled."""
    try:
        result = await _handler(host, params)(host, params)
    except Exception as error:  # noqa: BLE001 - what a provider did not foresee must not end the agent
        return attrs.evolve(_ended_by(_innermost(error), params), plan=host.plan)
    changed = isinstance(result, Changed) and result.changed
    return Performed(state=State.COMPLETED, result=result, changed=changed, plan=host.plan)


def _handler(host: Host, params: Operation[Any]) -> Handler[Any, Any]:
    registered = HANDLERS[type(params)]
    if registered.families and host.family not in registered.families:
        known = ", ".join(registered.families)
        raise Unsupported(f"{params.spec.name} is not supported on {host.family}, only on {known}")
    return registered.handler


def _innermost(error: Exception) -> Exception:
    """What a nursery wrapped, where it is one error."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        [error] = error.exceptions
    return error


def _ended_by(error: Exception, params: Operation[Any]) -> Performed:
    match error:
        case Unsupported():
            return Performed(state=State.SKIPPED, error=str(error), code=error.code)
        case Error():
            return Performed(state=State.FAILED, error=str(error), code=error.code)
    log.error("provider broke", operation=params.spec.name, exc_info=error)
    return Performed(state=State.FAILED, error="internal error, see the agent's log", code="internal")
