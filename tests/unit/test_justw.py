"""The wrapper that makes the environment: what it says where that cannot be done, and what it does not do twice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PYTHON = """#!/bin/sh
case "$*" in
    *"-m venv"*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; cp "$0" "$4/bin/just"; exit ;;
    *"-m pip"*) echo "$*" >>"$LOG"; exit ;;
    *{missing}*) exit 1 ;;
    --justfile*) echo "just $*"; exit ;;
esac
exec {python} "$@"
"""


@pytest.fixture
def project(tmp_path):
    """A project in a folder with a space in its name, and a Python that only notes down what it is to install."""
    folder = tmp_path / "a project"
    folder.mkdir()
    for name in ("justw", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def justw(project, *words, missing="nothing", python=None):
    fake = project / "python"
    fake.write_text(PYTHON.format(missing=missing, python=sys.executable))
    fake.chmod(0o755)
    (project / "log").touch()
    named = python or os.path.relpath(fake)
    environment = {**os.environ, "OSAPI_PYTHON": named, "LOG": str(project / "log")}
    return subprocess.run(
        ["sh", str(project / "justw"), *words],
        env=environment,
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def installed(project):
    return (project / "log").read_text().splitlines()


def test_without_a_python_it_says_which_is_needed(project):
    done = justw(project, "test", python="no-such-python")

    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, and none of these is: no-such-python." in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_without_venv_it_says_which_package_has_it(project):
    done = justw(project, "test", python="./python", missing="ensurepip")

    assert done.returncode == 1
    assert f"apt-get install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in done.stderr
    assert not (project / ".venv.lock").exists()


def test_it_installs_what_is_locked_and_hands_over_to_just(project):
    done = justw(project, "start", "-f", "a file.yaml", python="./python")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"just --justfile {project}/justfile start -f a file.yaml\n"
    assert "making .venv" in done.stderr
    assert any("--require-hashes -r" in line for line in installed(project))


def test_it_installs_again_only_where_lock_or_project_changed(project):
    justw(project, "test", python="./python")
    once = len(installed(project))

    again = justw(project, "test", python="./python")
    unchanged = len(installed(project))
    with (project / "requirements.lock").open("a") as lock:
        lock.write("# another version\n")
    justw(project, "test", python="./python")

    assert again.stderr == ""
    assert once == unchanged
    assert len(installed(project)) > once


def test_the_lock_of_one_that_was_killed_is_taken_over(project):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (project / ".venv.lock").mkdir()
    (project / ".venv.lock/pid").write_text(f"{ended.pid}\n")

    done = justw(project, "test", python="./python")

    assert done.returncode == 0, done.stderr
    assert not (project / ".venv.lock").exists()
