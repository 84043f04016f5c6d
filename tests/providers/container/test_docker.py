"""Containers, on Engines that answer what real ones have answered."""

import json

import pytest
import trio

from osapi.jobs import State
from osapi.operations.container import docker

IMAGE = "10.77.0.1:5000/lab/box:1"
WEB = {
    "image": IMAGE,
    "name": "web",
    "hostname": "webby",
    "dns": ["9.9.9.9"],
    "command": ["sh", "-c", "echo out; echo err >&2; exec sleep 500"],
    "env": ["GREETING=hello", "DB_PASSWORD=hidden"],
    "ports": ["8080:80", "127.0.0.1:5353:53/udp"],
    "volumes": ["/srv/www:/srv:ro", "data:/data"],
}
"""What the captured container was made as."""


@pytest.fixture
def empty(runs):
    """An Engine with an image of which web can be made."""
    id = runs.described("create")["Id"]
    runs.answers(
        {
            "GET /containers/web/json": "no container",
            "POST /containers/create": "create",
            f"POST /containers/{id}/start": "start",
            f"DELETE /containers/{id}": "remove",
        }
    )
    return runs


async def test_those_that_run_are_listed_and_those_that_do_not_where_they_are_meant(ask, runs):
    performed = await ask(docker.List)
    await ask(docker.List, state="stopped")
    await ask(docker.List, state="all")

    [found] = performed.result.containers
    assert (found.name, found.image, found.state) == ("web", IMAGE, "running")
    assert found.id == runs.described("create")["Id"]
    assert found.created.endswith("Z")
    filters = [json.loads(query["filters"]) for _, _, query, _ in runs.asked]
    assert filters == [
        {"status": ["running", "paused", "restarting"]},
        {"status": ["created", "exited", "dead", "removing"]},
        {},
    ]


async def test_a_container_is_shown_with_all_that_it_was_made_of(ask, runs):
    performed = await ask(docker.Inspect, id="web")

    found = performed.result
    assert (found.name, found.image, found.state) == ("web", IMAGE, "running")
    assert found.ports == ["8080:80", "127.0.0.1:5353:53/udp"]
    assert sorted(found.mounts) == ["/srv/www:/srv", "data:/data"]
    assert set(found.env) == {"GREETING=hello", "DB_PASSWORD=****", "COLOUR=red"}
    assert found.network_settings == {"ip_address": "172.17.0.2", "gateway": "172.17.0.1"}


async def test_one_that_is_down_is_shown_with_the_ports_that_it_will_have(ask, exited):
    performed = await ask(docker.Inspect, id="web")

    assert performed.result.state == "exited"
    assert performed.result.ports == ["8080:80", "127.0.0.1:5353:53/udp"]


@pytest.mark.parametrize("operation", [docker.Inspect, docker.Start, docker.Stop, docker.Logs])
async def test_one_that_is_not_there_is_not_found(ask, engine, operation):
    engine.answers({"GET /containers/web/json": "no container"})

    performed = await ask(operation, id="web")

    assert (performed.state, performed.code) == (State.FAILED, "not_found")
    assert "web" in performed.error


async def test_one_is_made_as_asked_and_started(ask, empty):
    performed = await ask(docker.Create, **WEB)

    id = empty.described("create")["Id"]
    assert (performed.changed, performed.result.id, performed.result.state) == (True, id, "running")
    assert empty.changes == ["POST /containers/create", f"POST /containers/{id}/start"]
    [query] = [query for _, path, query, _ in empty.asked if path == "/containers/create"]
    body = empty.body("POST /containers/create")
    assert query == {"name": "web"}
    assert (body["Image"], body["Hostname"], body["Cmd"]) == (IMAGE, "webby", WEB["command"])
    assert body["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert body["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}],
    }
    assert body["HostConfig"]["Mounts"] == [
        {"Type": "bind", "Source": "/srv/www", "Target": "/srv", "ReadOnly": True},
        {"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": False},
    ]


async def test_one_that_is_there_as_asked_is_left_alone(ask, runs):
    performed = await ask(docker.Create, **WEB)

    assert (performed.state, performed.changed, runs.changes) == (State.COMPLETED, False, [])


async def test_one_that_is_there_as_asked_and_does_not_run_is_started(ask, exited):
    performed = await ask(docker.Create, **WEB)
    without = await ask(docker.Create, **WEB, auto_start=False)

    assert (performed.changed, without.changed) == (True, False)
    assert exited.changes == [f"POST /containers/{exited.described('create')['Id']}/start"]


@pytest.mark.parametrize(
    ("given", "differs"),
    [
        ({"hostname": "other"}, "hostname"),
        ({"dns": []}, "dns"),
        ({"command": ["sh"]}, "command"),
        ({"env": ["GREETING=hello", "DB_PASSWORD=other"]}, "env"),
        ({"env": None, "ports": None}, "env, ports"),
        ({"ports": ["0.0.0.0:8080:80", "127.0.0.1:5353:53"]}, "ports"),
        ({"volumes": ["/srv/www:/srv", "data:/data"]}, "volumes"),
    ],
)
async def test_one_that_is_there_and_differs_is_a_conflict(ask, runs, given, differs):
    asked = {name: value for name, value in (WEB | given).items() if value is not None}

    performed = await ask(docker.Create, **asked)

    assert performed.code == "conflict"
    assert f"web that differs in {differs};" in performed.error
    assert "other" not in performed.error.partition(";")[0]
    assert runs.changes == []


async def test_one_of_an_older_image_of_that_name_differs(ask, runs):
    runs.captured["image"]["body"]["Id"] = "sha256:" + "0" * 64

    performed = await ask(docker.Create, **WEB)

    assert "differs in image" in performed.error


async def test_one_that_cannot_be_started_is_removed_again(ask, empty):
    id = empty.described("create")["Id"]
    empty.answers({f"POST /containers/{id}/start": "start fails"})

    performed = await ask(docker.Create, **WEB)

    assert performed.state is State.FAILED
    assert "port is already allocated" in performed.error
    assert empty.changes[-1] == f"DELETE /containers/{id}"


async def test_one_whose_start_is_cancelled_is_removed_again(ask, empty):
    id = empty.described("create")["Id"]
    empty.answers({f"POST /containers/{id}/start": "exec start"})
    empty.held.set()

    with trio.move_on_after(0.5) as patience:
        await ask(docker.Create, **WEB)

    assert patience.cancelled_caught
    assert empty.changes[-1] == f"DELETE /containers/{id}"


async def test_no_image_is_fetched_for_one(ask, engine):
    engine.answers({f"GET /images/{IMAGE}/json": "no image"})

    performed = await ask(docker.Create, **WEB)

    assert performed.code == "not_found"
    assert f"`osapi client node container docker pull --image {IMAGE}`" in performed.error
    assert engine.changes == []


@pytest.mark.parametrize("source", ["/", "/var/lib", "/var/lib/osapi/agent", "/proc", "/etc"])
async def test_what_users_may_not_touch_is_not_given_to_one(ask, empty, source):
    performed = await ask(docker.Create, **WEB | {"volumes": [f"{source}:/host:ro"]})

    assert performed.code == "refused"
    assert empty.asked == []


async def test_a_dry_run_says_what_would_make_one_and_shows_no_value_of_a_variable(ask, empty):
    performed = await ask(docker.Create, dry=True, **WEB)

    assert (performed.changed, performed.result.id, empty.changes) == (True, None, [])
    [argv] = performed.plan.commands
    assert argv[:5] == ["docker", "run", "--detach", "--name", "web"]
    assert argv[-4:] == [IMAGE, *WEB["command"]]
    assert [word for word in argv if "hidden" in word] == []


@pytest.mark.parametrize(
    ("operation", "given", "argv"),
    [
        (docker.Stop, {"timeout": 3}, ["stop", "--time", "3", "web"]),
        (docker.Remove, {"force": True}, ["rm", "--force", "web"]),
        (
            docker.Exec,
            {"command": ["ls", "-l"], "env": ["A=b"], "working_dir": "/srv"},
            ["exec", "--env", "A", "--workdir", "/srv", "web", "ls", "-l"],
        ),
    ],
)
async def test_a_dry_run_says_what_would_be_done_to_one(ask, runs, operation, given, argv):
    performed = await ask(operation, dry=True, id="web", **given)

    assert performed.changed
    assert (performed.plan.commands, runs.changes) == ([["docker", *argv]], [])


async def test_one_is_started_and_stopped_where_it_is_not_so(ask, runs, exited):
    id = runs.described("create")["Id"]
    started, stopped = await ask(docker.Start, id="web"), await ask(docker.Stop, id="web")
    runs.answers({"GET /containers/web/json": "container running"})

    again, stop = await ask(docker.Start, id="web"), await ask(docker.Stop, id="web", timeout=3)

    assert [each.changed for each in (started, stopped, again, stop)] == [True, False, False, True]
    assert runs.changes == [f"POST /containers/{id}/start", "POST /containers/web/stop"]
    assert runs.asked[-1][2] == {"t": "3"}


async def test_one_is_removed_where_it_is_there(ask, engine, exited):
    removed = await ask(docker.Remove, id="web")
    engine.answers({"GET /containers/web/json": "no container"})
    again = await ask(docker.Remove, id="web")

    assert [removed.changed, again.changed] == [True, False]
    assert engine.changes == ["DELETE /containers/web"]


async def test_one_that_runs_is_only_removed_by_force(ask, runs):
    performed = await ask(docker.Remove, id="web")
    forced = await ask(docker.Remove, id="web", force=True)

    assert performed.code == "conflict"
    assert "stop it first" in performed.error
    assert (forced.changed, runs.asked[-1][2]) == (True, {"force": "1"})
