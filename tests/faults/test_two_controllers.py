"""Two controllers on one broker, as behind one address: what one has begun, the other brings to its end."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import attrs
import httpx
from ledger import ended
from processes import eventually

JOBS = 60
AGENTS = ("a", "b")


@attrs.frozen
class Address:
    """Both behind one address: who does not find the first is led to the second."""

    first: httpx.Client
    second: httpx.Client

    def post(self, *request, **more):
        try:
            return self.first.post(*request, **more)
        except httpx.TransportError:
            return self.second.post(*request, **more)


def test_what_a_killed_controller_was_given_ends_through_the_other_under_load(site, ledger):
    site.broker()
    controller, other = site.controller(), site.beside("other")
    other.controller()
    for name in AGENTS:
        site.agent(name)
    halfway = Event()

    def flow(http, again):
        for i in range(JOBS):
            ledger.submit(http, ("_any", *AGENTS)[i % 3], then="sleep 0.2", again=again)
            if i == JOBS // 2:
                halfway.set()

    with site.http() as one, other.http() as two, ThreadPoolExecutor() as beside:
        eventually(lambda: {host["hostname"] for host in two.get("/api/agent").json()["agents"]} == {*AGENTS})
        flows = [
            beside.submit(flow, one, again=False),
            beside.submit(flow, two, again=False),
            beside.submit(flow, Address(one, two), again=True),
        ]
        halfway.wait()
        controller.kill()
        for each in flows:
            each.result()

        ways = ledger.settle(two)
        assert set(ways) == {"completed"}
        assert 2 * JOBS <= ways.total() < 3 * JOBS

        controller.start().until_ready()
        found = [ended(one, job_id) for job_id in ledger.acknowledged.values()]
        assert found == [ended(two, job_id) for job_id in ledger.acknowledged.values()]
