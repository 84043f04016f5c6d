"""What hosts answered, as it travels, and back."""

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.collect import told
from osapi import wire
from osapi.jobs import NOTHING, Answer, State
from osapi.operations import sysctl
from osapi.results import Outcome, Status

ANSWER = Answer(job_id="1", machine_id="m", hostname="web-01", state=State.COMPLETED)
SETTINGS = st.lists(
    st.builds(sysctl.Setting, key=st.text(), value=st.text(), kept=st.none() | st.text()), max_size=3
)


def answering(result, **more):
    return attrs.evolve(ANSWER, data=msgspec.Raw(wire.encode(wire.plain(result))), **more)


@given(st.lists(SETTINGS, max_size=4))
def test_lists_come_back_as_they_were_whatever_is_in_them(lists):
    hosts = [f"web-{n}" for n in range(len(lists))]
    answers = [answering(found, hostname=host) for host, found in zip(hosts, lists, strict=True)]
    items = [item for answer in answers for item in told(answer)]

    found = wire.results(sysctl.List, wire.encode({"job_id": "1", "results": items})).results

    assert found == [
        Outcome(hostname=host, status=Status.OK, result=result)
        for host, result in zip(hosts, lists, strict=True)
    ]


def test_each_entry_is_an_item_with_the_fields_of_the_outcome():
    answer = answering([sysctl.Setting(key="a.b", value="1"), sysctl.Setting(key="c.d", value="2")])

    outer = {"hostname": "web-01", "status": "ok", "changed": False}
    assert told(answer) == [outer | {"key": "a.b", "value": "1"}, outer | {"key": "c.d", "value": "2"}]


@pytest.mark.parametrize("result", [[], None])
def test_without_entries_there_is_one_item(result):
    assert told(answering(result)) == [{"hostname": "web-01", "status": "ok", "changed": False}]


def test_a_status_of_an_entry_stands_in_the_place_of_ok():
    assert [item["status"] for item in told(answering([{"status": "open"}, {"status": "shut"}]))] == [
        "open",
        "shut",
    ]


def test_a_host_that_failed_is_one_item_with_its_error():
    answer = attrs.evolve(ANSWER, state=State.FAILED, error="no", code="refused", data=NOTHING)

    assert told(answer) == [
        {"hostname": "web-01", "status": "failed", "changed": False, "error": "no", "code": "refused"}
    ]


@pytest.mark.parametrize("data", [b"{", b"[1]", b"7"])
def test_a_result_that_cannot_be_read_is_an_error_of_that_host(data):
    [item] = told(attrs.evolve(ANSWER, data=msgspec.Raw(data)))

    assert (item["status"], item["code"]) == ("failed", "unreadable")
