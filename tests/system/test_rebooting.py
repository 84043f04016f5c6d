"""Hosts that go down in the middle of a job: it ends in a final state, and is not done again later."""

import pytest
from booted import AS_ROOT
from processes import eventually

COUNT = "/var/tmp/reboots"


@pytest.mark.parametrize(
    ("command", "state"),
    [
        (f"{AS_ROOT}systemctl reboot", "completed"),
        (f"{AS_ROOT}systemctl reboot && sleep 250", "unknown"),
        (f"{AS_ROOT}systemctl reboot --force --force; sleep 250", "unknown"),
    ],
)
def test_a_host_reboots_once(site, t2, command, state):
    before, boots = t2.boot_id, t2.boots
    t2.run("rm", "-f", COUNT)

    job_id = site.begin(f"echo now >> {COUNT} && sync && {command}", "--expires", "5m", on="t2")

    eventually(lambda: back(t2, before), within=60)
    site.ready(t2)
    found = site.ended(job_id)
    after = t2.boot_id
    assert found["agent_states"]["t2"]["status"] == state
    for _ in range(3):
        assert site.ask("uptime", "get", on="t2")[0]["status"] == "ok"
    assert (t2.boot_id, t2.boots) == (after, boots + 1)
    assert t2.read(COUNT) == "now"
    assert site.job(job_id) == found


def back(host, before):
    """Whether a host has booted again; while it is down nothing can be run in it."""
    try:
        return host.boot_id not in {"", before}
    except AssertionError:
        return False


def test_a_job_in_a_host_that_is_reset_is_unknown_and_not_done_again(site, t2):
    before = t2.boot_id
    job_id = site.begin("echo begun >> /var/tmp/reset && sync && sleep 250", "--expires", "5m", on="t2")
    eventually(lambda: t2.read("/var/tmp/reset"))

    t2.reset()

    eventually(lambda: back(t2, before))
    site.ready(t2)
    found = site.ended(job_id)
    assert found["agent_states"]["t2"]["status"] == "unknown"
    assert "stopped in the middle" in found["error"]
    assert t2.read("/var/tmp/reset") == "begun"


def test_a_job_in_a_host_that_does_not_come_back_is_lost(site, t3):
    job_id = site.begin("echo begun >> /var/tmp/cut && sync && sleep 250", "--expires", "5s", on="t3")
    eventually(lambda: t3.read("/var/tmp/cut"))

    t3.cut()

    found = site.ended(job_id, within=90)
    assert found["agent_states"]["t3"]["status"] == "lost"
    with site.http() as http:
        assert http.get("/api/agent/t3").json()["status"] == "NotReady"
    assert [item["hostname"] for item in site.ask("uptime", "get", on="_all")] == ["t1", "t2"]
    site.on(t3)
    eventually(lambda: site.state(job_id, t3) == "unknown")  # the host's own word counts
    assert t3.read("/var/tmp/cut") == "begun"
