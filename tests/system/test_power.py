"""What is scheduled on a real host, as systemd itself says, and taken back before it happens."""

import pytest

MESSAGE = "-c 'update' $(reboot) ü"


@pytest.fixture
def power(http, t2):
    """What t2 answers; nothing is scheduled there, and nothing is left so."""

    def ask(action, refused=None, **body):
        query = {"dry_run": "true"} if body.pop("dry", False) else {}
        answer = http.post(f"/api/node/t2/power/{action}", params=query, json=body)
        assert answer.status_code == (refused or 200), answer.text
        return answer.json()["detail"] if refused else answer.json()["results"][0]

    t2.run("shutdown", "-c")
    yield ask
    t2.run("shutdown", "-c")


def shown(host):
    return host.sh("shutdown --show 2>&1 || true").partition(", use")[0]


@pytest.mark.parametrize(("action", "word"), [("reboot", "Reboot"), ("shutdown", "Shutdown")])
def test_what_is_scheduled_is_done_once_and_can_be_taken_back(power, t2, action, word):
    before = t2.boot_id
    planned = power(action, delay=541, message=MESSAGE, dry=True)
    assert shown(t2) == "No scheduled shutdown."

    first = power(action, delay=541, message=MESSAGE)
    when = shown(t2)
    again = power(action, delay=541, message=MESSAGE)

    assert when.startswith(f"{word} scheduled for ")
    seconds = int(t2.sh("expr $(grep USEC /run/systemd/shutdown/scheduled | cut -c6-15) - $(date +%s)"))
    assert 570 <= seconds <= 600
    assert planned["plan"]["commands"][0][-2:] == ["+10", MESSAGE]
    assert (planned["delay"], first["delay"], again["delay"]) == (600, 600, 600)
    assert (first["changed"], again["changed"], first["action"]) == (True, False, action)
    assert shown(t2) == when
    back, none = power("cancel"), power("cancel")
    assert (back["changed"], none["changed"]) == (True, False)
    assert (shown(t2), t2.boot_id) == ("No scheduled shutdown.", before)


def test_what_somebody_else_has_scheduled_is_reported_and_left_alone(power, t2):
    t2.run("shutdown", "--poweroff", "+90", "moving the rack")
    when = shown(t2)

    refused = power("reboot", delay=600, refused=409)

    assert "a shutdown is scheduled" in refused
    assert "moving the rack" in refused
    assert shown(t2) == when


def test_a_delay_beyond_reason_and_a_message_of_two_lines_are_refused(power, t2):
    assert power("reboot", delay=10**12)["status"] == "failed"
    power("reboot", delay=-1, refused=400)
    power("reboot", delay=600, message="two\nlines", refused=400)

    assert shown(t2) == "No scheduled shutdown."
