"""The embedded broker: how it is set up, and how the daemons of the same machine sign in at it."""

from pathlib import Path

import attrs

from osapi.bus.server import ServerSettings
from osapi.config import Auth, Config, NatsConnection
from osapi.state import StateDirectory

USER = "osapi"


def secured(config: Config, state: StateDirectory) -> Config:
    """The configuration of a start with no file: broker and daemons share a password that only they can read.

    Without it any user of the machine could command the agent, which may well be root. What the environment
    says of signing in stands.
    """
    password = state.broker_password()

    def signed_in(nats: NatsConnection) -> NatsConnection:
        if nats.auth.type != "none":
            return nats
        return attrs.evolve(nats, auth=Auth(type="user_pass", username=USER, password=password))

    return attrs.evolve(
        config,
        controller=attrs.evolve(
            config.controller,
            nats=signed_in(config.controller.nats),
            api=attrs.evolve(config.controller.api, host="127.0.0.1"),
        ),
        agent=attrs.evolve(config.agent, nats=signed_in(config.agent.nats)),
    )


def server_settings(config: Config, state: StateDirectory, *, secure: bool) -> ServerSettings:
    """What the broker is started with; `secure` as after `secured`."""
    server = config.nats.server
    users = [(user.username, user.password) for user in server.auth.users]
    if secure and server.auth.type == "none":
        users = [(USER, state.broker_password())]
    return ServerSettings(
        host=server.host,
        port=server.port,
        store_dir=Path(server.store_dir) if server.store_dir else state.nats,
        sync_always=server.sync_always,
        users=users,
        nkeys=list(server.auth.nkeys),
    )
