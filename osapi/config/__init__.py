"""The configuration: osapi.yaml, and the environment over it.

`Config` has a field for every key; `load` reads it, `check` says everything that is wrong with it, `masked`
shows it without its secrets. Where a value comes from: `OSAPI_…` in the environment, else the file, else the
default. `osapi.configfile` has the little that the command line needs.
"""

from osapi.config.loading import Report, check, load, masked
from osapi.config.schema import Auth, Config, Nats, NatsConnection, Role, User, urls

__all__ = [
    "Auth",
    "Config",
    "Nats",
    "NatsConnection",
    "Report",
    "Role",
    "User",
    "check",
    "load",
    "masked",
    "urls",
]
