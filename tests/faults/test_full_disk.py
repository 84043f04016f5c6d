"""A disk that is full under the broker: what cannot be stored is refused, what is stored can be read."""

import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from ledger import acknowledged, ended, question, shell, state
from processes import eventually

HOST = socket.gethostname()

MORE_THAN_A_PAGE = "." * 20_000
"""What there is no room for on a full disk; less may go where the end of a file has some left."""


@pytest.fixture
def disk(site, tmp_path, request):
    """The disk under the state directory, the broker's store in it; as small as the test says."""
    folder = tmp_path / "state"
    folder.mkdir()
    options = f"size={request.param},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
    try:
        yield folder
        site.close()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file):
    """Take all that is left of a disk."""
    with file.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(65536)):
            pass


@pytest.mark.parametrize("disk", ["40m"], indirect=True)
def test_a_disk_that_others_fill_stops_work_until_there_is_room_again(site, disk, ledger, tmp_path):
    """All of `osapi start` lies on it: a command of which the agent cannot note that it begins, does not begin."""
    site.env["OSAPI_AGENT_MAX_JOBS"] = "1"
    everything = site.everything()
    go, log, later = tmp_path / "go", tmp_path / "log", tmp_path / "later"
    with site.http() as http, ThreadPoolExecutor() as beside:
        ledger.submit(http, HOST)
        before = ended(http, ledger.acknowledged[1])
        held = f"echo ran >> {log}; while [ ! -e {go} ]; do sleep 0.05; done; echo {MORE_THAN_A_PAGE}"
        running = acknowledged(shell(http, HOST, held))
        eventually(log.exists)
        waiting = acknowledged(shell(http, HOST, f"echo ran >> {later}; echo {MORE_THAN_A_PAGE}"))
        eventually(lambda: state(http, waiting, HOST) == "accepted")

        fill(disk / "ballast")
        go.touch()
        ledger.submit(http, HOST, then=f": {MORE_THAN_A_PAGE}")
        refused = beside.submit(shell, http, HOST, f": {MORE_THAN_A_PAGE}")
        assert ended(http, ledger.acknowledged[1]) == before
        assert http.get("/api/job").json()["total_items"] == 3
        eventually(lambda: everything.said("an answer waits for the broker"))
        (disk / "ballast").unlink()

        assert list(ledger.acknowledged) == [1]
        assert refused.result().status_code == 503
        eventually(lambda: question(http, HOST).status_code == 202)
        ledger.submit(http, HOST)
        assert ledger.settle(http) == {"completed": 2}
        assert ended(http, running)["status"] == "completed"
        assert log.read_text() == "ran\n"
        assert ended(http, waiting)["status"] == ("completed" if later.exists() else "failed")


@pytest.mark.parametrize("disk", ["12m"], indirect=True)
def test_when_the_broker_may_store_no_more_jobs_are_refused_until_some_are_deleted(site, disk, ledger):
    site.broker(), site.controller(), site.agent("web")
    with site.http() as http:
        ledger.submit(http, "web")
        before = ended(http, ledger.acknowledged[1])

        def refused():
            ledger.submit(http, "web", then=f": {'.' * 100_000}")
            return len(ledger.acknowledged) < len(ledger.submitted)

        eventually(refused)
        problem = question(http, "web")
        assert problem.status_code == 503
        assert "full" in problem.json()["detail"]
        assert ended(http, ledger.acknowledged[1]) == before

        def deleted():
            found = [number for number, job_id in ledger.acknowledged.items() if completed(http, job_id)]
            for number in found[1:]:
                assert http.delete(f"/api/job/{ledger.acknowledged.pop(number)}").status_code == 204
            return len(ledger.acknowledged) < 10

        eventually(deleted)
        eventually(lambda: question(http, "web").status_code == 202)
        assert ledger.settle(http)["completed"] == len(ledger.acknowledged)
        assert ended(http, ledger.acknowledged[1]) == before


def completed(http, job_id):
    return http.get(f"/api/job/{job_id}").json()["status"] == "completed"
