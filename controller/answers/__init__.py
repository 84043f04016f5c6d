"""What the controller answers itself: one module per module of `osapi.calls`."""

from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Import every module here, so that its functions are registered."""
    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
