"""What is to be done once is done once, by whichever host."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from processes import eventually

JOBS = 1000
AT_ONCE = 16


def completed(http):
    """The ids of all jobs that have ended well."""
    cursor, found = {}, set()
    while cursor is not None:
        page = http.get("/api/job", params={"status": "completed", "limit": 100, **cursor}).json()
        found |= {item["id"] for item in page["items"]}
        cursor = {"cursor": page["next_cursor"]} if page.get("next_cursor") else None
    return found


def nothing_is_open(http):
    counts = http.get("/api/job", params={"limit": 1}).json()["status_counts"]
    return not counts.get("submitted") and not counts.get("processing")


def test_a_thousand_jobs_for_any_host_run_once_each(site, http):
    def submit(number):
        return http.post(
            "/api/node/_any/command/shell",
            json={"command": f"echo {number} >> /var/tmp/thousand"},
            params={"expires": "10m"},
            headers={"Prefer": "respond-async"},
        )

    with ThreadPoolExecutor(AT_ONCE) as clients:
        responses = list(clients.map(submit, range(JOBS)))
    eventually(lambda: nothing_is_open(http), within=240)

    assert {response.status_code for response in responses} == {202}
    ids = {response.json()["job_id"] for response in responses}
    assert len(ids) == JOBS
    assert ids <= completed(http)
    ran = [host.read("/var/tmp/thousand").split() for host in site.hosts.values()]
    assert Counter(chain(*ran)) == {str(number): 1 for number in range(JOBS)}
    assert all(ran)
