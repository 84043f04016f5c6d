"""A cluster of three brokers that loses the one that leads: the others have all that it had acknowledged."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from cluster import cluster
from processes import eventually

JOBS = 150
AGENTS = ("a", "b", "c")


@pytest.fixture
def brokers(tmp_path):
    with cluster(tmp_path) as found:
        yield found


def test_jobs_go_on_while_a_cluster_loses_the_leader_of_their_streams_and_gets_it_back(brokers, site, ledger):
    site.env |= brokers.env
    site.controller()
    for name in AGENTS:
        site.agent(name)

    def flow():
        with site.http() as http:
            for i in range(JOBS):
                ledger.submit(http, ("_any", *AGENTS)[i % 4], then="sleep 0.1", again=i % 2 == 0)
                if job_id := ledger.acknowledged.get(ledger.submitted[-1]):
                    assert http.get(f"/api/job/{job_id}").status_code in {200, 503}

    with site.http() as http, ThreadPoolExecutor() as beside:
        flowing = beside.submit(flow)
        for i, stream in enumerate(("KV_job-queue", "KV_job-responses")):
            eventually(lambda i=i: len(ledger.submitted) > (3 * i + 1) * JOBS // 6)
            leader = brokers.leader(stream)
            brokers.brokers[leader].kill()
            eventually(lambda i=i: len(ledger.submitted) > (3 * i + 3) * JOBS // 6 - 1)
            brokers.start(leader)
        flowing.result()

        assert set(ledger.settle(http)) == {"completed"}
