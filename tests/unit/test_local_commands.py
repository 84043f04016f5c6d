"""Commands of the command line that ask no controller: `osapi config` and `osapi token`."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from asyncclick.testing import CliRunner

from osapi.cli.root import root
from osapi.cli.session import Session
from osapi.errors import BadInput, ConfigError, NotAuthenticated
from osapi.state import StateDirectory
from osapi.tokens import issue, verify

KEY = "0123456789abcdef" * 4


@pytest.fixture
def osapi(tmp_path):
    """Runs a command line, with a state directory of its own and no file but the one that is named."""

    async def run(*argv, stdin=None, **environ):
        environ = {"OSAPI_STATE_DIR": str(tmp_path / "state"), "OSAPI_OSAPIFILE": "/dev/null"} | environ
        return await CliRunner().invoke(root, argv, obj=Session(environ=environ), input=stdin)

    return run


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "osapi.yaml"
    path.write_text(
        f"controller: {{api: {{security: {{signing_key: {KEY}, roles: {{ops: {{permissions: [node:read]}}}}}}}}}}"
    )
    path.chmod(0o600)
    return path


def values(result):
    return dict(line.split(": ", 1) for line in result.output.splitlines())


async def test_check_says_that_nothing_is_wrong(osapi, file):
    result = await osapi("config", "check", "-f", str(file))

    assert result.exception is None
    assert result.output == f"{file}: nothing is wrong\n"


async def test_check_lists_everything_that_is_wrong_and_what_has_no_effect(osapi, file):
    file.write_text("debug: maybe\nagent: {max_jobs: 0, consumer: {name: x}}\n")

    result = await osapi("-f", str(file), "config", "check")

    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == f"2 problems in {file}"
    assert result.output.splitlines() == [
        f"{file}: debug: 'maybe' is not true or false; allowed: true, false",
        f"{file}: agent.max_jobs: 0 is not a whole number above 0; allowed: 1 or more",
        f"{file}: agent.consumer.name: has no effect",
    ]


async def test_check_answers_in_json(osapi, file):
    result = await osapi("config", "check", "--json", "-f", str(file), OSAPI_DEBUG="maybe")

    assert isinstance(result.exception, ConfigError)
    assert json.loads(result.output) == {
        "file": str(file),
        "problems": ["OSAPI_DEBUG: debug: 'maybe' is not true or false; allowed: true, false"],
        "notes": [],
    }


async def test_show_shows_every_key_and_no_secret(osapi, file):
    result = await osapi("config", "show", "-f", str(file), OSAPI_AGENT_NATS_AUTH_PASSWORD="hunter2")

    shown = yaml.safe_load(result.output)
    assert shown["controller"]["api"]["security"]["signing_key"] == "****"
    assert shown["controller"]["api"]["security"]["roles"] == {"ops": {"permissions": ["node:read"]}}
    assert shown["agent"]["nats"]["auth"]["password"] == "****"
    assert shown["nats"]["kv"]["ttl"] == "168h0m0s"
    assert KEY not in result.output
    assert "hunter2" not in result.output


async def test_what_show_shows_without_secrets_is_a_configuration(osapi, tmp_path):
    shown = await osapi("config", "show")
    (tmp_path / "shown.yaml").write_text(shown.output)

    checked = await osapi("config", "check", "-f", str(tmp_path / "shown.yaml"))
    again = await osapi("config", "show", "-f", str(tmp_path / "shown.yaml"))

    assert checked.exception is None
    assert again.output == shown.output


async def test_show_answers_in_json(osapi):
    result = await osapi("-j", "config", "show")

    assert json.loads(result.output)["controller"]["api"]["port"] == 8080


async def test_show_refuses_a_wrong_configuration(osapi, tmp_path):
    result = await osapi("config", "show", "-f", str(tmp_path / "missing.yaml"))

    assert isinstance(result.exception, ConfigError)
    assert "no such file" in str(result.exception)


async def test_a_token_is_made_and_looked_into(osapi, file):
    made = await osapi("token", "generate", "-r", "read,ops", "-u", "alice@example.org", "-f", str(file))
    seen = await osapi("token", "validate", "-t", values(made)["Token"], "-f", str(file))

    assert values(made) | {"Token": ""} == {
        "Token": "",
        "Subject": "alice@example.org",
        "Roles": "read, ops",
        "Permissions": "-",
    }
    assert list(values(seen)) == [
        "Subject",
        "Roles",
        "Permissions",
        "Effective Permissions",
        "Audience",
        "Issued",
        "Expires",
    ]
    assert "sysctl:read" in values(seen)["Effective Permissions"]
    assert "write" not in values(seen)["Effective Permissions"]


async def test_a_token_is_read_from_the_standard_input(osapi, file):
    token = issue(KEY, "alice", ["admin"], ["node:read"])

    seen = await osapi("token", "validate", "-t", "-", "--json", "-f", str(file), stdin=f"{token}\n")

    found = json.loads(seen.output)
    assert found["subject"] == "alice"
    assert found["permissions"] == found["effective_permissions"] == ["node:read"]


async def test_a_token_lasts_as_long_as_told(osapi, file):
    made = await osapi(
        "token",
        "generate",
        "-r",
        "read",
        "-u",
        "a",
        "-p",
        "node:read",
        "--expires",
        "12h",
        "-j",
        "-f",
        str(file),
    )

    found = verify(KEY, json.loads(made.output)["token"])
    assert found.permissions == ("node:read",)
    assert timedelta(hours=11) < found.expires - datetime.now(UTC) <= timedelta(hours=12)


async def test_a_token_is_signed_with_the_key_of_the_state_directory(osapi, tmp_path):
    key = StateDirectory(tmp_path / "state").create().signing_key()

    made = await osapi("token", "generate", "-r", "admin", "-u", "alice")

    assert verify(key, values(made)["Token"]).subject == "alice"


async def test_without_a_key_none_is_made_up(osapi, tmp_path):
    result = await osapi("token", "generate", "-r", "admin", "-u", "alice")

    assert isinstance(result.exception, ConfigError)
    assert "no signing key: set controller.api.security.signing_key, or start a controller" in str(
        result.exception
    )
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["-r", "root", "-u", "a"], "roles: 'root' is not known; allowed: admin, ops, read, write"),
        (
            ["-r", "read", "-u", "a", "-p", "node:fly"],
            "permissions: 'node:fly' is not known; allowed: agent:read",
        ),
        (["-r", ",", "-u", "a"], "roles: none given"),
        (["-r", "read", "-u", " "], "subject: empty"),
    ],
)
async def test_a_token_for_unknown_roles_is_not_made(osapi, file, argv, reason):
    result = await osapi("token", "generate", *argv, "-f", str(file))

    assert isinstance(result.exception, BadInput)
    assert reason in str(result.exception)


@pytest.mark.parametrize(
    "argv", [["-r", "read"], ["-u", "a"], ["-r", "read", "-u", "a", "--expires", "soon"]]
)
async def test_a_wrong_command_line_is_a_usage_error(osapi, file, argv):
    result = await osapi("token", "generate", *argv, "-f", str(file))

    assert result.exit_code == 2


async def test_an_invalid_token_is_told_so(osapi, file):
    result = await osapi("token", "validate", "-t", "abc", "-f", str(file))

    assert isinstance(result.exception, NotAuthenticated)
