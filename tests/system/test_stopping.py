"""An agent that is stopped, or killed, in the middle of a job."""

from processes import eventually

GO, LOG = "/run/go", "/var/tmp/steps"
STEPS = f"echo begun >> {LOG}; until [ -e {GO} ]; do sleep 0.1; done; echo ended >> {LOG}"


def test_an_agent_that_is_stopped_lets_its_job_end_and_takes_no_other(site, t1):
    t1.run("rm", "-f", GO, LOG)
    running = site.begin(STEPS, "--expires", "5m", on="t1")
    eventually(lambda: t1.read(LOG) == "begun")

    t1.run("systemctl", "stop", "--no-block", "osapi-agent")
    eventually(lambda: t1.unit("ActiveState") == "deactivating")
    later = site.begin(f"echo later >> {LOG}", "--expires", "5m", on="t1")
    assert site.job(running)["status"] == "processing"
    t1.run("touch", GO)

    assert site.ended(running)["agent_states"]["t1"]["status"] == "completed"
    eventually(lambda: t1.unit("ActiveState") == "inactive")
    assert t1.unit("Result") == "success"
    assert t1.read(LOG).split() == ["begun", "ended"]
    assert site.job(later)["status"] == "submitted"
    t1.run("systemctl", "start", "osapi-agent")
    assert site.ended(later)["status"] == "completed"
    assert t1.read(LOG).split() == ["begun", "ended", "later"]


def test_what_does_not_end_in_time_is_ended_with_all_that_it_started(site, t1):
    t1.run("rm", "-f", LOG)
    job_id = site.begin(f"sleep 4712 & sleep 4712 & echo begun >> {LOG}; wait", "--expires", "5m", on="t1")
    eventually(lambda: t1.read(LOG) == "begun")

    t1.run("systemctl", "restart", "osapi-agent")

    assert site.ended(job_id)["agent_states"]["t1"]["status"] == "unknown"
    assert t1.sh("pgrep --full '[s]leep 4712' || true") == ""
    assert t1.read(LOG) == "begun"


def test_a_job_whose_agent_is_killed_is_unknown_and_systemd_leaves_nothing_of_it(site, t1):
    t1.run("rm", "-f", LOG)
    restarts = int(t1.unit("NRestarts"))
    job_id = site.begin(
        f"sleep 4713 & setsid sleep 4713 & echo begun >> {LOG}; wait", "--expires", "5m", on="t1"
    )
    eventually(lambda: t1.read(LOG) == "begun")

    t1.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "osapi-agent")

    found = site.ended(job_id)
    assert found["agent_states"]["t1"]["status"] == "unknown"
    assert "stopped in the middle" in found["error"]
    site.ready(t1)
    assert int(t1.unit("NRestarts")) == restarts + 1
    assert t1.sh("pgrep --full '[s]leep 4713' || true") == ""
    assert t1.read(LOG) == "begun"
