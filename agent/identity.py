"""Who this agent is: its machine, its names, and this run of it."""

import os
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import attrs

from agent.host import Host
from osapi.enrollment import vouch
from osapi.errors import ConfigError
from osapi.jobs import now
from osapi.keys import KeyPair
from osapi.registry import Facts
from osapi.sealed import Opener


@attrs.define
class Identity:
    """`instance` differs each time the agent starts; `facts` are those of the last minute."""

    machine_id: str
    host: Host
    opener: Opener
    """Opens the secrets of jobs for this host."""
    named: str = ""
    """The configured name; without one the agent goes by that of the operating system, also after it changed."""
    pair: KeyPair | None = None
    """What it proves with who it is, where controllers are to accept it."""
    instance: str = attrs.field(factory=lambda: uuid.uuid4().hex)
    started_at: datetime = attrs.field(factory=now)
    facts: Facts = attrs.field(factory=Facts)
    skew: timedelta = timedelta(0)
    """How far the broker's clock is ahead of this machine's, as of the last beat."""

    hostname: str = attrs.field(init=False)
    """By this name it goes now: the kernel is asked at each beat, not for each job."""

    def __attrs_post_init__(self) -> None:
        self.refresh()

    def time(self) -> datetime:
        """What the time is by the broker's clock: jobs expire by it, however wrong this machine's is."""
        return now() + self.skew

    def refresh(self) -> None:
        """Take the name that the operating system has by now, unless another is configured."""
        self.hostname = self.named or os.uname().nodename

    @property
    def fingerprint(self) -> str | None:
        """That of its key, where it has one."""
        return self.pair.public.fingerprint if self.pair else None

    @property
    def proof(self) -> bytes:
        """What shows that secrets for this host are to be sealed to its key; empty where it has none to sign with."""
        return vouch(self.pair, self.machine_id, self.opener.public) if self.pair else b""

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.host.labels)


def machine_id(configured: str, path: Path = Path("/etc/machine-id")) -> str:
    """The id of this machine, as machine-id(5) has it, unless the configuration gives another."""
    if configured:
        return configured
    try:
        found = path.read_text().strip()
    except FileNotFoundError:
        found = ""
    if not found or found == "uninitialized":
        raise ConfigError(
            f"{path} holds no machine id; make one with `systemd-machine-id-setup`, or set agent.machine_id"
        )
    return found
