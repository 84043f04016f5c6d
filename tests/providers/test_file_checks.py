"""Programs that check a file before it takes the place of the one that works."""

import os
import shutil

import attrs
import pytest
from deploying import on_disk

from agent.deploy import Wanted, deploy
from agent.dispatch import perform
from agent.host import Host
from agent.validate import FILE, validate
from osapi.errors import CommandFailed, Refused, TooLarge
from osapi.jobs import State
from osapi.operations import file

VISUDO = ("/usr/sbin/visudo", "-c", "-f", "-")
SSHD = ("/usr/sbin/sshd", "-t", "-f", "/dev/stdin")
GOOD = b"root ALL=(ALL:ALL) ALL\n"

STDIN = [
    ("/etc/sudoers", VISUDO),
    ("/etc/sudoers.d/ops", VISUDO),
    ("/etc/ssh/sshd_config", SSHD),
    ("/etc/ssh/sshd_config.d/50-ours.conf", SSHD),
]


def listed(host, folder):
    return sorted(entry.name for entry in on_disk(host, folder).iterdir())


@pytest.fixture
def checking(host):
    """A host with visudo, sshd and nginx, which find nothing wrong."""
    host.has({VISUDO[0]: "", SSHD[0]: "", "/usr/sbin/nginx": ""})
    host.answers.update({VISUDO: "", SSHD: ""})
    host.store.put("new", GOOD)
    return host


@pytest.mark.parametrize(("path", "program"), STDIN)
async def test_what_passes_its_check_is_deployed(checking, path, program):
    performed = await perform(checking, file.Deploy(object_name="new", path=path))

    assert performed.changed
    assert checking.ran == [program]
    assert on_disk(checking, path).read_bytes() == GOOD


@pytest.mark.parametrize(("path", "program"), STDIN)
async def test_what_is_refused_leaves_the_old_file_and_says_why(checking, path, program):
    checking.has({path: "old\n"})
    checking.answers[program] = CommandFailed(program, 1, "stdin:1:19: syntax error\n")

    performed = await perform(checking, file.Deploy(object_name="new", path=path))

    assert (performed.state, performed.code) == (State.FAILED, "refused")
    assert f"{path} was left as it is" in performed.error
    assert "stdin:1:19: syntax error" in performed.error
    assert on_disk(checking, path).read_bytes() == b"old\n"
    assert checking.store.deployments == {}


async def test_a_dry_run_checks_too(checking):
    checking.answers[VISUDO] = CommandFailed(VISUDO, 1, "stdin:1:19: syntax error\n")

    performed = await perform(
        attrs.evolve(checking, dry=True), file.Deploy(object_name="new", path="/etc/sudoers.d/ops")
    )

    assert performed.code == "refused"


async def test_a_program_that_is_not_installed_checks_nothing(host):
    host.store.put("new", GOOD)

    performed = await perform(host, file.Deploy(object_name="new", path="/etc/sudoers.d/ops"))

    assert (performed.changed, host.ran) == (True, [])


@pytest.mark.parametrize(
    "path", ["/etc/app.conf", "/etc/sudoers.d/a/b", "/srv/etc/sudoers", "/etc/ssh/sshd_config.bak"]
)
async def test_other_files_are_not_checked(checking, path):
    await perform(checking, file.Deploy(object_name="new", path=path))

    assert checking.ran == []


async def test_nothing_is_checked_where_only_the_mode_changes(checking):
    checking.has({"/etc/sudoers": GOOD.decode()})

    performed = await perform(checking, file.Deploy(object_name="new", path="/etc/sudoers", mode="0440"))

    assert (performed.changed, checking.ran) == (True, [])


async def test_sshd_that_does_not_run_has_still_read_its_configuration(checking):
    checking.answers[SSHD] = CommandFailed(SSHD, 255, "Missing privilege separation directory: /run/sshd\n")

    performed = await perform(checking, file.Deploy(object_name="new", path="/etc/ssh/sshd_config"))

    assert performed.changed


async def test_what_is_to_be_checked_has_a_limit(checking):
    checking.store.put("new", b"#" * (4 * 1024 * 1024 + 1))

    with pytest.raises(TooLarge, match="4194305 bytes"):
        await deploy(checking, Wanted(object_name="new", path="/etc/sudoers"))


async def test_a_program_of_ones_own_has_the_content_in_a_file_beside_the_old_one(tmp_path):
    seen = tmp_path / "seen"
    program = tmp_path / "usr/bin/check"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\ncat "$2" >{seen}\n[ $1 = good ] || {{ echo no good >&2; exit 3; }}\n')
    program.chmod(0o755)

    class Here(Host):
        """Programs are below the root, too."""

        async def run(self, *argv, **more):
            return await super().run(
                *(f"{tmp_path}{word}" if word[0] == "/" else word for word in argv), **more
            )

    host = Here(root=tmp_path, permit=lambda _: None)

    await validate(host, "/etc/app.conf", b"new\n", ("/usr/bin/check", "good", FILE))
    with pytest.raises(Refused, match="no good"):
        await validate(host, "/etc/app.conf", b"newer\n", ("check", "bad", FILE))

    assert seen.read_bytes() == b"newer\n"
    assert listed(host, "/etc") == []


async def test_a_dry_run_tells_a_check_that_needs_a_file_and_writes_none(checking):
    checking.has({"/etc/nginx/mime.types": ""})

    performed = await perform(
        attrs.evolve(checking, dry=True), file.Deploy(object_name="new", path="/etc/nginx/nginx.conf")
    )

    [[program, *words, name]] = performed.plan.commands
    assert (program, words) == ("/usr/sbin/nginx", ["-t", "-c"])
    assert name.startswith("/etc/nginx/.osapi-")
    assert [plan.path for plan in performed.plan.files] == ["/etc/nginx/nginx.conf"]
    assert listed(checking, "/etc/nginx") == ["mime.types"]


def installed(program):
    return pytest.mark.skipif(
        os.getuid() != 0 or not shutil.which(program, path="/usr/sbin"), reason=f"{program} is not installed"
    )


@installed("visudo")
async def test_the_real_visudo_tells_good_from_bad():
    await validate(Host(), "/etc/sudoers.d/ops", GOOD)
    with pytest.raises(Refused, match="syntax error"):
        await validate(Host(), "/etc/sudoers.d/ops", b"root ALL=(ALL:ALL ALL\n")


@installed("sshd")
async def test_the_real_sshd_tells_good_from_bad():
    await validate(Host(), "/etc/ssh/sshd_config", b"PermitRootLogin no\n")
    with pytest.raises(Refused, match="Bad configuration option: PermitRootLogn"):
        await validate(Host(), "/etc/ssh/sshd_config.d/50-ours.conf", b"PermitRootLogn no\n")


@installed("nginx")
async def test_the_real_nginx_tells_good_from_bad_and_finds_what_it_includes():
    good = b"events {}\nhttp { include mime.types; }\n"

    await validate(Host(), "/etc/nginx/nginx.conf", good)
    with pytest.raises(Refused, match="unknown directive"):
        await validate(Host(), "/etc/nginx/nginx.conf", good + b"foo bar;\n")
    assert not [name for name in listed(Host(), "/etc/nginx") if name.startswith(".osapi")]
