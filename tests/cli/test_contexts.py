"""Contexts: which controller is asked, and that tokens go nowhere else."""

import json
import re
import subprocess
import sys

import pytest
import yaml
from answering import envelope, item

URL, TOKEN = "OSAPI_CONTROLLER_CLIENT_URL", "OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN"
ASK = ("client", "node", "hostname", "get")


@pytest.fixture
def environ(environ, tmp_path):
    """Nothing says where a controller is, but for the contexts of this test."""
    found = environ | {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    return {name: value for name, value in found.items() if name not in {URL, TOKEN}}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config/osapi/contexts.yaml"


@pytest.fixture
def typed(environ):
    """Run the program with something on its standard input."""

    def run(*words, text):
        command = [sys.executable, "-m", "osapi.cli.main", *words]
        return subprocess.run(
            command, env=environ, input=text, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture
def prod(osapi, typed, controller):
    """A context for the controller of this test, whose token is `of-prod`, and another one."""
    words = ("context", "set", "prod", "--url", controller.url, "--token", "-", "--target", "web-01")
    done = typed(*words, text="of-prod\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert osapi("context", "set", "dev", "--url", "http://127.0.0.1:1").code == 0
    for target in ("_all", "web-01"):
        controller.says("GET", f"/api/node/{target}/hostname", envelope(item()))
    return controller


def asked(controller):
    """Whom the last request asked, and with which token."""
    last = controller.asked[-1]
    return last.path.split("/")[3], last.headers["authorization"]


def test_the_controller_in_use_is_asked_with_its_token_and_target(osapi, prod):
    used = osapi("context", "use", "prod")
    osapi(*ASK)
    by_default = asked(prod)
    osapi(*ASK, "-T", "_all")

    assert (used.code, used.out) == (0, f"Asking {prod.url} from now on.\n")
    assert by_default == ("web-01", "Bearer of-prod")
    assert asked(prod) == ("_all", "Bearer of-prod")


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (("--context", "prod", *ASK), {}),
        ((*ASK, "--context", "prod"), {"OSAPI_CONTEXT": "dev"}),
        (ASK, {"OSAPI_CONTEXT": "prod"}),
    ],
)
def test_a_context_is_named_by_an_option_before_a_variable_before_the_one_in_use(
    osapi, prod, monkeypatch, words, variables
):
    osapi("context", "use", "dev")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    done = osapi(*words)

    assert (done.code, asked(prod)[1]) == (0, "Bearer of-prod")


def test_url_and_token_of_the_environment_come_first(osapi, prod, monkeypatch):
    osapi("context", "use", "prod")
    monkeypatch.setenv(TOKEN, "mine")

    osapi(*ASK)

    assert asked(prod)[1] == "Bearer mine"


def test_the_token_of_a_context_goes_to_no_other_url(osapi, prod):
    osapi("context", "use", "prod")
    elsewhere = prod.url.replace("127.0.0.1", "localhost")

    refused = osapi(*ASK, "--url", elsewhere)
    osapi(*ASK, "--url", prod.url + "/")

    assert refused.code == 2
    assert f"no token for {elsewhere}" in refused.err
    assert [request.headers["authorization"] for request in prod.asked] == ["Bearer of-prod"]


def test_a_file_that_is_named_beats_the_context_in_use_and_not_the_one_that_is_named(osapi, prod, tmp_path):
    path = tmp_path / "osapi.yaml"
    path.write_text(f"controller: {{client: {{url: '{prod.url}', security: {{bearer_token: of-file}}}}}}")
    path.chmod(0o600)
    osapi("context", "use", "prod")

    osapi(*ASK, "-f", path)
    by_file = asked(prod)
    osapi(*ASK, "-f", path, "--context", "prod")

    assert by_file == ("_all", "Bearer of-file")
    assert asked(prod) == ("web-01", "Bearer of-prod")


def test_a_token_file_is_read_when_it_is_used(osapi, prod, tmp_path):
    token = tmp_path / "token"
    missing = osapi("context", "set", "prod", "--token-file", token).code, osapi(*ASK, "--context", "prod")
    token.write_text("of-file\n")

    osapi(*ASK, "--context", "prod")

    assert missing[0] == 0
    assert (missing[1].code, missing[1].err) == (
        2, f"Error: token_file {token}: cannot be read: No such file or directory\n"
    )  # fmt: skip
    assert asked(prod)[1] == "Bearer of-file"


def test_contexts_are_listed_shown_renamed_and_deleted_and_no_token_is_shown(osapi, prod, file):
    osapi("context", "use", "prod")
    listed = osapi("context", "list")
    shown = json.loads(osapi("context", "show", "-j").out)
    osapi("context", "rename", "prod", "live")
    name = osapi("context", "current").out
    gone = osapi("context", "delete", "live")
    none = osapi("context", "current")

    assert [line.split() for line in listed.out.splitlines() if line] == [
        ["NAME", "URL", "TOKEN", "TARGET"],
        ["dev", "http://127.0.0.1:1"],
        ["*", "prod", prod.url, "****", "web-01"],
    ]
    assert shown == {"name": "prod", "current": True, "url": prod.url, "token": "****", "target": "web-01"}
    assert (name, gone.out) == ("live\n", "live: deleted; it was in use, and none is now\n")
    assert (none.code, none.err) == (
        1,
        "Error: no context is in use; choose one with `osapi context use NAME`\n",
    )
    assert yaml.safe_load(file.read_text()) == {
        "current": "",
        "contexts": {"dev": {"url": "http://127.0.0.1:1"}},
    }


def test_only_its_owner_reads_the_file_and_nobody_else_may_have_written_it(osapi, prod, file):
    mode, folder = file.stat().st_mode & 0o777, [path.name for path in file.parent.iterdir()]
    file.chmod(0o622)

    done = osapi(*ASK)

    assert (mode, folder) == (0o600, ["contexts.yaml"])
    assert (done.code, done.err) == (2, f"Error: {file}: others can write to it; chmod 600 {file}\n")


def test_a_token_is_not_taken_from_the_command_line_and_goes_with_another_url(osapi, prod, file):
    told = osapi("context", "set", "prod", "--token", "secret")
    moved = osapi("context", "set", "prod", "--url", "https://elsewhere")

    assert (told.code, "--token - reads it from standard input" in told.err) == (2, True)
    assert moved.err.startswith(f"The token of prod was for {prod.url}, and is removed")
    assert yaml.safe_load(file.read_text())["contexts"]["prod"] == {
        "url": "https://elsewhere",
        "target": "web-01",
    }


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("use", "nowhere"), 1, "no context 'nowhere' in .*contexts.yaml; known: prod, dev"),
        (("use",), 2, "name: one is needed, or --none"),
        (("set", "-x", "--url", "http://a"), 2, "No such option"),
        (("set", "a b", "--url", "http://a"), 2, "'a b' is no name for a context; allowed: "),
        (("set", "new"), 2, "url: needed, as there is no context new yet"),
        (("set", "new", "--url", "osapi.example.org"), 2, "url: 'osapi.example.org' is no URL; allowed: such as https"),
        (("set", "new", "--url", "https://u:p@host"), 2, "is no URL"),
        (("rename", "dev", "prod"), 2, "there is a context prod already"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(osapi, prod, words, code, why):
    done = osapi("context", *words)

    assert done.code == code
    assert re.search(why, done.err)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("contexts: [a]", "contexts: not a section"),
        ("context: {}", "context: not a known key; allowed: contexts, current"),
        ("contexts: {a: {url: http://a, tokn: x}}", "contexts.a: tokn: not a known key"),
        ("contexts: {a: {url: a}}", "contexts.a.url: 'a' is no URL"),
        ("current: b", "no context 'b' in"),
    ],
)
def test_a_file_that_says_anything_else_is_refused(osapi, file, text, why):
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(0o600)

    done = osapi(*ASK)

    assert done.code != 0
    assert why in done.err


def test_a_shell_completes_the_names(program, prod):
    for line in ("osapi context use p", "osapi --context p", "osapi client --context p"):
        done = program(
            _OSAPI_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(line.split()) - 1)
        )
        assert done.out.split(",")[-1].strip() == "prod"
