"""What the doctor makes of what it sees, on files of a test's own."""

import os
import socket
from pathlib import Path

import attrs
import pytest

from osapi.calls.agent import AgentInfo
from osapi.conditions import Kind
from osapi.config import Config
from osapi.config.schema import AgentPki
from osapi.doctor import broker, client, daemons, files, host
from osapi.doctor.examine import CHECKS, examine
from osapi.doctor.findings import Level, Machine, fail, ok, warn, worst
from osapi.install.daemons import CONTROLLER
from osapi.jobs import now
from osapi.registry import NodeCondition
from osapi.state import StateDirectory
from osapi.tokens import issue

KEY = "0123456789abcdef" * 4


@pytest.fixture
def state(tmp_path):
    return StateDirectory(tmp_path / "state").create()


@pytest.fixture
def machine(state, tmp_path):
    """One that is all of them, whose files are in a folder; nothing runs on it."""
    return Machine(
        config=Config(),
        file=None,
        states=dict.fromkeys(("broker", "controller", "agent"), state),
        roles=frozenset({"broker", "controller", "agent"}),
        environ={"XDG_CONFIG_HOME": str(tmp_path / "config")},
        root=tmp_path,
    )


def told(findings):
    return [(finding.check, finding.status, finding.found) for finding in findings]


async def test_what_is_wrong_with_the_configuration_fails_and_what_is_odd_warns(machine):
    spoilt = attrs.evolve(machine, problems=["debug: no"], notes=["agent.consumer.name: has no effect"])

    assert told(await files.configuration(spoilt)) == [
        ("config", "fail", "debug: no"),
        ("config", "warn", "agent.consumer.name: has no effect"),
    ]
    assert told(await files.configuration(machine)) == [
        ("config", "ok", "defaults and environment: nothing is wrong")
    ]


async def test_state_and_keys_that_others_can_read_or_write_are_named_with_the_command_that_mends_it(
    machine, state, tmp_path
):
    state.signing_key()
    good = await files.permissions(machine)
    (state.path / "signing.key").chmod(0o644)
    state.path.chmod(0o770)
    pki = tmp_path / "pki"
    pki.mkdir()
    (pki / "agent.key").touch()
    (pki / "agent.key").chmod(0o620)
    agent = attrs.evolve(machine.config.agent, pki=AgentPki(enabled=True, key_dir=str(pki)))
    with_keys = attrs.evolve(machine, config=attrs.evolve(machine.config, agent=agent))

    found = await files.permissions(with_keys)

    assert [finding.status for finding in good] == ["ok"]
    assert [(finding.found.partition(": ")[2], finding.fix) for finding in found] == [
        ("others can write to it (mode 0770)", f"chmod 700 {state.path}"),
        ("others can read it (mode 0644)", f"chmod 600 {state.path}/signing.key"),
        ("others can write to it (mode 0620)", f"chmod 600 {pki}/agent.key"),
    ]
    assert {finding.status for finding in found} == {"fail"}


async def test_a_file_of_contexts_that_others_can_read_is_named(machine, tmp_path):
    path = tmp_path / "config/osapi/contexts.yaml"
    path.parent.mkdir(parents=True)
    path.touch(0o644)

    found = await files.permissions(attrs.evolve(machine, roles=frozenset({"client"})))

    assert [(finding.status, finding.fix) for finding in found] == [("fail", f"chmod 600 {path}")]


async def test_a_port_that_another_program_holds_is_named_with_its_key(machine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        api = attrs.evolve(machine.config.controller.api, port=number)
        controller = attrs.evolve(machine.config.controller, api=api)
        found = await daemons.ports(
            attrs.evolve(
                machine,
                config=attrs.evolve(machine.config, controller=controller),
                roles=frozenset({"controller"}),
            )
        )

    assert [(each.check, each.status, each.fix) for each in found] == [
        (f"port {number}", "fail", "stop that, or set controller.api.port")
    ]
    assert f"(pid {os.getpid()}, user " in found[0].found


def test_a_daemon_that_runs_is_known_by_its_lock(machine, state):
    here = attrs.evolve(machine, root=Path("/"))
    before = daemons.running(here, "controller")

    with state.lock("controller"):
        while_it_runs = daemons.running(here, "controller"), daemons.running(here, "agent")

    assert (before, while_it_runs, daemons.running(here, "controller")) == (None, (os.getpid(), None), None)


@pytest.mark.parametrize(
    ("told", "level", "words", "fix"),
    [
        ({"LoadState": "not-found"}, "skip", "has none", "osapi controller install makes one"),
        ({"LoadState": "bad-setting"}, "fail", "cannot be loaded", "systemd-analyze verify osapi-controller.service"),
        (
            {"LoadState": "loaded", "ActiveState": "failed", "SubState": "failed", "Result": "exit-code"},
            "fail", "failed: exit-code", "journalctl -u osapi-controller.service",
        ),
        ({"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead"}, "warn", "dead", "systemctl start"),
        (
            {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "NeedDaemonReload": "yes"},
            "warn", "changed since", "systemctl daemon-reload",
        ),
        (
            {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "disabled"},
            "warn", "not at boot", "systemctl enable",
        ),
        (
            {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled",
             "NRestarts": "3"},
            "ok", "active (running), restarted 3 times", "",
        ),
    ],
)  # fmt: skip
def test_what_systemd_tells_of_a_unit_is_understood(told, level, words, fix):
    found = daemons.unit(CONTROLLER, told)

    assert found.status == level
    assert words in found.found
    assert fix in found.fix


def test_few_open_files_are_told_before_none_can_be_opened(tmp_path):
    def process(limit, used):
        folder = tmp_path / f"{limit}-{used}"
        (folder / "fd").mkdir(parents=True, exist_ok=True)
        for number in range(used):
            (folder / "fd" / str(number)).touch()
        (folder / "limits").write_text(
            f"Limit  Soft Limit  Hard Limit  Units\nMax open files  {limit}  {limit}  files\n"
        )
        return folder

    assert daemons._open_files(process(65536, 3), ["controller"]).status is Level.OK
    assert daemons._open_files(process(1024, 3), ["broker"]).status is Level.WARN
    assert daemons._open_files(process(1024, 3), ["agent"]).status is Level.OK
    assert daemons._open_files(process(10, 9), ["agent"]).status is Level.FAIL


@pytest.mark.parametrize(
    ("text", "status"), [("4f3a\n", "ok"), ("", "fail"), ("uninitialized\n", "fail"), (None, "fail")]
)
async def test_an_agent_needs_a_machine_id(machine, tmp_path, text, status):
    (tmp_path / "etc").mkdir()
    if text is not None:
        (tmp_path / "etc/machine-id").write_text(text)

    [found] = await host.identity(machine)

    assert found.status == status
    assert (await host.identity(attrs.evolve(machine, roles=frozenset({"client"})))) == []


@pytest.mark.parametrize(("seconds", "status"), [(0.3, "ok"), (-1.9, "ok"), (2.5, "warn"), (-31, "fail")])
def test_clocks_that_differ_are_told(seconds, status):
    found = broker.skew(seconds)

    assert found.status == status
    if status != "ok":
        assert f"{abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}" in found.found


async def test_writes_that_are_not_synced_are_told(machine):
    server = attrs.evolve(machine.config.nats.server, sync_always=False)
    careless = attrs.evolve(machine.config, nats=attrs.evolve(machine.config.nats, server=server))

    async def found(**changes):
        return [each.status for each in await broker.durability(attrs.evolve(machine, **changes))]

    assert await found() == ["ok"]
    assert await found(config=careless) == ["warn"]
    assert await found(roles=frozenset({"controller"})) == ["skip"]
    assert await found(roles=frozenset({"agent"})) == []


@pytest.mark.parametrize(
    ("bearer", "status", "words"),
    [
        (issue(KEY, "ann", ["read"], lifetime=20 * 86400), "ok", "ann's is good for 20 days"),
        (issue(KEY, "ann", ["read"], lifetime=3 * 3600), "warn", "ann's is good for 3 hours"),
        (issue(KEY, "ann", ["read"], lifetime=0.001), "fail", "that of ann has expired 0 hours ago"),
        ("", "fail", "there is none for http://c"),
        ("nonsense", "fail", "is no token"),
    ],
)
def test_a_token_is_told_of_before_it_ends(bearer, status, words):
    found = client.token(bearer, "http://c")

    assert (found.status, words in found.found) == (status, True)
    assert bearer not in found.found or not bearer


def test_agents_that_are_away_older_or_twins_are_named():
    twin = NodeCondition(type=Kind.DUPLICATE_MACHINE_ID, status=True, last_transition_time=now())
    agents = [
        AgentInfo(hostname="web-01", status="Ready", version="2.0"),
        AgentInfo(hostname="web-02", status="Ready", version="1.9", conditions=[twin]),
        *(AgentInfo(hostname=f"db-0{n}", status="NotReady", version="2.0") for n in range(5)),
    ]

    assert told(client.fleet(agents, "2.0")) == [
        ("agents", "fail", "machine ids are there twice: web-02"),
        ("agents", "warn", "another version than the controller's 2.0: 1 with 1.9"),
        ("agents", "warn", "5 of 7 are away: db-00, db-01, db-02 and 2 more"),
    ]
    assert client.fleet(agents[:1], "2.0")[0].status == "ok"


def test_the_worst_finding_says_how_it_is():
    fine, odd, bad = ok("a", "b"), warn("a", "b", "c"), fail("a", "b", "c")

    assert [worst([fine]), worst([fine, odd]), worst([odd, bad, fine]), worst([])] == [
        "ok",
        "warn",
        "fail",
        "ok",
    ]


async def test_findings_come_in_the_order_of_the_checks(machine):
    async def slowly(machine):
        await host.clock(machine)
        return [ok("slow", "")]

    found = await examine(machine, [slowly, files.configuration])

    assert [finding.check for finding in found] == ["slow", "config"]
    assert len(set(CHECKS)) == len(CHECKS)
