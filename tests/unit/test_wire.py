"""Bytes to values and back."""

from typing import Annotated

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osapi import wire
from osapi.calls import blob
from osapi.calls import job as jobs
from osapi.errors import BadInput
from osapi.operation import Operation, text
from osapi.operations import command, file, hostname, node, process, sysctl, timezone
from osapi.operations.network import dns
from osapi.results import Changed, FilePlan, Outcome, Plan, Status

Word = Annotated[str, text("[a-z]+", "A word in lower case", example="word", most=8)]


@attrs.frozen(kw_only=True)
class Port:
    name: Word
    number: int = 80


@attrs.frozen(kw_only=True)
class Rule:
    ports: list[Port] = attrs.field(factory=list)
    by_name: dict[str, Port] | None = None


class Open(Operation[Changed], POST="/wire/open/{name}"):
    """Open ports; declared here, for parameters that are nested."""

    name: Word
    rule: Rule | None = None
    words: list[Word] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Door:
    number: int
    status: str = "shut"


class Doors(Operation[list[Door]], GET="/wire/doors"):
    """List doors; declared here, for entries that have a status of their own."""


def refused(declaration, given, **options):
    with pytest.raises(BadInput) as found:
        wire.params(declaration, given, **options)
    return found.value


def test_parameters_are_decoded_with_their_defaults():
    decoded = wire.params(command.Exec, {"command": "uname"})

    assert decoded == command.Exec(command="uname", args=[], cwd=None, timeout=30)


def test_nested_values_become_what_is_declared():
    decoded = wire.params(Open, {"name": "web", "rule": {"ports": [{"name": "http"}]}})

    assert decoded.rule == Rule(ports=[Port(name="http", number=80)])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "web", "nmae": "x"}, "nmae"),
        ({"name": "web", "rule": {"port": []}}, "rule.port"),
        ({"name": "web", "rule": {"ports": [{"name": "a"}, {"name": "b", "nr": 1}]}}, "rule.ports[1].nr"),
        ({"name": "web", "rule": {"by_name": {"a": {"name": "http", "nr": 1}}}}, "rule.by_name.a.nr"),
    ],
)
def test_an_unknown_field_is_refused_however_deep(given, field):
    error = refused(Open, given)

    assert error.field == field
    assert f"unknown field `{field}`; allowed: " in str(error)


@pytest.mark.parametrize(
    ("declaration", "given", "field"),
    [
        (Open, {}, "name"),
        (Open, {"name": 1}, "name"),
        (Open, {"name": None}, "name"),
        (Open, {"name": "web", "rule": []}, "rule"),
        (Open, {"name": "web", "rule": {"ports": "http"}}, "rule.ports"),
        (
            Open,
            {"name": "web", "rule": {"ports": [{"name": "http", "number": "80"}]}},
            "rule.ports[0].number",
        ),
        (Open, {"name": "web", "words": ["a", 1]}, "words[1]"),
        (command.Exec, {"command": "x", "timeout": 0}, "timeout"),
        (command.Exec, {"command": "x", "timeout": 301}, "timeout"),
        (command.Exec, {"command": "x", "timeout": 1.5}, "timeout"),
        (command.Exec, {"command": "x", "timeout": True}, "timeout"),
        (command.Exec, {"command": "x", "args": "-a"}, "args"),
        (process.Signal, {"pid": 1, "signal": "STOP"}, "signal"),
        (process.Get, {"pid": 0}, "pid"),
        (process.Get, {"pid": -1}, "pid"),
        (jobs.List, {"limit": 101}, "limit"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(declaration, given, field):
    error = refused(declaration, given)

    assert error.field == field
    assert field in str(error)


@pytest.mark.parametrize(
    ("declaration", "given"),
    [
        (hostname.Update, {"hostname": "web-01\n"}),
        (hostname.Update, {"hostname": "web-01\nroot"}),
        (hostname.Update, {"hostname": "\nweb-01"}),
        (hostname.Update, {"hostname": "-web"}),
        (hostname.Update, {"hostname": "web_01"}),
        (hostname.Update, {"hostname": "a" * 65}),
        (timezone.Update, {"timezone": "Europe/Berlin\n"}),
        (timezone.Update, {"timezone": "../etc/passwd"}),
        (timezone.Update, {"timezone": "/etc/passwd"}),
        (timezone.Update, {"timezone": "Europe//Berlin"}),
        (timezone.Update, {"timezone": "Europe/Berlin; reboot"}),
        (timezone.Update, {"timezone": "$(reboot)"}),
        (timezone.Update, {"timezone": ""}),
        (command.Exec, {"command": "uname\x00"}),
        (command.Exec, {"command": ""}),
        (command.Exec, {"command": "x", "cwd": "relative"}),
        (jobs.Get, {"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff\n"}),
        (jobs.Get, {"id": "*"}),
    ],
)
def test_text_that_does_not_match_as_a_whole_is_refused(declaration, given):
    assert refused(declaration, given).field in given


def test_a_refused_pattern_is_told_in_words():
    error = refused(timezone.Update, {"timezone": "no zone"})

    assert str(error) == "timezone: 'no zone' is not allowed; expected: IANA name, such as Europe/Berlin"


def test_text_stands_for_numbers_only_where_there_is_nothing_else():
    assert wire.params(jobs.List, {"limit": "5"}, text=True) == jobs.List(limit=5)
    assert refused(jobs.List, {"limit": "5"}).field == "limit"
    assert refused(jobs.List, {"limit": "five"}, text=True).field == "limit"


def test_a_value_that_refers_to_a_fact_is_checked_once_the_fact_is_in_its_place():
    decoded = wire.params(timezone.Update, {"timezone": "@fact.custom.zone"})

    assert decoded.timezone == "@fact.custom.zone"


def test_beside_a_reference_everything_else_is_checked():
    assert refused(command.Exec, {"command": "@fact.arch", "timeout": 0}).field == "timeout"
    assert refused(command.Exec, {"args": ["@fact.arch"]}).field == "command"
    assert refused(command.Exec, {"command": "@fact.arch", "cmd": "x"}).field == "cmd"
    assert refused(Open, {"name": "@fact.arch", "words": [1]}).field == "words[0]"


def test_a_reference_does_not_change_what_a_value_must_be():
    assert refused(Open, {"name": ["@fact.arch"]}).field == "name"
    assert refused(process.Get, {"pid": "@fact.arch"}).field == "pid"


def test_a_literal_value_refers_to_nothing_and_is_checked_at_once():
    assert wire.params(file.Write, {"path": "/a", "content": "me@fact.org"}).content == "me@fact.org"
    assert refused(file.Write, {"path": "/a", "content": "@fact.arch" * 10_000}).field == "content"
    assert refused(file.EditLine, {"path": "/@fact.hostname", "line": "@fact.arch\n"}).field == "line"


def test_what_is_resolved_is_checked_whatever_it_looks_like():
    assert refused(timezone.Update, {"timezone": "@fact.custom.zone"}, resolved=True).field == "timezone"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("@fact.arch", True),
        ("a @fact.arch b", True),
        ({"a": [{"b": "@fact.arch"}]}, True),
        (["x", ("@fact.arch",)], True),
        ("fact.arch", False),
        ({"@fact.arch": "a key"}, False),
        (1, False),
        (None, False),
    ],
)
def test_what_refers_to_a_fact(value, expected):
    assert wire.refers(value) is expected


@pytest.mark.parametrize("data", [b"", b"{", b"[1,]", b"\xff", b'{"a": \xff}', b"nonsense"])
def test_what_is_no_json_is_refused(data):
    with pytest.raises(BadInput):
        wire.decode(object, data)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_is_nested_deeper_than_anything_of_ours_is_refused(opening, closing):
    for depth in (101, 1_000, 100_000):
        with pytest.raises(BadInput, match="100 deep"):
            wire.decode(object, opening * depth + b"1" + closing * depth)

    wire.decode(object, opening * 100 + b"1" + closing * 100)
    wire.decode(object, b"[" + b"[]," * 1_000 + b'"' + b"[" * 1_000 + b'"]')


def test_a_declaration_travels_without_what_is_none():
    assert wire.given(command.Exec(command="uname")) == {"command": "uname", "args": [], "timeout": 30}


@given(st.builds(command.Exec, command=st.just("x"), args=st.lists(st.text()), timeout=st.integers(1, 300)))
def test_parameters_travel_unchanged(declaration):
    clean = attrs.evolve(declaration, args=[word.replace("\x00", "") for word in declaration.args])

    assert wire.params(command.Exec, wire.given(clean)) == clean


DISKS = st.lists(
    st.builds(
        node.DiskUsage,
        name=st.text(),
        total=st.integers(0, 2**63 - 1),
        used=st.integers(0, 2**63 - 1),
        free=st.integers(0, 2**63 - 1),
    )
)
REPORTS = st.builds(
    node.NodeReport,
    uptime=st.none() | st.text(),
    os_info=st.none() | st.builds(node.System, distribution=st.text(), version=st.text()),
    disks=DISKS,
)
PLANS = st.builds(
    Plan,
    files=st.lists(st.builds(FilePlan, path=st.text(), action=st.text(), diff=st.text())),
    commands=st.lists(st.lists(st.text())),
)


@given(st.text(), st.booleans(), st.none() | PLANS, REPORTS)
def test_an_outcome_comes_back_as_it_was(name, changed, plan, report):
    outcome = Outcome(hostname=name, status=Status.OK, changed=changed, plan=plan, result=report)
    body = wire.encode({"job_id": "1", "results": [wire.flatten(outcome)]})

    found = wire.results(node.Status, body)

    assert found.job_id == "1"
    assert found.results == [outcome]


@given(st.text(), st.sampled_from([Status.FAILED, Status.SKIPPED]), st.text(), st.text())
def test_an_outcome_without_a_result_comes_back_as_it_was(name, status, error, code):
    outcome = Outcome(hostname=name, status=status, error=error, code=code)
    body = wire.encode({"job_id": "1", "results": [wire.flatten(outcome)]})

    assert wire.results(node.Status, body).results == [outcome]


def test_an_outcome_travels_flat_and_without_what_is_none():
    outcome = Outcome(
        hostname="web-01", status=Status.OK, result=timezone.Timezone(timezone="UTC", utc_offset="+00:00")
    )

    assert wire.flatten(outcome) == {
        "hostname": "web-01",
        "status": "ok",
        "changed": False,
        "timezone": "UTC",
        "utc_offset": "+00:00",
    }


@pytest.mark.parametrize("state", ["in-sync", "drifted", "missing"])
def test_a_status_that_is_the_results_own_travels_in_the_place_of_ok(state):
    outcome = Outcome(hostname="a", status=Status.OK, result=file.FileStatus(path="/etc/a", status=state))
    body = wire.encode({"job_id": "1", "results": [wire.flatten(outcome)]})

    assert wire.flatten(outcome)["status"] == state
    assert wire.results(file.Status, body).results == [outcome]


@pytest.mark.parametrize(
    ("item", "status"),
    [
        ({"status": "ok"}, Status.OK),
        ({"status": "drifted", "error": None}, Status.OK),
        ({}, Status.OK),
        ({"status": "failed"}, Status.FAILED),
        ({"status": "skipped", "error": "no", "code": "internal"}, Status.SKIPPED),
        ({"status": "drifted", "error": "no", "code": "not_found"}, Status.FAILED),
        ({"error": "no"}, Status.FAILED),
        ({"error": "no", "code": "unsupported"}, Status.SKIPPED),
        ({"status": ["ok"]}, Status.OK),
    ],
)
def test_how_it_went_on_a_host_is_told_whatever_its_status_says(item, status):
    body = wire.encode({"results": [{"hostname": "a", "path": "/a", "sha256": "", **item}]})

    assert wire.status(item) is status
    assert wire.results(file.Deploy, body).results[0].status is status


def test_results_may_be_null():
    assert wire.results(node.Status, b'{"job_id": "1", "results": null}').results == []
    assert wire.results(sysctl.List, b'{"job_id": "1", "results": null}').results == []


def listed(declaration, *items):
    return wire.results(declaration, wire.encode({"job_id": "1", "results": items})).results


def test_the_items_of_a_list_come_back_as_one_outcome_for_each_host():
    first, second = {"key": "a.b", "value": "1"}, {"key": "c.d", "value": "2"}
    web, db = {"hostname": "web", "status": "ok", "changed": False}, {"hostname": "db", "status": "ok"}

    found = listed(sysctl.List, db | second, web | first, web | second)

    settings = [sysctl.Setting(key="a.b", value="1"), sysctl.Setting(key="c.d", value="2")]
    assert found == [
        Outcome(hostname="db", status=Status.OK, result=settings[1:]),
        Outcome(hostname="web", status=Status.OK, result=settings),
    ]


def test_a_host_without_entries_is_one_item_and_has_an_empty_list():
    item = {"hostname": "web", "status": "ok", "changed": False}

    assert listed(sysctl.List, item) == [Outcome(hostname="web", status=Status.OK, result=[])]


def test_a_host_that_failed_has_no_list():
    bad = {"hostname": "a", "status": "failed", "error": "no", "code": "refused"}

    [failed, skipped] = listed(sysctl.List, bad, bad | {"status": "skipped"})

    assert (failed.status, failed.error, failed.code, failed.result) == (Status.FAILED, "no", "refused", None)
    assert (skipped.status, skipped.result) == (Status.SKIPPED, None)


def test_one_of_two_hosts_of_the_same_name_may_have_failed():
    good = {"hostname": "a", "status": "ok", "key": "a.b", "value": "1"}

    found = listed(sysctl.List, good, {"hostname": "a", "status": "failed", "error": "no"})

    assert [(outcome.status, outcome.error) for outcome in found] == [
        (Status.OK, None),
        (Status.FAILED, "no"),
    ]


def test_entries_may_have_a_status_of_their_own():
    item = {"hostname": "a", "changed": False}

    found = listed(Doors, item | {"status": "open", "number": 1}, item | {"status": "shut", "number": 2})

    doors = [Door(number=1, status="open"), Door(number=2)]
    assert found == [Outcome(hostname="a", status=Status.OK, result=doors)]


def test_an_entry_that_lacks_a_field_is_refused_by_its_name():
    with pytest.raises(BadInput) as found:
        listed(sysctl.List, {"hostname": "a", "status": "ok", "key": "a.b"})

    assert "value" in str(found.value)


def test_a_reference_may_stand_in_a_path_and_in_what_may_be_left_out():
    assert wire.parameter(dns.Get, "interfaceName", "@fact.interface.primary") == "@fact.interface.primary"
    asked = wire.params(dns.Update, {"interface_name": "eth0", "servers": ["@fact.custom.dns"]})

    assert asked.servers == ["@fact.custom.dns"]


def test_what_the_controller_answers_itself_has_no_references():
    with pytest.raises(BadInput, match="sha256"):
        wire.params(blob.Register, {"sha256": "@fact.hostname", "source": "https://a/b", "size": 1})
