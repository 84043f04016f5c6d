"""What is recorded of a request: nothing secret, nothing without a bound, and the address that it is really from."""

import json

import pytest

from controller.audit import entries
from controller.notes import Notes
from osapi.operations import user
from osapi.sealed import MASK


@pytest.fixture
def noted():
    async def made():
        return Notes(request_id="r", trace_id="t", source="192.0.2.1", method="POST", path="/api/node/_all/x")

    return made


PROXIES = ["10.0.0.0/8", "2001:db8::5"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.5", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.5", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.5", "198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "nonsense", "10.0.0.5"),
        ("10.0.0.5", "10.1.1.1", "10.1.1.1"),
        ("2001:db8::5", "2001:db8::9", "2001:db8::9"),
        ("", "198.51.100.7", ""),
    ],
)
def test_a_forwarded_address_is_believed_of_trusted_proxies_only(peer, forwarded, found):
    assert entries.source(peer, forwarded, PROXIES) == found


async def test_what_is_long_is_not_recorded_in_full(noted):
    long = "line\n" * 1000

    entry = entries.intent(await noted(), {"name": "anna", "shell": long, "gecos": [long, {"deep": long}]})

    assert entry["params"]["name"] == "anna"
    assert long not in json.dumps(entry)
    assert len(json.dumps(entry)) < 2000
    huge = entries.intent(await noted(), {f"k{i}": "v" * 200 for i in range(1000)})
    assert set(huge["params"]) == {"sha256", "bytes"}


def test_secret_parameters_are_masked():
    found = entries.given(user.Create(name="anna", password="correct-horse"))

    assert (found["name"], found["password"]) == ("anna", MASK)


async def test_the_names_of_many_hosts_are_cut_and_their_number_is_told(noted):
    entry = entries.intent(await noted(), {}, (f"web-{i}" for i in range(5000)))

    assert (len(entry["hosts"]), entry["host_count"]) == (entries.HOSTS, 5000)


async def test_numbers_with_a_fraction_are_recorded_as_text(noted):
    entry = entries.intent(await noted(), {"seconds": 0.1, "count": 3})

    assert entry["params"] == {"seconds": "0.1", "count": 3}
