"""Sockets that daemons listen on, taken before anything else, so that a port in use ends the start."""

import socket

from osapi.errors import ConfigError

UNREAD, IDLE = 20, 60
"""Seconds after which the kernel ends a connection whose client takes nothing, and after which it looks whether a
silent one is still there (tcp(7)); hypercorn would wait for both for ever, for the first also when it stops.
"""


def listen(key: str, host: str, port: int) -> socket.socket:
    """A listening socket; `ConfigError`, which names the key of the port, where there can be none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD * 1000)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{key}: {host}:{port} cannot be listened on: {error.strerror}; "
            "stop what listens there, or set another port"
        ) from None
    return listener


def reachable(host: str) -> str:
    """The address to reach a listener at from its own machine, as it stands in a URL."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared with, not bound to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
