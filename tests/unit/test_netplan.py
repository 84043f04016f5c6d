"""What the files of netplan say together, and where packets could go."""

from ipaddress import ip_address

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent import netplan
from agent.iproute import Link
from agent.netplan import Netplan, dump
from osapi.errors import Conflict, Refused

ETH0 = Link(ifname="eth0", address="52:54:00:12:34:56")


def plan(*definitions, **more):
    """Files that say these things of eth0, one after the other."""
    said = [*definitions, more] if more else definitions
    return Netplan(
        {f"/etc/netplan/{at}.yaml": dump("ethernets", "eth0", each) for at, each in enumerate(said)}
    )


def way(before, after, *broker):
    netplan.check_ways(before, after, broker)


def test_lists_are_joined_and_of_a_single_value_the_last_counts():
    one = {"mtu": 1500, "addresses": ["192.0.2.1/24"], "nameservers": {"addresses": ["9.9.9.9"]}}
    other = {"mtu": 1400, "addresses": ["192.0.2.1/24", "192.0.2.2/24"], "nameservers": {"search": ["lan"]}}

    assert plan(one, other).definition(ETH0) == {
        "mtu": 1400,
        "addresses": ["192.0.2.1/24", "192.0.2.2/24"],
        "nameservers": {"addresses": ["9.9.9.9"], "search": ["lan"]},
    }


def test_files_are_read_in_the_order_of_their_names_whatever_folder_they_are_in():
    said = {
        "/run/netplan/10.yaml": 1,
        "/etc/netplan/20.yaml": 2,
        "/lib/netplan/90.yaml": 9,
        "/etc/netplan/15.yaml": 3,
    }

    found = Netplan({path: dump("ethernets", "eth0", {"mtu": mtu}) for path, mtu in said.items()})

    assert found.definition(ETH0) == {"mtu": 9}


@pytest.mark.parametrize(
    ("id", "definition", "found"),
    [
        ("eth0", {}, True),
        ("eth1", {}, False),
        ("id0", {"set-name": "eth0", "match": {"macaddress": "52:54:00:AA:BB:CC"}}, True),
        ("eth0", {"set-name": "lan0", "match": {"macaddress": "52:54:00:12:34:56"}}, False),
        ("id0", {"match": {"macaddress": "52:54:00:12:34:56"}}, True),
        ("id0", {"match": {"macaddress": "52:54:00:12:34:57"}}, False),
        ("id0", {"match": {"name": "e*"}}, True),
        ("id0", {"match": {"name": ["w*", "eth?"]}}, True),
        ("eth0", {"match": {"name": "ens*"}}, False),
        ("eth0", {"match": {"driver": "virtio"}}, False),
    ],
)
def test_a_definition_is_of_the_interface_that_it_names_or_looks_for(id, definition, found):
    assert netplan.is_for(id, definition, ETH0) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "network:",
        "network: []",
        "network: {ethernets: }",
        "network: {ethernets: {eth0: }}",
        "1",
    ],
)
def test_files_that_say_nothing_say_nothing(text):
    found = Netplan({"/etc/netplan/1.yaml": text})

    assert (found.definition(ETH0), list(found.ways()), found.own("/etc/netplan/1.yaml")) == (None, [], {})


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.integers() | st.booleans()))
def test_what_is_written_is_read_back(definition):
    text = dump("ethernets", "eth0", definition)

    assert yaml.safe_load(text)["network"]["ethernets"]["eth0"] == definition
    assert text.isascii()


STATIC = {
    "accept-ra": False,
    "addresses": ["192.0.2.10/24"],
    "routes": [{"to": "default", "via": "192.0.2.1"}],
}


@pytest.mark.parametrize(
    "default",
    [
        {"routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1"}]},
        {"routes": [{"to": "default", "via": "192.0.2.1", "metric": 100}]},
        {"gateway4": "192.0.2.1"},
        {"dhcp4": True},
        {"accept-ra": True},
        {"gateway6": "2001:db8::1"},
        {"routes": [{"to": "default", "via": "2001:db8::1"}]},
    ],
)
def test_the_last_default_route_of_a_protocol_stays(default):
    rest = {"accept-ra": False, "addresses": [{"192.0.2.10/24": {"label": "x"}}, "2001:db8::2/64"]}

    with pytest.raises(Refused, match="the last default route"):
        way(plan(rest, default), plan(rest))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (STATIC, STATIC | {"routes": [{"to": "default", "via": "192.0.2.2"}]}),
        (STATIC, {"dhcp4": True}),
        ({}, {"accept-ra": False}),  # there may have been one, which nobody asked for
        ({"accept-ra": False}, {"accept-ra": False, "mtu": 1400}),
        (
            {"routes": [{"to": "default", "via": "192.0.2.1", "table": 100}], "accept-ra": False},
            {"accept-ra": False},
        ),
        ({"dhcp4": True, "dhcp4-overrides": {"use-routes": False}, "accept-ra": False}, {"accept-ra": False}),
        ({"routes": [{"to": "default", "type": "unreachable"}], "accept-ra": False}, {"accept-ra": False}),
    ],
)
def test_what_leaves_or_may_leave_a_default_route_is_tried(before, after):
    way(plan(before), plan(after))


def test_a_default_route_is_not_configured_twice():
    with pytest.raises(Conflict, match="another default route of IPv4"):
        way(plan(STATIC), plan(STATIC, {"routes": [{"to": "default", "via": "192.0.2.9"}]}))


def test_of_another_metric_it_may_be():
    way(plan(STATIC), plan(STATIC, {"routes": [{"to": "default", "via": "192.0.2.9", "metric": 200}]}))


def test_what_was_there_twice_may_stay_so():
    twice = [STATIC, {"routes": [{"to": "default", "via": "192.0.2.9"}]}]

    way(plan(*twice), plan(*twice, {"mtu": 1400}))


@pytest.mark.parametrize(
    "way_there", [{"addresses": ["10.1.2.3/16"]}, {"routes": [{"to": "10.1.0.0/16", "via": "192.0.2.1"}]}]
)
def test_the_last_way_to_the_broker_stays(way_there):
    rest = {"accept-ra": False, "addresses": ["192.0.2.10/24"]}

    way(plan(rest, way_there), plan(rest), ip_address("10.9.0.1"))
    with pytest.raises(Refused, match="no way to the broker"):
        way(plan(rest, way_there), plan(rest), ip_address("10.1.0.1"))
