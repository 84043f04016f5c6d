"""Notifiers in the configuration: what is read, what is refused, and what is never shown."""

import json

import pytest

from osapi.config import check, load, masked
from osapi.config.notifications import Notifier

NOTIFIERS = """
controller:
  notifications:
    enabled: true
    renotify_interval: 4h
    notifiers:
      journal:
      ops: {type: webhook, conditions: [DiskPressure], webhook: {url: "https://h.example/x?t=SECRET", secret: SECRET}}
      disks:
        type: smtp
        labels: {group: web}
        timeout: 5s
        smtp: {host: mail.example.org, sender: a@b.example, recipients: [c@d.example], password: SECRET}
      chat: {type: apprise, resolved: false, apprise: {url: "slack://SECRET"}}
"""


def written(tmp_path, text):
    path = tmp_path / "osapi.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_notifiers_are_read_by_name_and_no_secret_is_shown(tmp_path):
    config = load(written(tmp_path, NOTIFIERS), {})

    found = config.controller.notifications
    assert found.renotify_interval == 4 * 3600
    assert found.wanted == found.notifiers
    assert found.notifiers["journal"] == Notifier()
    assert found.notifiers["ops"].conditions == ["DiskPressure"]
    assert (found.notifiers["disks"].smtp.port, found.notifiers["disks"].smtp.security) == (587, "starttls")
    assert found.notifiers["chat"].resolved is False
    shown = masked(config)
    assert "SECRET" not in json.dumps(shown)
    assert shown["controller"]["notifications"]["notifiers"]["disks"]["smtp"]["password"] == "****"


def test_a_secret_of_a_notifier_comes_from_the_environment(tmp_path):
    environ = {"OSAPI_CONTROLLER_NOTIFICATIONS_NOTIFIERS_OPS_WEBHOOK_SECRET": "other"}

    config = load(written(tmp_path, NOTIFIERS), environ)

    assert config.controller.notifications.notifiers["ops"].webhook.secret == "other"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{enabled: true}", {"log"}),
        ("{enabled: true, notifier: log}", {"log"}),
        ("{enabled: true, notifiers: {a: {}}}", {"a"}),
        ("{enabled: true, notifier: log, notifiers: {a: {}}}", {"log", "a"}),
        ("{enabled: false, notifier: log, notifiers: {a: {}}}", set()),
        ("{}", set()),
    ],
)
def test_files_of_the_former_implementation_tell_the_log(tmp_path, text, names):
    config = load(written(tmp_path, f"controller: {{notifications: {text}}}"), {})

    assert set(config.controller.notifications.wanted) == names


@pytest.mark.parametrize(
    ("notifier", "expected"),
    [
        ("{type: pager}", "notifiers.a.type: 'pager' is not known; allowed: log, webhook, smtp, apprise"),
        ("{type: webhook}", "notifiers.a.webhook.url: empty, and type is webhook"),
        (
            "{type: webhook, webhook: {url: 'ftp://SECRET'}}",
            "webhook.url: the value is not a URL of a webhook",
        ),
        ("{type: webhook, webhook: {url: 'file:///etc/SECRET'}}", "webhook.url: the value is not a URL"),
        (
            "{type: smtp, smtp: {host: m, sender: a@b.c}}",
            "notifiers.a.smtp.recipients: empty, and type is smtp",
        ),
        ('{type: smtp, smtp: {sender: "a@b.c\\nBcc: d@e.f"}}', "smtp.sender: 'a@b.c\\nBcc: d@e.f' is not"),
        ("{type: smtp, smtp: {security: ssl}}", "'ssl' is not known; allowed: starttls, tls, none"),
        ("{type: apprise, apprise: {url: SECRET}}", "apprise.url: the value is not a URL of a service"),
        (
            "{conditions: [DiskPresure]}",
            "a.conditions: 'DiskPresure' is no condition; allowed: MemoryPressure",
        ),
        ("{typ: log}", "notifiers.a.typ: not a known key; did you mean"),
    ],
)
def test_what_is_wrong_with_a_notifier_is_named(tmp_path, notifier, expected):
    path = written(tmp_path, f"controller: {{notifications: {{notifiers: {{a: {notifier}}}}}}}")

    problems = check(path, {}).problems

    assert any(expected in problem for problem in problems), problems
    assert "SECRET" not in str(problems)


def test_a_name_that_is_none_is_refused(tmp_path):
    path = written(tmp_path, "controller: {notifications: {notifiers: {'a b': {type: log}}}}")

    assert "'a b' is not a name" in str(check(path, {}).problems)
