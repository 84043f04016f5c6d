"""What a command line says: options and where they may stand, values, mistakes, exit codes."""

from functools import partial

import attrs
import pytest
import trio
from answering import JOB, envelope, item

from osapi.cli.commands import command, example
from osapi.cli.session import Session
from osapi.cli.tree import CALLS, OPERATIONS, client, under
from osapi.errors import BadInput
from osapi.operation import Operation, catalogue, parameters
from osapi.results import Changed


@attrs.frozen(kw_only=True)
class Route:
    to: str
    metric: int = 0


class Deploy(Operation[Changed], POST="/{name}/deploy", command="deploy"):
    """An operation with every kind of parameter."""

    name: str
    force: bool = True
    share: float | None = None
    vars: dict[str, str] = attrs.field(factory=dict)
    ports: list[int] = attrs.field(factory=list)
    routes: list[Route] = attrs.field(factory=list)
    first: Route | None = None


SILENT = {"code": "no_answer", "error": "timeout: agent did not respond"}


@pytest.mark.parametrize(
    "words",
    [
        ("-j", "client", "node", "-T", "web-01", "uptime", "get"),
        ("client", "-j", "node", "--target", "web-01", "uptime", "get"),
        ("client", "node", "uptime", "-T", "web-01", "--json", "get"),
        ("client", "node", "uptime", "get", "-o", "json", "--target=web-01"),
        ("client", "node", "uptime", "--json", "-T", "web-01"),
    ],
)
def test_an_option_of_a_group_stands_anywhere_below_it(controller, osapi, words):
    controller.says("GET", "/api/node/web-01/uptime", b"{}")

    assert osapi(*words).out == "{}\n"


def test_an_option_beats_the_environment_and_that_the_file(controller, osapi, tmp_path, monkeypatch):
    file = tmp_path / "osapi.yaml"
    file.write_text("controller: {client: {url: 'http://file.invalid', security: {bearer_token: from-file}}}")
    controller.says("GET", "/api/version", {"version": "1"})
    monkeypatch.setenv("OSAPI_CONTROLLER_CLIENT_URL", "http://environment.invalid")
    monkeypatch.delenv("OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN")

    done = osapi("client", "version", "-f", file, "--url", controller.url)

    assert done.code == 0
    assert controller.asked[0].headers["authorization"] == "Bearer from-file"


def test_a_value_may_start_with_a_dash_and_a_list_be_repeated_or_have_commas(controller, osapi):
    controller.says("POST", "/api/node/_all/command/exec", envelope(), 202)

    words = ["--args", "-a", "--args=--b", "--args", '-c,d,"e,f"', "--timeout", "3", "--cwd", "/srv"]
    osapi("client", "node", "command", "exec", "--command", "uname", *words)

    assert controller.asked[0].body == {
        "command": "uname",
        "args": ["-a", "--b", "-c", "d", "e,f"],
        "timeout": 3,
        "cwd": "/srv",
    }


@pytest.fixture
def deploy(environ):
    def run(*words):
        start = partial(command(Deploy).main, standalone_mode=False, obj=Session(environ=environ))
        return trio.run(start, ["--name", "a", *words])

    return run


def test_every_kind_of_parameter_has_its_way_to_be_given(controller, deploy):
    controller.says("POST", "/api/node/_all/a/deploy", envelope())

    deploy()
    deploy("--force=false", "--share", "0.5", "--vars", "k=v=w", "--ports", "1", "--ports", "2", "--force")
    deploy(
        "--force=false",
        "--routes",
        '{"to": "x"}',
        "--routes",
        '{"to": "y", "metric": 2}',
        "--first",
        '{"to":"z"}',
    )

    sent = [asked.body for asked in controller.asked]
    assert sent[0] == {"force": True, "vars": {}, "ports": [], "routes": []}
    assert sent[1] == sent[0] | {"share": 0.5, "vars": {"k": "v=w"}, "ports": [1, 2]}
    assert sent[2]["force"] is False
    assert sent[2]["routes"] == [{"to": "x", "metric": 0}, {"to": "y", "metric": 2}]
    assert sent[2]["first"] == {"to": "z", "metric": 0}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--vars", "novalue"), "--vars: 'novalue' is not KEY=VALUE"),
        (("--first", "{"), "--first: not JSON"),
        (("--routes", '{"to": 1}'), "--routes[0].to: Expected `str`, got `int`"),
        (("--routes", '{"via": "x"}'), "--routes: unknown field `routes[0].via`; allowed: to, metric"),
    ],
)
def test_a_value_that_is_not_of_its_kind_is_named(deploy, words, error):
    with pytest.raises(BadInput) as caught:
        deploy(*words)

    assert error in str(caught.value)


def test_how_long_to_wait_is_told_and_at_least_as_long_as_a_command_may_take(controller, osapi):
    controller.says("POST", "/api/node/_all/command/shell", envelope(), 202)
    controller.says("GET", "/api/node/_all/uptime", envelope())
    shell = ("client", "node", "command", "shell", "--command", "true")

    osapi(*shell, "--timeout", "60")
    osapi(*shell, "--wait", "2m", "--expires", "1h30m", "--idempotency-key", "k")
    osapi("client", "node", "uptime", "--wait", "1.5")
    osapi("client", "node", "uptime")

    headers = [asked.headers for asked in controller.asked]
    assert [found.get("prefer") for found in headers] == ["wait=65", "wait=120", "wait=2", None]
    assert controller.asked[1].query == {"expires": "5400.000s"}
    assert headers[1]["idempotency-key"] == "k"


def test_a_job_that_is_detached_is_told_how_to_follow(controller, osapi):
    controller.says("GET", "/api/node/_all/uptime", envelope(), 202, Location=f"/api/job/{JOB}")

    done = osapi("client", "node", "uptime", "--detach")

    assert controller.asked[0].headers["prefer"] == "respond-async"
    assert f"osapi client job events --job-id {JOB}\n" in done.out
    assert done.code == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("timezone", "update"), "Missing option '--timezone'"),
        (
            ("timezone", "update", "--timezone", "a b"),
            "--timezone: 'a b' is not allowed; expected: IANA name",
        ),
        (("hostname", "update", "--name", "-"), "--name: '-' is not allowed; expected: New name"),
        (("process", "get", "--pid", "0"), "--pid: Expected `int` >= 1"),
        (("process", "get", "--pid", "x"), "Invalid value for '--pid'"),
        (("process", "signal", "--pid", "7", "--signal", "STOP"), "'STOP' is not one of"),
        (("uptime", "--wait", "soon"), "'soon' is not a duration, such as 90s"),
        (("uptime", "--wait", "0"), "'0' is no time to come"),
        (("uptime", "get", "now"), "Got unexpected extra argument (now)"),
        (("uptime", "get", "--tagret", "a"), "Did you mean '--target'?"),
        (("timezoen", "get"), "No such command 'timezoen'. Did you mean 'timezone'?"),
        (("timezone", "gte"), "No such command 'gte'. Did you mean 'get'?"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_asked(controller, osapi, words, error):
    done = osapi("client", "node", *words)

    assert (done.code, done.out, controller.asked) == (2, "", [])
    assert done.err.startswith("Error: ")
    assert error in done.err


def test_a_mistake_in_usage_tells_where_help_is(osapi):
    assert osapi("client", "jbo").err.splitlines() == [
        "Error: No such command 'jbo'. Did you mean 'job'?",
        "See: osapi client --help",
    ]


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([item(), item("b", "skipped")], 0),
        ([], 0),
        ([item(), item("b", "failed", error="x")], 3),
        ([item(), item("b", "failed", **SILENT)], 3),
        ([item("a", "failed", error="x")], 1),
        ([item("a", "failed", error="x"), item("b", "failed", **SILENT)], 1),
        ([item("a", "failed", **SILENT), item("b", "failed", code="expired", error="x")], 4),
        ([item("a", "failed", code="timeout", error="sleep took longer than 1 s")], 1),
    ],
)
def test_the_exit_code_tells_how_it_went(controller, osapi, items, code):
    controller.says("GET", "/api/node/_all/uptime", envelope(*items))

    assert osapi("client", "node", "uptime").code == code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2),
        (401, 5),
        (403, 5),
        (404, 1),
        (409, 1),
        (429, 1),
        (500, 1),
        (503, 1),
    ],
)
def test_a_refusal_is_one_line_and_an_exit_code(controller, osapi, status, code):
    controller.says("GET", "/api/agent", {"code": status, "detail": "so it is"}, status)

    done = osapi("client", "agent", "list", "--json")

    assert (done.code, done.out) == (code, "")
    assert done.err.splitlines()[0] == "Error: so it is"


def test_without_a_token_it_says_where_one_was_looked_for(osapi, monkeypatch):
    monkeypatch.delenv("OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN")

    done = osapi("client", "agent", "list", "--url", "http://elsewhere.invalid")

    assert done.code == 2
    assert "no token for http://elsewhere.invalid" in done.err
    assert "OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN" in done.err


@pytest.mark.parametrize(
    "words", [("client", "job"), ("client", "node"), ("client",), (), ("client", "agent")]
)
def test_a_group_that_can_do_nothing_alone_prints_its_help(controller, osapi, words):
    done = osapi(*words)

    assert (done.code, done.err, controller.asked) == (0, "", [])
    assert done.out.startswith(f"Usage: {' '.join(('osapi', *words))} ")


def test_help_can_be_asked_for_in_front(osapi):
    assert osapi("help", "client", "job", "get").out == osapi("client", "job", "get", "-h").out


@pytest.mark.parametrize("name", catalogue())
def test_every_declaration_has_its_command_with_its_flags_and_an_example(name):
    declared = catalogue()[name]
    package = OPERATIONS if declared.__module__.startswith(OPERATIONS) else CALLS
    group = client if package == CALLS else client.find("node")

    for word in declared.spec.command:
        assert word in group.summaries()
        group = group.find(word)

    flags = {flag for option in group.params for flag in option.opts}
    assert declared in under(package, declared.spec.command)
    assert {f"--{parameter.flag}" for parameter in parameters(declared)} <= flags
    assert f"Example:\n  {example(declared)}" in group.epilog
    assert "VALUE" not in example(declared)
