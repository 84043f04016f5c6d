"""Hosts whose files are real, below a temporary folder, and whose programs answer from a table."""

import attrs
import pytest
from deploying import PORT
from scripted import ScriptedHost
from shelf import Shelf

from agent import dispatch
from agent.policy import Policy
from agent.release import NAMES
from osapi.config.schema import AgentFiles

dispatch.load()

DEBIAN = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
ID=debian
"""


@pytest.fixture
def host(tmp_path):
    """A Debian host called web-01 that was not booted with systemd; what the broker has for it is in memory."""
    host = ScriptedHost(
        root=tmp_path,
        family="debian",
        hostname="web-01",
        policy=Policy(allow=AgentFiles().allow, refuse=AgentFiles().refuse, own=["/var/lib/osapi"]),
        store=Shelf(),
    )
    host.has({NAMES[0]: DEBIAN, "/proc/sys/kernel/hostname": "web-01\n"})
    return host


@pytest.fixture
def rehearsing(host):
    """The same host, in a dry run."""
    return attrs.evolve(host, dry=True)


@pytest.fixture
def app(host):
    """The same host, with an object to deploy in its store."""
    host.store.put("app.conf", PORT)
    return host
