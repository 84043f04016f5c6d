"""Hosts that are away and come back, and hosts that come, or are labelled, after a job was made."""

import pytest
from processes import eventually

GO, LOG = "/run/go", "/var/tmp/coming"
STEPS = f"echo $(uname --nodename) >> {LOG}; until [ -e {GO} ]; do sleep 0.1; done"


@pytest.fixture
def clean(site):
    """No host has begun anything, or may end it."""
    for host in site.hosts.values():
        host.run("rm", "-f", GO, LOG)


def test_a_host_that_is_away_does_its_jobs_when_it_is_back_but_for_those_it_comes_too_late_for(
    site, t3, clean
):
    t3.off()
    with site.http() as http:
        eventually(lambda: http.get("/api/agent/t3").json()["status"] == "NotReady")
    waits = site.begin(f"echo waited >> {LOG}", "--expires", "5m", on="t3")
    late = site.begin(f"echo late >> {LOG}", "--expires", "1s", on="t3")
    assert site.ended(late)["agent_states"]["t3"]["status"] == "expired"
    assert site.job(waits)["status"] == "submitted"

    site.on(t3)

    assert site.ended(waits)["agent_states"]["t3"]["status"] == "completed"
    assert site.state(late, t3) == "expired"
    assert t3.read(LOG) == "waited"


def test_a_host_that_comes_later_does_no_old_job(site, clean):
    for_all = site.begin(STEPS, "--expires", "5m", on="_all")
    for_web = site.begin(STEPS, "--expires", "5m", on="group:web")
    eventually(
        lambda: [host.read(LOG).split() for host in site.hosts.values()] == [["t1"] * 2, ["t2"] * 2, ["t3"]]
    )

    t4 = site.new("t4", "10.77.2.4", {"group": "web.dev"})
    site.ready(t4)
    try:
        for host in site.hosts.values():
            host.run("touch", GO)

        assert set(site.ended(for_all)["agent_states"]) == {"t1", "t2", "t3"}
        assert set(site.ended(for_web)["agent_states"]) == {"t1", "t2"}
        assert [item["hostname"] for item in site.ask("uptime", "get", on="group:web")] == ["t1", "t2", "t4"]
        assert t4.read(LOG) == ""
    finally:
        site.remove(t4)


def test_a_host_that_is_labelled_later_does_no_old_job(site, t1, t2, t3, clean):
    job_id = site.begin(STEPS, "--expires", "5m", on="group:web")
    eventually(lambda: t1.read(LOG) and t2.read(LOG))

    site.label(t3, {"group": "web", "site": "lab"})
    try:
        for host in (t1, t2, t3):
            host.run("touch", GO)

        assert set(site.ended(job_id)["agent_states"]) == {"t1", "t2"}
        assert [item["hostname"] for item in site.ask("uptime", "get", on="group:web")] == ["t1", "t2", "t3"]
        assert t3.read(LOG) == ""
    finally:
        site.label(t3, {"group": "db", "site": "lab"})
