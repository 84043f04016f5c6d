"""Controller and agents of different versions: an older agent does nothing of what it does not know, and says so."""

import shutil
from pathlib import Path

import pytest
from processes import installation

import osapi

ROOT = Path(osapi.__file__).parents[1]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """An installation, and an agent of 0.0.9: that knew nothing of clocks, and no folder to run a command line in."""
    code = tmp_path_factory.mktemp("code")
    for package in ("osapi", "agent"):
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "osapi/__init__.py").write_text('__version__ = "0.0.9"\n')
    (code / "osapi/operations/ntp.py").unlink()
    (code / "agent/providers/ntp.py").unlink()
    without(code / "osapi/operations/command.py", "    cwd: Folder | None = None\n", "")
    without(code / "agent/providers/command.py", "p.cwd", "None")
    with installation(tmp_path_factory.mktemp("mixed")) as found:
        found.everything()
        found.agent("older", PYTHONPATH=str(code), PYTHONSAFEPATH="1")
        yield found


def without(path, words, others):
    text = path.read_text()
    assert words in text
    path.write_text(text.replace(words, others))


@pytest.fixture
def asked(mixed):
    """What the older agent answers, and what the other."""

    def ask(method, path, **given):
        with mixed.http() as http:
            answer = http.request(method, f"/api/node/_all{path}", **given)
        assert answer.is_success, answer.text
        return sorted(answer.json()["results"], key=lambda item: item["hostname"] != "older")

    return ask


def test_an_operation_that_an_older_agent_does_not_know_is_skipped(asked):
    older, newer = asked("GET", "/ntp")

    assert (older["status"], older["changed"]) == ("skipped", False)
    assert older["error"] == "this agent (0.0.9) does not know ntp.get; upgrade it"
    assert "does not know" not in newer.get("error", "")


def test_one_with_a_parameter_that_it_does_not_know_is_not_done_without_it(asked, tmp_path):
    older, newer = asked(
        "POST", "/command/shell", json={"command": "touch ran-by-$PPID", "cwd": str(tmp_path)}
    )

    assert (older["status"], newer["status"]) == ("skipped", "ok")
    assert older["error"] == "this agent (0.0.9) does not know `cwd` of command.shell; upgrade it"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_both_know_is_done_by_both(asked):
    older, newer = asked("POST", "/command/shell", json={"command": "echo done"})

    assert (older["stdout"], newer["stdout"]) == ("done\n", "done\n")
    assert older["status"] == newer["status"]
