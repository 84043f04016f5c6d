"""Jobs whose host is gone: who may do them instead, who may not, and how they end where nobody may."""

from ledger import acknowledged, ended, question, shell, state
from processes import eventually, kill


def test_a_job_for_any_host_waits_for_those_it_was_meant_for_and_not_for_one_that_comes_later(site, ledger):
    site.broker(), site.controller()
    agent = site.agent("a")
    with site.http() as http:
        kill(agent)
        ledger.submit(http, "_any")
        site.agent("b")
        assert ended(http, acknowledged(question(http, "b")))["status"] == "completed"

        agent.start()

        assert ledger.settle(http) == {"completed": 1}
        assert state(http, ledger.acknowledged[1], "a") == "completed"


def test_what_an_agent_had_taken_that_is_gone_for_good_is_done_by_another_or_ends_as_unknown_or_lost(
    site, ledger
):
    site.env["OSAPI_NATS_REGISTRY_TTL"] = "3s"  # so that it is known soon that an agent is gone
    site.broker(), site.controller(), site.agent("a")
    gone = site.agent("b")
    with site.http() as http:
        for_it = acknowledged(shell(http, "b", "sleep 2", expires="1s"))
        for _ in range(12):
            ledger.submit(http, "_any", then="sleep 2")
        questions = [acknowledged(question(http, "_any", expires="5m")) for _ in range(40)]
        dry = [acknowledged(shell(http, "_any", "true", dry_run=True, expires="5m")) for _ in range(20)]
        eventually(lambda: any(state(http, job_id, "b") for job_id in ledger.acknowledged.values()))
        assert state(http, for_it, "b") in {"accepted", "started"}

        kill(gone)

        assert ended(http, for_it)["agent_states"]["b"]["status"] == "lost"
        assert {ended(http, job_id)["status"] for job_id in questions + dry} == {"completed"}
        assert set(ledger.settle(http)) == {"completed", "unknown"}
