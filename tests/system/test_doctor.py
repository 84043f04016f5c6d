"""Day two of a booted host that is all of an installation: what the doctor says of it, a backup, and its return."""

import json

import booted
import pytest
from processes import eventually

OSAPI = "/opt/osapi/.venv/bin/osapi"
UNITS = ("osapi-nats", "osapi-controller", "osapi-agent")


@pytest.fixture
def host(site, tmp_path):
    """Broker, controller, and an agent with a user of its own, as systemd runs them."""
    (tmp_path / "day2").mkdir()
    booted.lab("up", "day2", "10.77.4.3", tmp_path / "day2", below=site.below)
    booted.lab("wait", "day2")
    found = booted.Host("day2", "10.77.4.3", site.below, "")
    for words in (("nats", "server"), ("controller",)):
        found.run(OSAPI, *words, "install")
    found.run(OSAPI, "agent", "install", "--user", "osapi")
    eventually(lambda: "day2" in found.sh(f"{OSAPI} client agent list || true"))
    yield found
    booted.lab("down", "day2")


def doctor(host):
    """What it finds, worst first, but for what the machine under the lab decides."""
    told = json.loads(host.sh(f"{OSAPI} doctor --json || true"))
    assert told["roles"] == ["broker", "controller", "agent", "client"]
    return {
        f["check"]: f for f in told["findings"] if f["check"] not in {"ntp", "disk"} and f["status"] != "ok"
    }


def test_the_doctor_finds_what_was_spoilt_and_a_backup_brings_all_back(host):
    assert doctor(host) == {}
    asked = json.loads(host.run(OSAPI, "client", "node", "timezone", "get", "--json"))
    before = (
        host.run(OSAPI, "client", "job", "list", "--json"),
        host.run(OSAPI, "client", "audit", "key", "--json"),
    )
    host.run(OSAPI, "backup", "/root/a.backup", "--with-keys")

    host.run("systemctl", "stop", "osapi-agent", "osapi-controller")
    host.sh("sed -i '/OSAPI_TIMEZONE/d' /etc/sudoers.d/osapi; chmod 644 /var/lib/osapi/signing.key")
    found = doctor(host)
    host.sh("systemctl stop osapi-nats; rm -rf /var/lib/osapi; systemctl start osapi-nats")
    restored = host.run(OSAPI, "restore", "/root/a.backup")
    host.run("systemctl", "start", "osapi-controller")
    host.sh(f"{OSAPI} agent sudoers > /etc/sudoers.d/osapi; systemctl start osapi-agent")

    assert "may not run" in found["sudo"]["found"]
    assert found["state"]["fix"] == "chmod 600 /var/lib/osapi/signing.key"
    assert found["unit osapi-controller"]["fix"] == "systemctl start osapi-controller.service"
    assert "restored, as of" in restored
    assert host.run("stat", "--format", "%U %a", "/var/lib/osapi/signing.key") == "osapi 600"
    eventually(lambda: doctor(host) == {})
    assert asked["job_id"] in before[0]
    assert host.run(OSAPI, "client", "job", "list", "--json") == before[0]
    assert host.run(OSAPI, "client", "audit", "verify")
