"""Daemons that are killed at each step of jobs: of one that may run only once, and of two that may run again."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import attrs
import httpx
import psutil
import pytest
from ledger import acknowledged, ended, question, shell, state
from processes import Daemon, Installation, eventually, installation, kill, start

COUNT = count(1)


@attrs.frozen
class Command:
    """A command that appends a line to its log, and ends when it may."""

    job_id: str
    log: Path
    go: Path

    @property
    def lines(self) -> int:
        return self.log.read_text().count("ran\n") if self.log.exists() else 0


@attrs.frozen
class Trial:
    """One daemon of each kind; the agent does one job at a time, so that others wait behind it."""

    site: Installation
    daemons: dict[str, Daemon]
    http: httpx.Client

    def hit(self, victim: str, *, gone: str = "") -> None:
        """Kill one daemon, or all, and start again what is dead, `gone` too."""
        victims = set(self.daemons) if victim == "everything" else {victim}
        kill(*(self.daemons[name] for name in victims - {gone}))
        start(*(daemon for name, daemon in self.daemons.items() if name in victims | {gone}))
        eventually(lambda: self.http.get("/api/health/ready").status_code == 200)

    def command(self, *, held: bool = False) -> Command:
        """Submit what may run only once."""
        log = self.site.folder / f"log-{next(COUNT)}"
        go = log.with_name(f"{log.name}-go")
        script = f"echo ran >> {log}" + f"; while [ ! -e {go} ]; do sleep 0.05; done" * held
        return Command(acknowledged(shell(self.http, "web", script, expires="5m")), log, go)

    def begun(self) -> Command:
        """What may run only once, in the middle of it."""
        found = self.command(held=True)
        eventually(lambda: found.lines)
        return found

    def repeatable(self) -> list[str]:
        """Submit a question and a dry run."""
        dry = shell(self.http, "web", f"echo >> {self.site.folder}/wet", dry_run=True, expires="5m")
        return [acknowledged(question(self.http, "web", expires="5m")), acknowledged(dry)]

    def accepted(self, *job_ids: str) -> None:
        """Wait until the agent has said that it will do them."""
        eventually(lambda: all(state(self.http, job_id, "web") == "accepted" for job_id in job_ids))

    def way(self, job_id: str) -> str:
        """How a job ended."""
        return str(ended(self.http, job_id)["agent_states"]["web"]["status"])

    def completed(self, *job_ids: str) -> bool:
        return all(self.way(job_id) == "completed" for job_id in job_ids)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Looked at after the last test of this module: the daemons are started again in each."""
    before = psutil.Process().children(recursive=True)
    yield
    assert psutil.Process().children(recursive=True) == before


@pytest.fixture(scope="module")
def trial(shared_site: Installation) -> Iterator[Trial]:
    site = shared_site
    daemons = {
        "broker": site.broker(),
        "controller": site.controller(),
        "agent": site.agent("web", OSAPI_AGENT_MAX_JOBS="1"),
    }
    with site.http() as http:
        yield Trial(site, daemons, http)
    assert not (site.folder / "wet").exists()


each_victim = pytest.mark.parametrize("victim", ["agent", "broker", "controller", "everything"])


@each_victim
def test_jobs_that_no_agent_has_taken_yet_are_done_once(trial, victim):
    kill(trial.daemons["agent"])
    command, repeatable = trial.command(), trial.repeatable()

    trial.hit(victim, gone="agent")

    assert trial.completed(command.job_id, *repeatable)
    assert command.lines == 1


@each_victim
def test_a_command_that_runs_is_not_run_again_and_what_waits_behind_it_is_done_once(trial, victim):
    running = trial.begun()
    waiting, repeatable = trial.command(), trial.repeatable()
    trial.accepted(waiting.job_id, *repeatable)

    trial.hit(victim)
    running.go.touch()

    interrupted = victim in {"agent", "everything"}
    assert trial.way(running.job_id) == ("unknown" if interrupted else "completed")
    assert trial.completed(waiting.job_id, *repeatable)
    assert (running.lines, waiting.lines) == (1, 1)


@each_victim
def test_questions_and_dry_runs_in_full_flow_are_all_answered(trial, victim):
    before = trial.begun()
    jobs = [job_id for _ in range(30) for job_id in trial.repeatable()]
    before.go.touch()
    eventually(lambda: state(trial.http, jobs[0], "web") == "completed")

    trial.hit(victim)

    assert trial.completed(*jobs)


@each_victim
def test_answers_that_have_not_reached_the_broker_are_given_later(trial, victim):
    running = trial.begun()
    jobs = [running.job_id, *trial.repeatable()]
    trial.accepted(*jobs[1:])
    kill(trial.daemons["broker"])
    running.go.touch()
    eventually(lambda: all(f'"job": "{job_id}"' in trial.daemons["agent"].text for job_id in jobs))

    trial.hit(victim, gone="broker")

    assert trial.completed(*jobs)
    assert running.lines == 1


@each_victim
def test_jobs_that_have_ended_stay_as_they_are(trial, victim):
    command, repeatable = trial.command(), trial.repeatable()
    jobs = [command.job_id, *repeatable]
    before = [ended(trial.http, job_id) for job_id in jobs]

    trial.hit(victim)

    assert trial.completed(*trial.repeatable())
    assert [ended(trial.http, job_id) for job_id in jobs] == before
    assert command.lines == 1


def test_a_nats_server_that_is_killed_is_started_again_by_the_one_who_had_started_it(tmp_path, ledger):
    with installation(tmp_path) as site:
        broker = site.broker()
        site.controller(), site.agent("web")
        with site.http() as http:
            ledger.submit(http, "web")
            [server] = [each for each in broker.family if each.name() == "nats-server"]
            server.kill()

            ledger.submit(http, "web", again=True)

            assert ledger.settle(http) == {"completed": 2}
        assert broker.process.poll() is None
