"""A disk that is full under the broker: what cannot be stored is refused, what is stored can be read."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from ledger import acknowledged, ended, question, shell
from processes import eventually

SIZE = "24m"


@pytest.fixture
def disk(site, tmp_path):
    """The broker's disk, which is small."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)], check=True)
    site.env["OSAPI_NATS_SERVER_STORE_DIR"] = str(folder / "nats")
    try:
        yield folder
        site.close()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file):
    """Take all that is left of a disk."""
    with file.open("wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(65536)):
                pass
        except OSError:
            pass


def test_what_others_fill_the_disk_with_stops_work_until_they_take_it_away(site, disk, ledger, tmp_path):
    site.broker(), site.controller()
    agent = site.agent("web")
    go, log = tmp_path / "go", tmp_path / "log"
    with site.http() as http, ThreadPoolExecutor() as beside:
        ledger.submit(http, "web")
        ledger.settle(http)
        held = f"echo ran >> {log}; while [ ! -e {go} ]; do sleep 0.05; done"
        running = acknowledged(shell(http, "web", held))
        eventually(log.exists)

        fill(disk / "ballast")
        go.touch()
        refused = [beside.submit(each, http, "web") for each in (ledger.submit, question)]
        assert ended(http, ledger.acknowledged[1])["status"] == "completed"
        assert http.get("/api/job").json()["total_items"] == 2
        eventually(lambda: agent.said("an answer waits for the broker"))
        assert refused[1].result().status_code == 503
        assert len(ledger.acknowledged) == 1

        (disk / "ballast").unlink()

        eventually(lambda: question(http, "web").status_code == 202)
        ledger.submit(http, "web")
        assert ended(http, running)["status"] == "completed"
        assert log.read_text() == "ran\n"
        assert ledger.settle(http)["completed"] == 2


def test_a_broker_that_may_store_no_more_says_so_and_deleting_jobs_makes_room(site, disk, ledger):
    site.broker(), site.controller(), site.agent("web")
    padding = f"true # {'.' * 100_000}"
    with site.http() as http:
        eventually(lambda: ledger.submit(http, "web", then=padding) or ...)
