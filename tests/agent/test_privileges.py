"""What may run as root: nothing but the list, in the agent and in the sudoers file."""

import re
import shutil
import subprocess

import pytest

from agent import privileges
from agent.host import Host
from osapi.errors import Refused

EVERY = [
    pytest.param(pattern, id=" ".join(pattern))
    for patterns in privileges.by_domain().values()
    for pattern in patterns
]
PATHS = {name: f"/usr/bin/{name}" for name in privileges.programs()}


@pytest.mark.parametrize(
    ("pattern", "argv", "matches"),
    [
        (("a",), ["a"], True),
        (("a",), ["a", "b"], False),
        (("a", "*"), ["a", "b"], True),
        (("a", "*"), ["a"], False),
        (("a", "*"), ["a", "b", "c"], False),
        (("a", "*"), ["a", "b\nc"], False),
        (("a", "b", "**"), ["a", "b"], True),
        (("a", "b", "**"), ["a", "b", "c", "d"], True),
        (("a", "b", "**"), ["a", "c"], False),
    ],
)
def test_a_star_is_a_word_and_two_are_the_rest(pattern, argv, matches):
    assert privileges.matches(pattern, argv) is matches


async def test_what_is_not_on_the_list_does_not_run_as_root(tmp_path):
    host = Host(root=tmp_path)

    with pytest.raises(Refused, match="not on the list"):
        await host.run("touch", "made", privileged=True)
    with pytest.raises(Refused, match="not on the list"):
        await host.change("touch", "made")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pattern", EVERY)
def test_a_rule_allows_what_its_pattern_does(pattern):
    words = [{"*": "word-1.x", "**": "rest of it"}.get(word, word) for word in pattern[1:]]
    _, _, arguments = privileges.rule(pattern, "/usr/bin/x").partition(" ")

    if arguments == '""':
        assert not words
    else:
        plain = re.sub(r"\\([,:=])", r"\1", arguments).replace("[:space:]", r"\s")
        assert re.search(plain, " ".join(words))
        assert not re.search(plain, "anything --else " + " ".join(words))


@pytest.mark.skipif(not shutil.which("visudo"), reason="sudo is not installed here; the system tests have it")
def test_the_sudoers_file_is_one(tmp_path):
    file = tmp_path / "osapi"
    file.write_text(privileges.sudoers("osapi", PATHS))

    done = subprocess.run(["visudo", "-c", "-f", file], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_program_that_is_not_installed_has_no_rule():
    assert "hostnamectl" not in privileges.sudoers("osapi", {"timedatectl": "/usr/bin/timedatectl"})
    assert "/usr/bin/timedatectl ^set-timezone [^[:space:]]*$" in privileges.sudoers("osapi", PATHS)
