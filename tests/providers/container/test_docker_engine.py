"""How Docker is reached, and what it must never be asked."""

import socket
from pathlib import Path

import pytest

from agent import docker as engines
from osapi import wire
from osapi.errors import BadInput, Refused
from osapi.jobs import State
from osapi.operations.container import docker


async def test_a_host_without_docker_is_skipped(ask):
    performed = await ask(docker.List)

    assert performed.state is State.SKIPPED
    assert performed.error == "Docker is not installed: there is no /var/run/docker.sock"


async def test_docker_that_is_installed_and_does_not_run_is_an_error(ask, host):
    host.has({"/usr/bin/dockerd": ""})
    missing = await ask(docker.List)
    (host.root / "var/run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(host.root / "var/run/docker.sock"))
        refused = await ask(docker.List)

    for performed in (missing, refused):
        assert (performed.state, performed.code) == (State.FAILED, "failed")
        assert "systemctl status docker" in performed.error


def test_who_may_not_use_docker_is_told_what_to_do():
    found = engines._unreachable(Path("/"), PermissionError(13, "Permission denied"))

    assert isinstance(found, Refused)
    assert "group docker" in str(found)


@pytest.mark.parametrize(
    ("theirs", "spoken"), [("1.41", "v1.41"), ("1.45", "v1.45"), ("1.52", "v1.45"), ("2.0", "v1.45")]
)
def test_the_newest_version_that_both_know_is_spoken(theirs, spoken):
    assert engines._version(theirs) == spoken


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        (docker.Inspect, {"id": "../images/x"}),
        (docker.Inspect, {"id": "-f"}),
        (docker.Inspect, {"id": "web\n"}),
        (docker.ImageRemove, {"image": "a/../../containers/web"}),
        (docker.ImageRemove, {"image": "a/./b"}),
        (docker.ImageRemove, {"image": "a?force=1"}),
        (docker.Pull, {"image": "-q"}),
        (docker.Pull, {"image": "Upper/case:1;id"}),
        (docker.Create, {"image": "a", "ports": ["70000:80"]}),
        (docker.Create, {"image": "a", "ports": ["1.2.3:80:80"]}),
        (docker.Create, {"image": "a", "volumes": ["./x:/y"]}),
        (docker.Create, {"image": "a", "volumes": ["/x:/y:exec"]}),
        (docker.Create, {"image": "a", "env": ["=x"]}),
        (docker.Create, {"image": "a", "dns": ["example.org"]}),
        (docker.Exec, {"id": "web", "command": []}),
    ],
)
def test_what_docker_would_read_otherwise_is_refused(operation, given):
    with pytest.raises(BadInput):
        wire.params(operation, given)
