"""What was submitted, what came back, and what it did: every job appends its number to one file."""

from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import httpx
from processes import eventually

OPEN = {"submitted", "processing"}

POSSIBLE = {"completed": {1}, "unknown": {0, 1}, "expired": {0}}
"""How often a job that ended so may have had its effect."""


def shell(http: httpx.Client, target: str, command: str, *, key: str = "", **query: Any) -> httpx.Response:
    """Submit a command, which may run only once, and do not wait for its end."""
    headers = {"Prefer": "respond-async"} | ({"Idempotency-Key": key} if key else {})
    path, body = f"/api/node/{target}/command/shell", {"command": command, "timeout": 300}
    return http.post(path, json=body, params=query, headers=headers)


def question(http: httpx.Client, target: str, **query: Any) -> httpx.Response:
    """Submit a query, which may run as often as need be, and do not wait for its end."""
    path = f"/api/node/{target}/load"
    return http.get(path, params=query, headers={"Prefer": "respond-async"})


def acknowledged(response: httpx.Response) -> str:
    """The id of a job that is to be durable from here on."""
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


def state(http: httpx.Client, job_id: str, host: str) -> str | None:
    """Where a job is on one host; None where that host has not taken it."""
    found = http.get(f"/api/job/{job_id}").json().get("agent_states", {}).get(host)
    return found and str(found["status"])


def ended(http: httpx.Client, job_id: str, within: float = 30) -> Any:
    """A job as it ended."""

    def look() -> Any:
        found = http.get(f"/api/job/{job_id}")
        assert found.status_code in {200, 503}, found.text
        return found.status_code == 200 and found.json()["status"] not in OPEN and found.json()

    return eventually(look, within=within)


@attrs.define
class Ledger:
    """Numbers of the jobs that were submitted, and the ids of those that were acknowledged."""

    log: Path
    submitted: list[int] = attrs.field(factory=list)
    acknowledged: dict[int, str] = attrs.field(factory=dict)
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1))

    def submit(
        self, http: httpx.Client, target: str, *, then: str = "true", again: bool = False, expires: str = "5m"
    ) -> None:
        """Submit one job; with `again` until it is acknowledged."""
        number = next(self._numbers)
        self.submitted.append(number)
        command, key = f"echo {number} >> {self.log}; {then}", f"job-{number}" if again else ""

        def attempt() -> bool:
            try:
                found = shell(http, target, command, key=key, expires=expires)
            except httpx.TransportError:
                return not again
            if found.status_code != 503:
                self.acknowledged[number] = acknowledged(found)
            return number in self.acknowledged or not again

        eventually(attempt)

    @property
    def effects(self) -> Counter[int]:
        """How often each number was appended."""
        return Counter(map(int, self.log.read_text().split())) if self.log.exists() else Counter()

    def settle(self, http: httpx.Client, within: float = 60) -> Counter[str]:
        """Wait until every job has ended, hold each against what it did, and count the ways they ended."""

        def still_open() -> int:
            pages = [http.get("/api/job", params={"status": status, "limit": 1}) for status in OPEN]
            return sum(page.json()["total_items"] if page.status_code == 200 else 1 for page in pages)

        eventually(lambda: still_open() == 0, within=within)
        found = {number: ended(http, job_id) for number, job_id in self.acknowledged.items()}
        effects = self.effects
        assert effects.keys() <= set(self.submitted)
        assert [number for number, times in effects.items() if times > 1] == []
        ways = Counter[str]()
        for number, job in found.items():
            way = self._way(job)
            assert way in POSSIBLE, job
            assert effects[number] in POSSIBLE[way], job
            ways[way] += 1
        assert ways.total() == len(self.acknowledged)
        return ways

    def _way(self, job: Any) -> str:
        """How a job ended on the one host that did it."""
        states = [each["status"] for each in job["agent_states"].values()]
        assert len(states) == 1, job
        return str(states[0])
