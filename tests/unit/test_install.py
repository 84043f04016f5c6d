"""Installing daemons below another root: what is written, kept, shown and taken away."""

import json
from pathlib import Path

import pytest
import yaml
from asyncclick.testing import CliRunner

from agent.preflight import CAPABILITIES
from osapi.cli.root import root as osapi_root
from osapi.cli.session import Session
from osapi.config import check
from osapi.errors import ConfigError, Error
from osapi.install.daemons import AGENT, BROKER, CONTROLLER, DAEMONS, SUDOERS, WRITTEN
from osapi.install.installing import Wanted, install, uninstall
from osapi.install.machine import Machine

PREFIX = "/opt/osapi"
CONFIG = "etc/osapi/osapi.yaml"
AGENT_UNIT = "etc/systemd/system/osapi-agent.service"


@pytest.fixture
def root(tmp_path):
    """The root directory of an image that the program is in."""
    (tmp_path / "opt/osapi/bin").mkdir(parents=True)
    (tmp_path / "opt/osapi/bin/osapi").touch()
    return tmp_path


def never(argv, given):
    raise Error(f"{argv[0]}: there is no such program on this machine")


def machine_of(root, *, dry=False, call=lambda argv, given: None):
    return Machine(root, dry=dry, call=call)


def installed(root, daemon, *, dry=False, call=lambda argv, given: None, **more):
    """What an installation told."""
    machine = machine_of(root, dry=dry, call=call)
    given = {"prefix": PREFIX, "environ": {}, "sudoers": lambda user: f"{WRITTEN}`\n{user}\n"}
    install(machine, Wanted(daemon=daemon, **(given | more)))
    return machine


def removed(root, daemon, *, purge=False):
    machine = machine_of(root)
    uninstall(machine, daemon, purge=purge)
    return machine


def files(root):
    """All that is below /etc."""
    return {str(path.relative_to(root)) for path in (root / "etc").rglob("*") if not path.is_dir()}


def configured(root):
    return yaml.safe_load((root / CONFIG).read_text())


def test_all_three_are_written_and_start_at_boot(root):
    for daemon in DAEMONS:
        installed(root, daemon)

    assert files(root) == {
        CONFIG,
        *(f"etc/systemd/system/{daemon.unit}" for daemon in DAEMONS),
        *(f"etc/systemd/system/multi-user.target.wants/{daemon.unit}" for daemon in DAEMONS),
        *(f"etc/tmpfiles.d/{daemon.name}.conf" for daemon in DAEMONS),
        *(f"etc/sysusers.d/{daemon.name}.conf" for daemon in (BROKER, CONTROLLER)),
    }
    unit = (root / AGENT_UNIT).read_text()
    assert "ExecStart=/opt/osapi/bin/osapi agent start -f %d/osapi.yaml\n" in unit
    assert (root / AGENT.link.lstrip("/")).readlink() == Path(AGENT.unit_path)


def test_a_second_time_nothing_is_done(root):
    installed(root, AGENT, user="osapi")

    machine = installed(root, AGENT)

    assert {step.verb for step in machine.steps} == {"kept", "unchanged", "note"}
    assert not machine.changed


def test_the_first_configuration_has_one_password_for_all_that_only_root_can_read(root):
    installed(root, CONTROLLER)

    found = configured(root)
    [user] = found["nats"]["server"]["auth"]["users"]
    assert len(user["password"]) == 64
    assert found["controller"]["nats"]["auth"] == {"type": "user_pass", **user}
    assert found["agent"]["nats"]["auth"] == {"type": "user_pass", **user}
    assert (root / CONFIG).stat().st_mode & 0o777 == 0o600
    assert check(root / CONFIG, {}).problems == []


def test_what_options_and_environment_say_is_in_it(root):
    said = {
        "OSAPI_AGENT_NATS_HOST": "nats.example.com",
        "OSAPI_AGENT_NATS_AUTH_TYPE": "user_pass",
        "OSAPI_AGENT_NATS_AUTH_USERNAME": "web-01",
        "OSAPI_AGENT_NATS_AUTH_PASSWORD": "from the vault",
        "OSAPI_AGENT_LABELS": "group=web",
        "OSAPI_AGENT_DRAIN_TIMEOUT": "10s",
        "OSAPI_STATE_DIR": "/somewhere",
    }

    installed(root, AGENT, environ=said)

    found = configured(root)
    assert found["agent"]["nats"] == {
        "host": "nats.example.com",
        "auth": {"type": "user_pass", "username": "web-01", "password": "from the vault"},
    }
    assert (found["agent"]["labels"], found["agent"]["drain_timeout"]) == ({"group": "web"}, "10s")
    assert "nats" not in found
    assert "state_dir" not in found


def test_a_configuration_that_is_there_stays_and_what_is_odd_about_it_is_told(root):
    (root / CONFIG).parent.mkdir(parents=True)
    (root / CONFIG).write_text("agent: {nats: {host: here}}  # ours\n")

    machine = installed(root, BROKER, environ={"OSAPI_AGENT_NATS_HOST": "there"})

    assert (root / CONFIG).read_text() == "agent: {nats: {host: here}}  # ours\n"
    told = [step.what for step in machine.steps if step.verb == "note"]
    assert "/etc/osapi/osapi.yaml is there, and agent.nats.host is not changed in it: edit it" in told
    assert any("nats.server.auth.type is none: whoever reaches 127.0.0.1:4222" in line for line in told)


def test_a_unit_that_somebody_edited_is_written_anew_and_the_difference_is_shown(root):
    installed(root, AGENT)
    unit = root / AGENT_UNIT
    text = unit.read_text()
    unit.write_text(text.replace("RestartSec=1", "RestartSec=9"))

    [step] = [step for step in installed(root, AGENT).steps if step.diff]

    assert (step.verb, step.what) == ("changed", AGENT.unit_path)
    assert "-RestartSec=9\n+RestartSec=1\n" in step.diff
    assert unit.read_text() == text


def test_a_file_of_somebody_else_is_not_replaced_and_nothing_else_is_written(root):
    (root / AGENT_UNIT).parent.mkdir(parents=True)
    (root / AGENT_UNIT).write_text("[Service]\n")

    with pytest.raises(Error, match=r"osapi-agent\.service: is there, and was not written by `osapi`"):
        installed(root, AGENT)

    assert files(root) == {AGENT_UNIT}
    assert removed(root, AGENT).changed is False


def test_a_dry_run_writes_nothing_and_shows_all_but_secrets(root):
    ran = []

    machine = installed(root, BROKER, dry=True, call=lambda argv, given: ran.append(argv))

    assert not (root / "etc").exists()
    assert ran == []
    [unit] = [step for step in machine.steps if step.what == BROKER.unit_path]
    assert "+ExecStart=/opt/osapi/bin/osapi nats server start -f %d/osapi.yaml\n" in unit.diff
    assert all("password" not in step.diff for step in machine.steps)


def test_an_agent_with_a_user_of_its_own_keeps_it_until_told_otherwise(root):
    installed(root, AGENT, user="osapi")

    drop_in, sudoers = root / AGENT.drop_in.lstrip("/"), root / SUDOERS.lstrip("/")
    assert "\nUser=osapi\n" in drop_in.read_text()
    assert f"\nAmbientCapabilities={' '.join(CAPABILITIES)}\n" in drop_in.read_text()
    assert (sudoers.read_text(), sudoers.stat().st_mode & 0o777) == (f"{WRITTEN}`\nosapi\n", 0o440)
    assert "u osapi " in (root / "etc/sysusers.d/osapi-agent.conf").read_text()
    assert installed(root, AGENT).changed is False

    installed(root, AGENT, user="root")
    assert not any(map(Path.exists, (drop_in, sudoers, root / "etc/sysusers.d/osapi-agent.conf")))


def test_sudoers_that_others_can_read_are_put_right(root):
    installed(root, AGENT, user="osapi")
    (root / SUDOERS.lstrip("/")).chmod(0o644)

    machine = installed(root, AGENT)

    assert ("changed", f"{SUDOERS} to mode 0440") in [(step.verb, step.what) for step in machine.steps]
    assert (root / SUDOERS.lstrip("/")).stat().st_mode & 0o777 == 0o440


def test_what_a_package_brings_is_used_where_it_is(root):
    for file in CONTROLLER.files(PREFIX):
        (root / file.vendor.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / file.vendor.lstrip("/")).write_text(file.text)

    installed(root, CONTROLLER)

    link = root / CONTROLLER.link.lstrip("/")
    assert files(root) == {CONFIG, CONTROLLER.link.lstrip("/")}
    assert link.readlink() == Path("/usr/lib/systemd/system/osapi-controller.service")
    assert installed(root, CONTROLLER).changed is False
    removed(root, CONTROLLER)
    assert files(root) == {CONFIG}
    assert (root / "usr/lib/systemd/system/osapi-controller.service").exists()


def test_users_are_made_below_the_root_where_that_can_be_done(root):
    ran = []

    installed(root, CONTROLLER, call=lambda argv, given: ran.append(argv))
    machine = installed(root, AGENT, user="osapi", call=never)

    assert ran == [
        ("systemd-sysusers", f"--root={root}", "osapi-controller.conf"),
        ("systemd-tmpfiles", f"--root={root}", "--create", "osapi-controller.conf"),
    ]
    told = [step.what for step in machine.steps if step.verb == "note"]
    assert any(line.startswith("users and folders are left to the first boot") for line in told)
    assert told[-1] == "systemd does not run here: osapi-agent.service is started at the next boot"


def test_uninstall_takes_away_what_install_wrote_and_nothing_else(root):
    installed(root, AGENT, user="osapi")
    installed(root, CONTROLLER)
    beside = root / "etc/systemd/system/osapi-agent.service.d/ours.conf"
    beside.write_text("[Service]\nNice=5\n")

    removed(root, AGENT)
    assert {name for name in files(root) if "agent" in name or "sudo" in name} == {
        str(beside.relative_to(root))
    }
    removed(root, CONTROLLER)
    assert files(root) == {CONFIG, str(beside.relative_to(root))}
    assert removed(root, AGENT).changed is False


def test_a_purge_takes_what_no_other_daemon_needs(root):
    for daemon in DAEMONS:
        installed(root, daemon)
    for state in ("var/lib/osapi/nats", "var/lib/osapi-agent/agent"):
        (root / state).mkdir(parents=True)

    removed(root, AGENT, purge=True)
    machine = removed(root, BROKER, purge=True)
    assert ("kept", "/var/lib/osapi, which osapi-controller.service needs") in [
        (step.verb, step.what) for step in machine.steps
    ]
    assert [path.name for path in (root / "var/lib").iterdir()] == ["osapi"]
    assert (root / CONFIG).exists()

    removed(root, CONTROLLER, purge=True)
    assert not any((root / "var/lib").iterdir())
    assert not (root / "etc/osapi").exists()


@pytest.mark.parametrize(
    ("daemon", "more", "message"),
    [
        (AGENT, {"user": "x y"}, "--user 'x y': no name of a user; allowed: .*"),
        (AGENT, {"prefix": "/opt/o s"}, "--prefix '/opt/o s': allowed: an absolute path .*"),
        (AGENT, {"prefix": "/usr/local"}, "--prefix /usr/local: there is no .*/usr/local/bin/osapi"),
        (AGENT, {"prefix": "/home/anna/osapi", "user": "osapi"}, ".* out of reach for a daemon that is not root.*"),
        (BROKER, {"prefix": "/root/.venv"}, ".* out of reach for a daemon that is not root.*"),
        (BROKER, {"environ": {"OSAPI_NATS_SERVER_PORT": "x"}}, "OSAPI_NATS_SERVER_PORT: nats.server.port: .*"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_in_words_before_anything_is_written(root, daemon, more, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        installed(root, daemon, **more)

    assert not (root / "etc").exists()


@pytest.mark.parametrize("daemon", DAEMONS, ids=lambda daemon: daemon.name)
def test_every_file_says_who_wrote_it_and_has_no_gap(daemon):
    for file in daemon.files(PREFIX, "osapi", f"{WRITTEN}`\n"):
        assert file.text.startswith(WRITTEN)
        assert "@prefix@" not in file.text
        assert "@user@" not in file.text
        assert "@words@" not in file.text


@pytest.fixture
def osapi(root):
    """Runs a command line below that root."""

    async def run(*argv):
        return await CliRunner().invoke(
            osapi_root, [*argv, "--root", str(root)], obj=Session(environ={"OSAPI_DEBUG": "false"})
        )

    return run


async def test_the_command_line_tells_each_step_and_takes_the_agents_options(osapi, root):
    words = ("agent", "--agent-host", "nats.example.com", "install", "--prefix", PREFIX)

    result = await osapi(*words)

    assert result.exception is None, result.output
    assert f"written    {AGENT.unit_path}\n" in result.output
    assert configured(root)["agent"]["nats"] == {"host": "nats.example.com"}
    again = await osapi(*words, "--json")
    told = json.loads(again.output)
    assert (told["changed"], told["steps"][0]["verb"]) == (False, "kept")


async def test_it_says_what_would_be_done_and_that_there_is_nothing_to_do(osapi, root):
    dry = await osapi("nats", "server", "install", "--prefix", PREFIX, "--dry-run")
    away = await osapi("controller", "uninstall")

    assert dry.output.splitlines()[-1] == "Nothing was done: this is what would be."
    assert "    +User=osapi\n" in dry.output
    assert away.output == "Nothing had to be changed.\n"
    assert not (root / "etc").exists()


async def test_what_was_done_before_an_error_is_told_too(osapi, root):
    (root / AGENT.link.lstrip("/")).mkdir(parents=True)

    result = await osapi("agent", "install", "--prefix", PREFIX)

    assert isinstance(result.exception, Error)
    assert f"written    {AGENT.unit_path}\n" in result.output
