"""An agent that is not root: as its own user, with a sudoers file of its own list and a few capabilities."""

import booted
import pytest
from processes import eventually

UNIT = "osapi-agent"
OSAPI = "/opt/osapi/.venv/bin/osapi"


@pytest.fixture
def unprivileged(site, t3):
    """t3, whose agent runs as a user of its own; and as before at the end."""
    t3.run(OSAPI, "agent", "install", "--user", "osapi")
    site.ready(t3)
    yield t3
    t3.run(OSAPI, "agent", "install", "--user", booted.AGENT_USER or "root")
    site.ready(t3)


def done(site, *words):
    [item] = site.ask(*words, on="t3")
    assert item["status"] == "ok", item
    return item


def test_it_asks_and_changes_the_host_as_its_own_user(site, unprivileged):
    pid = unprivileged.unit("MainPID")
    assert unprivileged.run("ps", "-o", "user=", "-p", pid) == "osapi"

    assert done(site, "command", "exec", "--command", "id", "--args=-un")["stdout"] == "osapi\n"
    shown = done(site, "command", "exec", "--command", "grep", "--args=^CapEff", "--args=/proc/self/status")
    assert shown["stdout"].split() == ["CapEff:", "0000000000000000"]
    assert done(site, "timezone", "update", "--timezone", "Europe/Madrid")["changed"] is True
    assert unprivileged.run("timedatectl", "show", "--property=Timezone", "--value") == "Europe/Madrid"
    assert done(site, "user", "create", "--name", "carol")["changed"] is True
    assert "carol" in unprivileged.run("getent", "passwd", "carol")
    written = done(
        site, "file", "write", "/etc/least.conf", "--content", "x", "--owner", "carol", "--mode", "0600"
    )
    assert written["changed"] is True
    assert unprivileged.run("stat", "--format", "%U %a", "/etc/least.conf") == "carol 600"

    done(site, "file", "delete", "/etc/least.conf")
    done(site, "user", "delete", "--name", "carol")
    done(site, "timezone", "update", "--timezone", "Etc/UTC")


def test_it_does_not_start_where_something_is_missing_and_says_what(unprivileged):
    unprivileged.sh(
        "sed -i '/timedatectl/d' /etc/sudoers.d/osapi; sed -i '/OSAPI_TIMEZONE/d' /etc/sudoers.d/osapi"
    )
    unprivileged.run("visudo", "-c")

    unprivileged.sh(f"systemctl restart {UNIT} || true")

    eventually(lambda: unprivileged.unit("ExecMainStatus") == "2")
    assert "sudo does not let the agent run: timedatectl set-timezone *" in unprivileged.log()
    unprivileged.sh(f"{OSAPI} agent sudoers > /etc/sudoers.d/osapi")
    unprivileged.run("systemctl", "restart", UNIT)
