"""A host that is cut off or frozen while there are jobs for it, and one behind a slow cable that loses frames."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from processes import eventually

GO, LOG, LATE = "/run/go", "/var/tmp/partition", "/var/tmp/late"
STEPS = f"echo begun >> {LOG}; until [ -e {GO} ]; do sleep 0.1; done; echo ended >> {LOG}; echo as asked"
COUNT = 30
AT_ONCE = 10


def status(http, host):
    return http.get(f"/api/agent/{host}").json()["status"]


def submit(http, host, line, expires):
    """The id of a job that nobody waits for."""
    response = http.post(
        f"/api/node/{host}/command/shell",
        json={"command": line, "timeout": 300},
        params={"expires": expires},
        headers={"Prefer": "respond-async"},
    )
    assert response.status_code == 202, response.text
    return response.json()["job_id"]


def test_a_partitioned_host_ends_its_job_and_does_once_what_is_not_too_late(site, http, t3):
    t3.run("rm", "-f", GO, LOG)
    process = t3.unit("ExecMainPID")
    running = submit(http, "t3", STEPS, "5m")
    eventually(lambda: t3.read(LOG) == "begun" and site.state(running, t3) == "started")

    with t3.apart():
        waiting = submit(http, "t3", f"echo waited >> {LOG}", "5m")
        late = submit(http, "t3", f"echo late >> {LOG}", "5s")
        asked = http.get("/api/node/_all/uptime").json()["results"]
        t3.run("touch", GO)
        eventually(lambda: t3.read(LOG).split() == ["begun", "ended"])
        eventually(lambda: status(http, "t3") == "NotReady")
        assert site.ended(late)["agent_states"]["t3"]["status"] == "expired"
        assert site.job(running)["status"] == "processing"
        assert site.job(waiting)["status"] == "submitted"

    eventually(lambda: status(http, "t3") == "Ready")
    found = [site.ended(job_id) for job_id in (running, waiting, late)]
    assert [job["status"] for job in found] == ["completed", "completed", "failed"]
    [answer] = found[0]["responses"].values()
    assert answer["data"]["stdout"] == "as asked\n"
    assert {item["hostname"]: item["status"] for item in asked} == {"t1": "ok", "t2": "ok", "t3": "failed"}
    for _ in range(3):
        assert site.ask("uptime", "get", on="t3")[0]["status"] == "ok"
    assert t3.read(LOG).split() == ["begun", "ended", "waited"]
    assert [site.job(job["id"]) for job in found] == found
    assert t3.unit("ExecMainPID") == process


def test_a_job_that_expires_in_a_partition_too_short_to_notice_is_not_done_after_it(site, http, t3):
    t3.run("rm", "-f", LATE)
    with t3.apart():
        late = submit(http, "t3", f"echo late >> {LATE}", "1s")
        over = time.monotonic() + 1.5
        eventually(lambda: time.monotonic() > over)

    assert site.ask("uptime", "get", on="t3")[0]["status"] == "ok"
    found = site.ended(late, within=45)
    assert (found["agent_states"]["t3"]["status"], t3.read(LATE)) == ("expired", "")


def test_a_job_that_expires_while_its_agent_is_frozen_is_not_done_when_it_thaws(site, http, t3):
    t3.run("rm", "-f", LATE)
    signal = ("systemctl", "kill", "--kill-whom=main", "osapi-agent", "--signal")
    t3.run(*signal, "STOP")
    try:
        late = submit(http, "t3", f"echo late >> {LATE}", "3s")
        found = site.ended(late, within=50)
    finally:
        t3.run(*signal, "CONT")

    eventually(lambda: status(http, "t3") == "Ready")
    assert site.ask("uptime", "get", on="t3")[0]["status"] == "ok"
    assert found["agent_states"]["t3"]["status"] == "expired"
    assert (site.job(late), t3.read(LATE)) == (found, "")


def test_a_host_behind_a_slow_and_lossy_cable_does_each_job_once_and_answers_each_question(site, http, t2):
    t2.run("rm", "-f", LOG)

    def change(number):
        return submit(http, "t2", f"echo {number} >> {LOG}", "5m")

    def ask(_):
        return http.get("/api/node/t2/uptime")

    with t2.impaired(delay=80, jitter=20, loss=3) as frames, ThreadPoolExecutor(AT_ONCE) as clients:
        changes, answers = clients.map(change, range(COUNT)), clients.map(ask, range(COUNT))
        changed, asked = list(changes), [answer.json() for answer in answers]
        ids = [*changed, *(answer["job_id"] for answer in asked)]
        jobs = [site.ended(job_id) for job_id in ids]

    assert frames["lost"] > 0
    assert len(set(ids)) == 2 * COUNT
    assert [job["status"] for job in jobs[:COUNT]] == ["completed"] * COUNT
    assert Counter(map(int, t2.read(LOG).split())) == dict.fromkeys(range(COUNT), 1)
    for answer, job in zip(asked, jobs[COUNT:], strict=True):
        [result] = answer["results"]
        assert (result["hostname"], result["status"]) == ("t2", "ok"), (result, job)
        assert job["status"] == "completed"
