"""Alerts and notifications of real processes: a mail server and a webhook that are told of hosts that vanish."""

import json
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
import receivers
import yaml
from processes import eventually

BEAT = "3s"
"""How long the registry keeps a beat; a host that is silent for five seconds more is gone."""

CALM = {
    "memory_pressure_threshold": 100,
    "disk_pressure_threshold": 100,
    "high_load_multiplier": 1e6,
    "clock_skew_threshold": "24h",
}
"""With these, no condition holds of the machine that the tests run on."""


def configured(site, file: Path, hook, port):
    """Two notifiers that are there, one whose receiver is gone, and the log."""
    ways = {
        "log": {"type": "log"},
        "ops": {"type": "webhook", "webhook": {"url": hook.url, "secret": "s3cret"}},
        "mail": {
            "type": "smtp",
            "smtp": {
                "host": "127.0.0.1", "port": port, "security": "none",
                "sender": "osapi@example.org", "recipients": ["ops@example.org"],
            },
        },
        "dead": {"type": "webhook", "retry_for": "10m", "webhook": {"url": "http://127.0.0.1:9/"}},
    }  # fmt: skip
    login = {"username": "osapi", "password": "broker-word"}
    auth = {"type": "user_pass", **login}
    config = {
        "controller": {"nats": {"auth": auth}, "notifications": {"enabled": True, "notifiers": ways}},
        "agent": {"conditions": CALM},
        "nats": {"server": {"auth": {"type": "user_pass", "users": [login]}}, "registry": {"ttl": BEAT}},
    }
    file.write_text(yaml.safe_dump(config))
    state = site.folder / "state"
    state.mkdir(mode=0o700)
    (state / "broker.password").write_text(login["password"])
    site.env |= {"OSAPI_OSAPIFILE": str(file)}


def told(hook):
    """What the webhook was told of hosts, in order."""
    bodies = [json.loads(body) for _, body in hook.got]
    return [
        (each["event"], each["alert"]["condition"], each["alert"]["hostname"])
        for each in bodies
        if each["alert"]["component"] == "agent"
    ]


@pytest.mark.timeout(180)
def test_a_killed_agent_is_told_of_once_by_two_controllers_and_a_stopped_one_is_not(site, tmp_path):
    with receivers.hook() as hook, receivers.mailbox() as (box, port):
        configured(site, tmp_path / "osapi.yaml", hook, port)
        site.broker()
        site.controller()
        other = site.beside("other")
        other.env |= {"OSAPI_OSAPIFILE": site.env["OSAPI_OSAPIFILE"]}
        other.controller()
        killed, stopped = site.agent("killed"), site.agent("stopped")
        with site.http() as http, other.http() as second:
            eventually(lambda: http.get("/api/agent").json()["total"] == 2)

            assert stopped.stop() == 0
            killed.kill()
            [alert] = eventually(lambda: http.get("/api/alert").json()["alerts"])
            assert (alert["condition"], alert["hostname"]) == ("ComponentUnreachable", "killed")
            eventually(lambda: second.get("/api/alert").json()["alerts"])

            killed.start().until_ready()
            eventually(lambda: http.get("/api/alert").json()["total"] == 0)
            eventually(lambda: len(told(hook)) == 2)
            eventually(lambda: len(box.got) == 2)
            deliveries = http.get("/api/notification", params={"hostname": "killed"}).json()["deliveries"]

    assert told(hook) == [
        ("fired", "ComponentUnreachable", "killed"),
        ("resolved", "ComponentUnreachable", "killed"),
    ]
    subjects = [message_from_bytes(content, policy=default)["Subject"] for _, content in box.got]
    assert subjects == [
        "[OSAPI] FIRING: ComponentUnreachable on killed",
        "[OSAPI] RESOLVED: ComponentUnreachable on killed",
    ]
    done = sorted((each["notifier"], each["notification"]["event"], each["status"]) for each in deliveries)
    assert done == [
        (name, event, "delivered") for name in ("log", "mail", "ops") for event in ("fired", "resolved")
    ]
    logs = [log.read_text() for log in tmp_path.rglob("*.log")]
    assert sum(log.count("alert fired") for log in logs) == 1
    assert not any("s3cret" in log or "SECRET" in log for log in logs)


@pytest.mark.timeout(180)
def test_silences_tests_and_redeliveries_by_the_command_line(site, tmp_path):
    with receivers.hook() as hook, receivers.mailbox() as (box, port):
        configured(site, tmp_path / "osapi.yaml", hook, port)
        site.broker()
        site.controller()
        agent = site.agent("web-01")

        silence = site.json(
            "client", "silence", "create", "--host", "web-*", "--duration", "1h", "--comment", "x"
        )
        agent.kill()
        [alert] = eventually(lambda: site.json("client", "alert", "list")["alerts"])
        assert alert["silenced_by"] == [silence["id"]]
        eventually(lambda: site.json("client", "notification", "list", "--status", "silenced")["total"] == 4)
        assert told(hook) == []

        site.cli("client", "silence", "expire", "--id", silence["id"], check=0)
        eventually(lambda: told(hook) == [("fired", "ComponentUnreachable", "web-01")])

        [delivery] = eventually(
            lambda: site.json("client", "notification", "list", "--notifier", "ops", "--status", "delivered")[
                "deliveries"
            ]
        )
        site.cli("client", "notification", "redeliver", "--id", delivery["id"], check=0)
        assert [headers["webhook-id"] for headers, _ in hook.got] == [delivery["notification"]["id"]] * 2

        tried = site.cli("client", "notification", "test", "--notifier", "mail", check=0).stdout
        assert "delivered" in tried
        failed = site.cli("client", "notification", "test", "--notifier", "dead", check=1).stdout
        assert "failed" in failed
        subjects = [message_from_bytes(content, policy=default)["Subject"] for _, content in box.got]
        assert "[OSAPI] TEST: Test on example" in subjects

        notifiers = site.cli("client", "notification", "notifiers", check=0).stdout
        assert "SECRET" not in notifiers
        assert {"ops", "mail", "dead", "log"} <= set(notifiers.split())
        shown = site.cli("config", "show").stdout
        assert "s3cret" not in shown
        assert "SECRET" not in shown
