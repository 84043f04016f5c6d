"""A bus as the configuration describes it."""

from osapi.bus import Bus
from osapi.bus.bridge import NatsBus
from osapi.config import NatsConnection, urls


def connect(nats: NatsConnection) -> Bus:
    """A bus that is not connected yet: it is to be run."""
    auth = nats.auth
    by_password = auth.type == "user_pass"
    return NatsBus(
        urls(nats),
        name=nats.client_name,
        user=auth.username if by_password else "",
        password=auth.password if by_password else "",
        nkey_file=auth.nkey_file if auth.type == "nkey" else "",
    )
