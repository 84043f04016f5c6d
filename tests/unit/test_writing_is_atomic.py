"""An agent that is killed while it writes leaves the old file or the new one, and its draft goes with the next write.

Killed is a real process, by SIGKILL: once before each call that it makes into C (which all system calls are), and
at many moments by chance.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLED = Path(__file__).parent / "killed_while_writing.py"


def killed(tmp_path, act):
    """Each state that a killed process left, with how many drafts, and how many were left after the next write."""
    done = subprocess.run(
        [sys.executable, str(KILLED), str(tmp_path), act], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    return (
        [tuple(state) for state, _ in found["seen"]],
        [drafts for _, drafts in found["seen"]],
        found["left"],
    )


@pytest.mark.parametrize(("act", "new"), [("replace", "new2997"), ("draft", "new2997"), ("symlink", "link")])
def test_killed_at_each_call_it_leaves_the_old_or_the_new_file(tmp_path, act, new):
    states, drafts, left = killed(tmp_path, act)

    old = states[0]
    assert old[:2] == ("old3000", "0o660")
    assert states[-1][0] == new
    assert set(states) == {old, states[-1]}
    assert max(drafts) == 1
    assert left == 0


def test_killed_by_chance_while_it_writes_much_it_leaves_the_old_or_the_new_file(tmp_path):
    states, drafts, left = killed(tmp_path, "chance")

    assert {state[:2] for state in states} <= {("old1500000", "0o660"), ("new1498500", "0o600")}
    assert max(drafts) <= 1
    assert left == 0


def test_killed_while_mode_and_owner_are_set_nobody_has_a_right_that_is_neither_old_nor_new(tmp_path):
    states, *_ = killed(tmp_path, "set_attributes")

    (_, _, uid, gid), (_, new_mode, new_uid, new_gid) = states[0], states[-1]
    assert new_mode == "0o600"
    for _, mode, *owner in states:
        assert tuple(owner) in {(uid, gid), (new_uid, new_gid)}
        assert tuple(owner) == (uid, gid) or mode == "0o600"
