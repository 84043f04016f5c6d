"""Routes of the kernel, and of an interface as OSAPI configures them."""

import attrs
import pytest
import yaml
from cabled import APPLY, GENERATE, shows

from agent.dispatch import perform
from osapi.errors import BadInput, CommandFailed
from osapi.jobs import State
from osapi.operations.network import route
from osapi.operations.network.route import RouteInfo, RouteItem

FILE = "/etc/netplan/osapi-eth0-routes.yaml"
LAB = RouteItem(to="198.51.100.0/24", via="10.77.0.9", metric=100)
SIX = RouteItem(to="2001:db8:1::/48", via="2001:db8::1")
CREATE = route.Create(interfaceName="eth0", routes=[LAB, SIX])


async def written(host):
    return yaml.safe_load(await host.read(FILE))["network"]


async def test_list_has_the_routes_of_all_tables_but_those_of_own_addresses(host, release):
    shows(host, release)

    performed = await perform(host, route.List())

    found = {(each.destination, each.gateway): each for each in performed.result.routes}
    assert found["default", "10.77.0.1"].interface == "eth0"
    assert found["default", "2001:db8::1"].metric == 1024
    assert found["198.51.100.0/24", "192.0.2.1"].metric == 77
    assert found["10.77.0.0/16", None].scope == "link"
    assert found["203.0.114.0/24", "fe80::1"].interface == "eth0"
    assert found["203.0.115.0/24", None].interface is None
    assert found["203.0.116.0/24", "192.0.2.3"].interface == "eth0"
    assert {("203.0.113.0/24", "192.0.2.1"), ("203.0.113.0/24", "192.0.2.2")} <= found.keys()
    assert not {destination for destination, _ in found} & {"127.0.0.0/8", "ff00::/8", "10.77.255.255", "::1"}


async def test_create_writes_a_file_of_its_own_and_applies_it_once_it_is_checked(host):
    performed = await perform(host, CREATE)

    assert performed.result == route.RouteChanged(interface="eth0", changed=True)
    assert await written(host) == {
        "version": 2,
        "ethernets": {
            "eth0": {
                "routes": [
                    {"to": "198.51.100.0/24", "via": "10.77.0.9", "metric": 100},
                    {"to": "2001:db8:1::/48", "via": "2001:db8::1"},
                ]
            }
        },
    }
    assert (await host.stat(FILE)).mode == 0o600
    assert [argv for argv in host.ran if argv[0] == "netplan"] == [GENERATE, APPLY]


async def test_get_shows_what_the_file_says(host):
    await perform(host, CREATE)

    performed = await perform(host, route.Get(interfaceName="eth0"))

    assert performed.result.routes == [
        RouteInfo(destination="198.51.100.0/24", gateway="10.77.0.9", interface="eth0", metric=100),
        RouteInfo(destination="2001:db8:1::/48", gateway="2001:db8::1", interface="eth0"),
    ]


async def test_create_a_second_time_changes_nothing_and_other_routes_are_a_conflict(host):
    await perform(host, CREATE)
    host.ran.clear()

    again = await perform(host, CREATE)
    other = await perform(host, attrs.evolve(CREATE, routes=[LAB]))

    assert (again.state, again.changed) == (State.COMPLETED, False)
    assert (other.code, APPLY in host.ran) == ("conflict", False)


async def test_networks_are_written_by_their_first_address_and_once(host):
    untidy = [
        RouteItem(to="198.51.100.7/24", via="10.77.0.9"),
        RouteItem(to="2001:DB8:1:0::5/48", via="2001:db8:0::1"),
    ]

    await perform(host, route.Create(interfaceName="eth0", routes=[*untidy, *untidy]))

    assert (await written(host))["ethernets"]["eth0"]["routes"] == [
        {"to": "198.51.100.0/24", "via": "10.77.0.9"},
        {"to": "2001:db8:1::/48", "via": "2001:db8::1"},
    ]


async def test_update_takes_the_place_of_all_of_them(host):
    await perform(host, CREATE)

    performed = await perform(host, route.Update(interfaceName="eth0", routes=[SIX]))

    assert performed.changed
    assert [each["to"] for each in (await written(host))["ethernets"]["eth0"]["routes"]] == [
        "2001:db8:1::/48"
    ]


async def test_what_drifted_is_put_right(host):
    await perform(host, CREATE)
    host.has({FILE: (await host.read(FILE)).replace("10.77.0.9", "10.77.0.8")})

    performed = await perform(host, route.Update(interfaceName="eth0", routes=[LAB, SIX]))

    assert performed.changed
    assert "10.77.0.9" in await host.read(FILE)


async def test_delete_takes_them_back_and_a_second_time_changes_nothing(host):
    await perform(host, CREATE)

    first = await perform(host, route.Delete(interfaceName="eth0"))
    again = await perform(host, route.Delete(interfaceName="eth0"))

    assert (first.changed, again.changed, await host.read(FILE)) == (True, False, None)


@pytest.mark.parametrize(
    "operation", [route.Get(interfaceName="eth0"), route.Update(interfaceName="eth0", routes=[LAB])]
)
async def test_what_is_not_managed_is_not_found(host, operation):
    performed = await perform(host, operation)

    assert (performed.code, APPLY in host.ran) == ("not_found", False)


@pytest.mark.parametrize(
    ("to", "via", "code"),
    [
        ("0.0.0.0/0", "10.77.0.9", "refused"),
        ("::/0", "2001:db8::1", "refused"),
        ("198.51.100.0/24", "::1", "bad_input"),
        ("198.51.100.0/24", "0.0.0.0", "bad_input"),
    ],
)
async def test_default_routes_and_gateways_of_the_other_protocol_are_refused(host, to, via, code):
    before = host.holds()

    performed = await perform(host, route.Create(interfaceName="eth0", routes=[RouteItem(to=to, via=via)]))

    assert (performed.code, host.holds()) == (code, before)


async def test_an_interface_that_netplan_does_not_configure_is_left_alone(host):
    performed = await perform(host, attrs.evolve(CREATE, interfaceName="br-lan"))

    assert performed.code == "not_found"
    assert "network interface create" in performed.error


async def test_what_netplan_refuses_is_not_written(host):
    said = "/var/lib/osapi/agent/versions/netplan/etc/netplan/osapi-eth0-routes.yaml:5:7: Error in network definition"
    host.answers[GENERATE] = CommandFailed(GENERATE, 1, said)
    before = host.holds()

    performed = await perform(host, CREATE)

    assert (performed.code, host.holds()) == ("refused", before)
    assert "netplan refuses the new content: /etc/netplan/osapi-eth0-routes.yaml:5:7" in performed.error


async def test_a_host_without_netplan_is_skipped(host):
    await host.remove("/usr/sbin/netplan")

    performed = await perform(host, CREATE)

    assert (performed.state, performed.code) == (State.SKIPPED, "unsupported")


async def test_a_dry_run_shows_the_file_and_the_command_and_does_neither(host):
    rehearsing = attrs.evolve(host, dry=True)
    before = host.holds()

    performed = await perform(rehearsing, CREATE)

    assert (host.holds(), APPLY in host.ran, host.uplink.asked) == (before, False, 0)
    [file] = performed.plan.files
    assert (file.path, file.action, performed.plan.commands) == (FILE, "created", [[*APPLY]])
    assert "+      - to: 198.51.100.0/24\n" in file.diff


async def test_a_dry_run_refuses_what_netplan_refuses(host):
    host.answers[GENERATE] = CommandFailed(GENERATE, 1, "Error in network definition")

    performed = await perform(attrs.evolve(host, dry=True), CREATE)

    assert performed.code == "refused"


@pytest.mark.parametrize(
    ("words", "item"),
    [
        ("198.51.100.0/24:192.0.2.1", RouteItem(to="198.51.100.0/24", via="192.0.2.1")),
        ("198.51.100.0/24:192.0.2.1:100", RouteItem(to="198.51.100.0/24", via="192.0.2.1", metric=100)),
        ("[2001:db8::/32]:[fe80::1]:100", RouteItem(to="2001:db8::/32", via="fe80::1", metric=100)),
        ("[::/0]:[::1]", RouteItem(to="::/0", via="::1")),
    ],
)
def test_words_of_the_command_line_are_a_route_and_back(words, item):
    assert (RouteItem.parse(words), str(item)) == (item, words)


@pytest.mark.parametrize(
    "words",
    [
        "",
        ":",
        "198.51.100.0/24",
        "2001:db8::/32:fe80::1",
        "[a]",
        "a:b:c",
        "a:b:-1",
        "a:b:1:2",
        "[a:b",
        "a:b:1\n",
    ],
)
def test_other_words_are_none(words):
    with pytest.raises(BadInput, match="expected TO:VIA"):
        RouteItem.parse(words)
