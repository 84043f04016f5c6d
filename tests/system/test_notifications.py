"""Who is told of booted hosts: a disk that fills up, an agent that is killed, and not one that is stopped."""

import json
from email import message_from_bytes
from email.policy import default

import booted
import pytest
import receivers
import yaml
from processes import eventually

ONCE = "/run/systemd/system/osapi-agent.service.d"
TOLD = {"DiskPressure", "ComponentUnreachable"}
"""Conditions that this is about; the hosts share the load of the machine that they run on."""


@pytest.fixture(scope="module")
def told(site):
    """What a webhook and a mailbox get of the site's controller, which is started anew for it."""
    [controller] = [each for each in site.installation.daemons if each.words == ["controller", "start"]]
    file = site.folder / "osapi.yaml"
    before = file.read_text()
    with receivers.hook() as hook, receivers.mailbox() as (box, port):
        mail = {"host": "127.0.0.1", "port": port, "security": "none"}
        mail |= {"sender": "osapi@example.org", "recipients": ["ops@example.org"]}
        notifiers = {
            "hook": {"type": "webhook", "webhook": {"url": hook.url}},
            "mail": {"type": "smtp", "smtp": mail},
            "log": {"type": "log"},
        }
        config = yaml.safe_load(before)
        config["controller"]["notifications"] = {"enabled": True, "notifiers": notifiers}
        restart(controller, file, yaml.safe_dump(config))
        try:
            yield hook, box, controller
        finally:
            restart(controller, file, before)


def restart(controller, file, text):
    controller.stop()
    file.write_text(text)
    controller.start().until_ready()


def of_hook(hook):
    bodies = [json.loads(body) for _, body in hook.got]
    found = ((each["event"], each["alert"]["condition"], each["alert"]["hostname"]) for each in bodies)
    return [each for each in found if each[1] in TOLD]


def of_mail(box):
    subjects = [message_from_bytes(content, policy=default)["Subject"] for _, content in box.got]
    return [subject for subject in subjects if any(name in subject for name in TOLD)]


def of_log(controller):
    lines = [json.loads(line) for line in controller.text.splitlines() if line.startswith("{")]
    return [
        (each["event"].removeprefix("alert "), each["condition"], each["hostname"])
        for each in lines
        if each["event"].startswith("alert ") and each["condition"] in TOLD
    ]


def by_host(found):
    """The steps of each host, in order."""
    return {name: [(event, what) for event, what, host in found if host == name] for _, _, name in found}


def test_a_full_disk_and_a_killed_agent_are_told_of_once_and_a_stopped_one_is_not(site, told, small, t1, t2):
    hook, box, controller = told

    t1.run("systemctl", "stop", booted.UNIT)
    t2.sh(
        f"mkdir -p {ONCE} && printf '[Service]\\nRestart=no\\n' > {ONCE}/once.conf && systemctl daemon-reload"
    )
    t2.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", booted.UNIT)
    small.sh(f"dd if=/dev/zero of={booted.DISK}/ballast bs=1M || true")
    eventually(lambda: ("fired", "DiskPressure", "t5") in of_hook(hook))
    small.run("rm", f"{booted.DISK}/ballast")
    eventually(lambda: ("resolved", "DiskPressure", "t5") in of_hook(hook))
    eventually(lambda: ("fired", "ComponentUnreachable", "t2") in of_hook(hook), within=60)
    t2.sh(f"rm -r {ONCE} && systemctl daemon-reload && systemctl start {booted.UNIT}")
    site.ready(t2)
    eventually(lambda: ("resolved", "ComponentUnreachable", "t2") in of_hook(hook))
    eventually(lambda: len(of_mail(box)) == 4)

    steps = {
        "t5": [("fired", "DiskPressure"), ("resolved", "DiskPressure")],
        "t2": [("fired", "ComponentUnreachable"), ("resolved", "ComponentUnreachable")],
    }
    assert by_host(of_hook(hook)) == by_host(of_log(controller)) == steps
    assert sorted(of_mail(box)) == [
        "[OSAPI] FIRING: ComponentUnreachable on t2",
        "[OSAPI] FIRING: DiskPressure on t5",
        "[OSAPI] RESOLVED: ComponentUnreachable on t2",
        "[OSAPI] RESOLVED: DiskPressure on t5",
    ]
