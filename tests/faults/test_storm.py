"""Everything is killed again and again, at moments that chance chooses, while jobs flow."""

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

import pytest
from processes import kill, start

JOBS, KILLS = 200, 10
AGENTS = ("a", "b", "c")


def flow(site, ledger, seed, allowed):
    """Submit all jobs, as they are allowed: every other one once, the rest until it is acknowledged."""
    chance = random.Random(seed)
    with site.http() as http:
        for i in range(JOBS):
            allowed.acquire()
            target = chance.choice(("_any", "_any", "_any", *AGENTS))
            ledger.submit(http, target, then=chance.choice(("true", "sleep 0.3")), again=i % 2 == 0)


@pytest.mark.parametrize("seed", [1])
def test_two_hundred_jobs_in_a_storm_of_kills_all_end_and_none_is_done_twice(site, ledger, seed):
    chance, moment, allowed = random.Random(seed), Event(), Semaphore(0)
    daemons = [site.broker(), site.controller(), *(site.agent(name) for name in AGENTS)]
    with ThreadPoolExecutor() as beside, site.http() as http:
        flowing = beside.submit(flow, site, ledger, seed, allowed)
        for _ in range(KILLS):
            victims = chance.sample(daemons, chance.choice((1, 1, 2)))
            allowed.release(JOBS // KILLS)
            moment.wait(chance.uniform(0.1, 0.6))
            kill(*victims)
            moment.wait(chance.uniform(0, 0.6))
            start(*victims)
        flowing.result()

        ways = ledger.settle(http)

    assert len(ledger.submitted) == JOBS
    assert len(ledger.acknowledged) >= JOBS // 2
    assert ways["completed"] > ways["unknown"]
    assert all(daemon.process.poll() is None for daemon in daemons)
