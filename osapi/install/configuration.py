"""The configuration that the first installation on a machine writes, and what is said of one that is there.

What options and environment say becomes part of it. Where the broker is to be this machine's own, all three
daemons are given one password, so that no other user of the machine commands the agent.
"""

import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import attrs

from osapi.config import Config, NatsConnection, check, load
from osapi.config.loading import leaves
from osapi.configfile import variable
from osapi.durations import Duration
from osapi.embedded import USER
from osapi.install.daemons import AGENT, BROKER, CONFIGURATION, Daemon, File
from osapi.install.machine import Machine

LOCAL = ("localhost", "127.0.0.1", "[::1]")

NOT_OF_DAEMONS = ("debug", "state_dir", "controller.client.")
"""What options and environment may say of the command line itself; the units name state directories."""

KEY_DIRECTORIES = {
    "controller.pki.key_dir": "/var/lib/osapi/pki",
    "agent.pki.key_dir": "/var/lib/osapi-agent/pki",
}
"""Keys are kept where their daemon can write."""


def first(daemon: Daemon, environ: Mapping[str, str]) -> File:
    """A configuration for a machine that has none; raises `ConfigError` where the environment is wrong."""
    values = {**KEY_DIRECTORIES, **given(environ)}
    config = load(None, environ)
    connection = config.agent.nats if daemon is AGENT else config.controller.nats
    if daemon is BROKER or (connection.host in LOCAL and connection.auth.type == "none"):
        values |= _one_password(config)
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        at = tree
        for section in sections:
            at = at.setdefault(section, {})
        at[name] = value
    return File(CONFIGURATION, _sample() + _yaml(tree), mode=0o600, packaged=False, secret=True)


def given(environ: Mapping[str, str]) -> dict[str, Any]:
    """The keys that the environment says of daemons, options of the command line being put there too."""
    return {
        leaf.key: _plain(leaf.value)
        for leaf in leaves(load(None, environ))
        if environ.get(variable(leaf.key)) and not leaf.key.startswith(NOT_OF_DAEMONS)
    }


def remarks(machine: Machine, daemon: Daemon, environ: Mapping[str, str]) -> Iterator[str]:
    """What to know of a configuration that is there and stays as it is; raises `ConfigError` where it is wrong."""
    path = machine.at(CONFIGURATION)
    config = load(path, {})
    held = {leaf.key: _plain(leaf.value) for leaf in leaves(config)}
    for key, value in given(environ).items():
        if held.get(key) != value:
            yield f"{CONFIGURATION} is there, and {key} is not changed in it: edit it"
    server = config.nats.server
    if daemon is BROKER and server.auth.type == "none":
        yield (
            f"{CONFIGURATION}: nats.server.auth.type is none: whoever reaches {server.host}:{server.port} "
            "commands the agents; set it to user_pass, with a user for controller and agents"
        )
    yield from check(path, {}).notes


def _one_password(config: Config) -> dict[str, Any]:
    """What lets controller and agent sign in at this machine's own broker, and nobody else."""
    if config.nats.server.auth.type != "none":
        return {}
    password = os.urandom(32).hex()
    found: dict[str, Any] = {
        "nats.server.auth.type": "user_pass",
        "nats.server.auth.users": [{"username": USER, "password": password}],
    }
    for name, nats in (("controller", config.controller.nats), ("agent", config.agent.nats)):
        if _signs_in_here(nats):
            signed_in = {"type": "user_pass", "username": USER, "password": password}
            found |= {f"{name}.nats.auth.{key}": value for key, value in signed_in.items()}
    return found


def _signs_in_here(nats: NatsConnection) -> bool:
    return nats.host in LOCAL and nats.auth.type == "none"


def _plain(value: Any) -> Any:
    """A value as YAML has it."""
    if isinstance(value, list):
        return [attrs.asdict(item) if attrs.has(type(item)) else item for item in value]
    return str(value) if isinstance(value, Duration) else value


def _sample() -> str:
    return files("osapi.install").joinpath("data", "osapi.yaml").read_text()


def _yaml(tree: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
