"""A broker that stands still for a while, as it does when its machine is suspended or out of memory."""

import time

from ledger import acknowledged, ended, question, shell
from processes import eventually

FROZEN = 9.0
"""Seconds: longer than an answer of the broker is waited for, and than a silent connection is kept."""


def held(log, go):
    """A command that appends a line, and ends when it may."""
    return f"echo ran >> {log}; while [ ! -e {go} ]; do sleep 0.05; done"


def test_a_frozen_broker_is_told_of_and_when_it_is_back_all_goes_on_by_itself(site, ledger, tmp_path):
    site.env["OSAPI_NATS_REGISTRY_TTL"] = "3s"  # so that for want of beats all agents could be taken for gone
    broker = site.broker()
    site.controller()
    for name in ("a", "b", "c"):
        site.agent(name)
    go, log = tmp_path / "go", tmp_path / "log"
    with site.http() as http:
        running = acknowledged(shell(http, "_any", held(log, go), expires="5m"))
        eventually(log.exists)
        for i in range(60):
            ledger.submit(
                http, ("_any", "a", "b", "c")[i % 4], then="sleep 0.3", expires="3s" if i % 3 else "5m"
            )

        broker.freeze()
        begun = time.monotonic()

        def told_until_its_end():
            assert question(http, "_any").status_code == 503
            assert http.get("/api/job").status_code == 503
            assert http.get("/api/health/ready").status_code == 503
            assert http.get("/api/health").status_code == 200
            return time.monotonic() - begun > FROZEN

        eventually(told_until_its_end)
        broker.thaw()

        answered = eventually(
            lambda: (found := question(http, "_any")).status_code == 202 and acknowledged(found)
        )
        assert ended(http, answered)["status"] == "completed"
        assert http.get(f"/api/job/{running}").json()["status"] == "processing"
        go.touch()
        assert ended(http, running)["status"] == "completed"
        assert log.read_text() == "ran\n"
        assert ledger.settle(http)["completed"] > 20


def test_an_answer_is_given_after_the_broker_was_frozen_and_its_agent_killed(site, tmp_path):
    broker, _, agent = site.broker(), site.controller(), site.agent("web")
    go, log = tmp_path / "go", tmp_path / "log"
    with site.http() as http:
        job_id = acknowledged(shell(http, "web", held(log, go), expires="5m"))
        eventually(log.exists)

        broker.freeze()
        go.touch()
        eventually(lambda: agent.said("an answer waits for the broker"))
        agent.kill()
        broker.thaw()
        agent.start()

        assert ended(http, job_id)["status"] == "completed"
        assert log.read_text() == "ran\n"
