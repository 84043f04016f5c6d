"""The journal of a real host: what was logged there by its own programs."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import eventually

LOGGER = (
    "for i in 1 2 3; do echo line $i; done; echo '<3>an error'; printf '\\377 is no text\\n'; exec sleep 2"
)


@pytest.fixture
def log(http):
    """What t1 answers to a question about its journal; or why it does not."""

    def ask(path="", refused=None, **query):
        answer = http.get(f"/api/node/t1/log{path}", params=query)
        if refused:
            assert answer.status_code == refused, answer.text
            return answer.json()["detail"]
        [item] = answer.json()["results"]
        return item["error"] if item["status"] == "failed" else item

    return ask


@pytest.fixture(scope="module")
def speaker(site):
    """A unit of t1 that has said five things, one of them an error; by its name."""
    name = f"speaker-{time.monotonic_ns()}"
    site.hosts["t1"].run("systemd-run", "--quiet", f"--unit={name}", "--wait", "sh", "-c", LOGGER)
    return name


def said(item):
    return [entry["message"] for entry in item["entries"] if entry["unit"] == "sh"]


def test_the_newest_entries_of_a_unit_are_what_journalctl_shows(log, t1, speaker):
    item = log(f"/unit/{speaker}", lines=100)

    shown = t1.run("journalctl", "--quiet", "--unit", speaker, "--output", "short-unix").splitlines()
    assert said(item) == ["line 1", "line 2", "line 3", "an error", "� is no text"]
    assert len(item["entries"]) == len(shown)
    assert [entry["priority"] for entry in item["entries"] if entry["message"] == "an error"] == ["err"]
    assert {entry["hostname"] for entry in item["entries"]} == {"t1"}
    newest = log(f"/unit/{speaker}.service", lines=2, since="1 hour ago")["entries"]
    assert newest == item["entries"][-2:]


def test_entries_are_chosen_by_importance_and_time(log, t1, speaker):
    errors = log(f"/unit/{speaker}", priority="err")
    now = t1.run("date", "--iso-8601=seconds", "--date=+1 second")
    t1.sh(f"sleep 1.1; logger --tag {speaker} 'only this'")

    since = log(since=now, lines=1000)

    assert said(errors) == ["an error"]
    assert "only this" in [entry["message"] for entry in since["entries"] if entry["unit"] == speaker]
    assert all(entry["timestamp"] >= now[:19] for entry in since["entries"])


def test_sources_are_the_names_under_which_something_was_told(log, t1):
    names = t1.run("journalctl", "--field=SYSLOG_IDENTIFIER").splitlines()

    assert set(names) <= set(log("/source")["sources"])


def test_what_is_no_unit_and_no_time_is_refused(log):
    assert "nosuch" in log("/unit/nosuch", refused=404)
    assert "rubbish" in log(since="rubbish")
    for name in ("-x", "ss*", "ssh;id", "ssh --vacuum-size=1"):
        log(f"/unit/{name}", refused=400)
    for query in ({"priority": "loud"}, {"lines": "0"}, {"since": "now\n--vacuum-size=1"}):
        log(refused=400, **query)


def test_what_comes_into_the_journal_is_told_as_it_comes(http, t1):
    tag = f"live-{time.monotonic_ns()}"

    def events(job_id):
        with http.stream("GET", f"/api/job/{job_id}/events") as stream:
            return [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]

    begun = http.get(
        "/api/node/t1/log/follow", params={"timeout": 4}, headers={"Prefer": "respond-async"}
    ).json()
    eventually(lambda: t1.sh("pgrep --full '[j]ournalctl.*--follow' || true"))
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(events, begun["job_id"])
        for number in range(3):
            t1.sh(f"logger --tag {tag} 'number {number}'; sleep 0.3")
        told = reading.result()

    text = "".join(event["data"]["text"] for event in told if event["kind"] == "output")
    assert [line.partition("]: ")[2] for line in text.splitlines() if f" {tag}" in line] == [
        "number 0",
        "number 1",
        "number 2",
    ]
    [answer] = http.get(f"/api/job/{begun['job_id']}").json()["responses"].values()
    assert [each["message"] for each in answer["data"]["entries"] if each["unit"] == tag] == [
        "number 0",
        "number 1",
        "number 2",
    ]
    assert t1.sh("pgrep --full '[j]ournalctl.*--follow' || true") == ""
