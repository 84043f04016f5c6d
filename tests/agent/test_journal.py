"""What the journal remembers across the death of its agent."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from agent.journal import KEPT, Journal
from osapi.jobs import Answer, Job, JobHost, State, now


def job(number=1, *, expires=30.0):
    return Job(
        id=f"00000000-0000-0000-0000-{number:012}",
        operation="timezone.update",
        params={"timezone": "Europe/Berlin"},
        target="web",
        hosts=[JobHost(machine_id="m", hostname="web")],
        user="anna",
        created=now(),
        expires=now() + timedelta(seconds=expires),
        modifies=True,
    )


def answer(definition):
    return Answer(job_id=definition.id, machine_id="m", hostname="web", state=State.COMPLETED, changed=True)


async def test_what_was_begun_and_not_ended_is_found_after_a_restart(tmp_path):
    with Journal.open(tmp_path / "journal.db") as journal:
        await journal.begin(job())

    with Journal.open(tmp_path / "journal.db") as journal:
        [begun] = await journal.unsent()

    assert (begun.job.id, begun.answer, begun.sent) == (job().id, None, False)


async def test_an_answer_is_kept_until_it_was_sent_and_known_after(tmp_path):
    with Journal.open(tmp_path / "journal.db") as journal:
        await journal.begin(job())
        await journal.finish(answer(job()))
        assert [begun.answer for begun in await journal.unsent()] == [answer(job())]

        await journal.mark_sent(job().id)

        assert await journal.unsent() == []
        found = await journal.find(job().id)
        assert found is not None
        assert found.answer == answer(job())


async def test_a_job_that_was_never_begun_is_not_known(tmp_path):
    with Journal.open(tmp_path / "journal.db") as journal:
        assert await journal.find(job().id) is None


async def test_what_expired_long_ago_is_forgotten(tmp_path):
    with Journal.open(tmp_path / "journal.db") as journal:
        await journal.begin(job(1, expires=-KEPT.total_seconds() - 60))
        await journal.begin(job(2))

    with Journal.open(tmp_path / "journal.db") as journal:
        assert [begun.job.id for begun in await journal.unsent()] == [job(2).id]


def test_a_beginning_survives_sigkill_right_after_it(tmp_path):
    script = """
import sys, trio, os, signal
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from agent.journal import Journal
from test_journal import job
async def main():
    with Journal.open(Path(sys.argv[1])) as journal:
        await journal.begin(job())
        os.kill(os.getpid(), signal.SIGKILL)
trio.run(main)
"""

    path = tmp_path / "journal.db"
    done = subprocess.run([sys.executable, "-c", script, path, Path(__file__).parent], check=False)

    assert done.returncode == -signal.SIGKILL
    import sqlite3

    database = sqlite3.connect(path)
    rows = database.execute("select id, answer from journal").fetchall()
    database.close()
    assert rows == [(job().id, None)]
