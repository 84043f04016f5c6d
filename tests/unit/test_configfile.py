"""What the command line needs of the configuration: where the controller is, and the token for it."""

import subprocess
import sys

import pytest

from osapi.config import NatsConnection, load, urls
from osapi.configfile import client_settings, find
from osapi.errors import ConfigError
from osapi.state import StateDirectory

URL = "OSAPI_CONTROLLER_CLIENT_URL"
TOKEN = "OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN"


@pytest.fixture
def state(tmp_path):
    return StateDirectory(tmp_path / "state").create()


def test_the_command_line_finds_the_controller_of_its_machine(state, written):
    token = state.admin_token(state.signing_key())

    with state.announced("http://127.0.0.1:9999"):
        found = client_settings(None, {}, state)
        named = client_settings(None, {"OSAPI_STATE_DIR": str(state.path)})
        in_file = client_settings(written(f"state_dir: {state.path}"), {})
    afterwards = client_settings(None, {}, state)

    assert found == named == in_file == ("http://127.0.0.1:9999", token)
    assert afterwards == ("http://127.0.0.1:8080", token)


def test_the_environment_and_the_file_say_which_controller_and_token(state, written):
    path = written("controller: {client: {url: 'http://file:1', security: {bearer_token: of-file}}}")

    assert client_settings(path, {}, state) == ("http://file:1", "of-file")
    assert client_settings(path, {URL: "http://env:2"}, state) == ("http://env:2", "of-file")
    assert client_settings(None, {URL: "http://env:2", TOKEN: "of-env"}) == ("http://env:2", "of-env")


def test_the_token_of_this_machine_is_not_sent_to_another(state):
    state.admin_token(state.signing_key())

    with pytest.raises(
        ConfigError, match=r"no token for http://elsewhere:8080: set OSAPI_CONTROLLER_CLIENT_SEC"
    ):
        client_settings(None, {URL: "http://elsewhere:8080"}, state)
    assert client_settings(None, {URL: "http://localhost:81"}, state)[1]


def test_a_client_without_token_is_told_where_one_may_come_from(state):
    with pytest.raises(ConfigError, match=rf"no token for http://127.0.0.1:8080: .*none in {state.path}"):
        client_settings(None, {}, state)


def test_the_command_line_refuses_a_url_that_is_no_text(written, state):
    with pytest.raises(ConfigError, match=r"controller.client.url: not text; allowed: text"):
        client_settings(written("controller: {client: {url: 5}}"), {}, state)


def test_the_file_is_named_by_a_variable(tmp_path):
    assert find({"OSAPI_OSAPIFILE": str(tmp_path / "x")}) == tmp_path / "x"


def test_the_command_line_does_not_pay_for_what_it_does_not_use(state):
    state.admin_token("0123456789abcdef" * 4)
    script = f"""
import sys
from osapi.configfile import client_settings
client_settings(None, {{"OSAPI_STATE_DIR": {str(state.path)!r}}})
print(sorted({{"jwt", "yaml", "osapi.config", "structlog", "trio", "cryptography"}} & set(sys.modules)))
"""

    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", ["nats://localhost:4222"]),
        ("a, b:4333,10.0.0.1", ["nats://a:4222", "nats://b:4333", "nats://10.0.0.1:4222"]),
        ("[::1],[fe80::1]:99", ["nats://[::1]:4222", "nats://[fe80::1]:99"]),
    ],
)
def test_a_cluster_is_several_hosts(host, expected):
    config = load(None, {"OSAPI_AGENT_NATS_HOST": host})

    assert urls(config.agent.nats) == expected
    assert urls(NatsConnection(host=host)) == expected
