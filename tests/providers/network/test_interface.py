"""Network interfaces: as they are, and as they are to be."""

import attrs
import pytest
import yaml
from cabled import APPLY, BASE, shows

from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations.network import interface

FILE = "/etc/netplan/osapi-eth0.yaml"
BASE_FILE = "/etc/netplan/01-base.yaml"
CREATE = interface.Create(name="eth0", addresses=["192.0.2.10/24", "2001:DB8::0:5/64"], mtu=1400)
ONLY = interface.Create(name="eth0", dhcp4=False, addresses=["10.77.2.1/16"], gateway4="10.77.0.1")


async def written(host):
    return yaml.safe_load(await host.read(FILE))["network"]["ethernets"]["eth0"]


async def make_only(host):
    """Have OSAPI's file be the only one of netplan."""
    await host.remove(BASE_FILE)
    performed = await perform(host, ONLY)
    assert performed.changed, performed.error


async def test_get_tells_all_of_an_interface(host, release):
    shows(host, release)
    own = {
        "debian-12": ("10.77.2.1", "fe80::fc58:23ff:fee5:e3cd"),
        "debian-13": ("10.77.2.2", "fe80::84f2:a3ff:fefb:f2c1"),
    }
    host.has({FILE: "network: {ethernets: {eth0: {wakeonlan: true, dhcp6: true}}}"})

    performed = await perform(host, interface.Get(name="eth0"))

    ipv4, link_local = own[release]
    assert performed.result.interface == interface.InterfaceInfo(
        name="eth0",
        ipv4=ipv4,
        ipv6="2001:db8::5",
        mac="52:54:00:12:34:56",
        family="dual",
        addresses=[f"{ipv4}/16", "192.0.2.10/24", "192.0.2.77/24", "2001:db8::5/64", f"{link_local}/64"],
        mac_address="52:54:00:12:34:56",
        mtu=1400,
        state="up",
        dhcp4=False,
        dhcp6=True,
        gateway4="10.77.0.1",
        gateway6="2001:db8::1",
        wakeonlan=True,
        primary=True,
        managed=True,
    )


async def test_list_has_each_but_the_loopback(host):
    performed = await perform(host, interface.List())

    eth0, lan = performed.result.interfaces
    assert (eth0.name, eth0.managed) == ("eth0", False)
    assert lan == interface.InterfaceInfo(
        name="br-lan", mac=lan.mac, mac_address=lan.mac, addresses=[], mtu=1500, state="down"
    )


async def test_what_netplan_does_not_configure_has_its_address_from_dhcp_where_that_is_for_a_time_only(host):
    await host.remove(BASE_FILE)

    performed = await perform(host, interface.Get(name="eth0"))

    assert performed.result.interface.dhcp4


async def test_an_interface_that_is_not_there_is_not_found(host):
    shown = await perform(host, interface.Get(name="eth7"))
    made = await perform(host, attrs.evolve(CREATE, name="eth7"))

    assert (shown.code, made.code) == ("not_found", "not_found")
    assert "there are: lo, eth0, br-lan" in made.error


async def test_create_adds_to_what_other_files_say(host):
    performed = await perform(host, CREATE)

    assert performed.result == interface.InterfaceChanged(name="eth0", changed=True)
    assert await written(host) == {"addresses": ["192.0.2.10/24", "2001:db8::5/64"], "mtu": 1400}
    assert await host.read(BASE_FILE) == BASE


async def test_create_a_second_time_changes_nothing_and_otherwise_it_is_a_conflict(host):
    await perform(host, CREATE)
    host.ran.clear()

    again = await perform(host, CREATE)
    other = await perform(host, attrs.evolve(CREATE, mtu=1500))

    assert (again.state, again.changed) == (State.COMPLETED, False)
    assert (other.code, APPLY in host.ran) == ("conflict", False)


async def test_update_says_what_is_given_and_nothing_else(host):
    await perform(host, CREATE)

    performed = await perform(
        host,
        interface.Update(
            name="eth0", dhcp4=True, dhcp6=False, mac_address="52:54:00:AA:bb:cc", wakeonlan=True
        ),
    )

    assert performed.changed
    assert await written(host) == {
        "dhcp4": True, "dhcp6": False, "macaddress": "52:54:00:aa:bb:cc", "wakeonlan": True
    }  # fmt: skip


async def test_update_of_what_is_not_managed_is_not_found_and_without_anything_is_bad_input(host):
    unmanaged = await perform(host, interface.Update(name="eth0", mtu=1400))
    nothing = await perform(host, interface.Update(name="eth0"))

    assert (unmanaged.code, nothing.code) == ("not_found", "bad_input")


async def test_delete_takes_back_what_is_ours_and_a_second_time_changes_nothing(host):
    await perform(host, CREATE)

    first = await perform(host, interface.Delete(name="eth0"))
    again = await perform(host, interface.Delete(name="eth0"))

    assert (first.changed, again.changed) == (True, False)
    assert await host.glob("/etc/netplan/*") == [BASE_FILE]


async def test_a_mode_that_lets_others_read_it_is_put_right(host):
    await perform(host, CREATE)
    (host.root / FILE.lstrip("/")).chmod(0o644)

    performed = await perform(host, CREATE)

    assert (performed.changed, (await host.stat(FILE)).mode) == (True, 0o600)


@pytest.mark.parametrize("address", ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
async def test_a_hardware_address_that_no_interface_can_have_is_bad_input(host, address):
    performed = await perform(host, interface.Create(name="eth0", mac_address=address))

    assert (performed.code, await host.read(FILE)) == ("bad_input", None)


@pytest.mark.parametrize("address", ["0.0.0.0/0", "::/64", "10.77.2.1/0", "224.0.0.1/24", "ff02::1/64"])
async def test_an_address_that_no_single_machine_has_is_bad_input(host, address):
    performed = await perform(host, interface.Create(name="eth0", addresses=[address]))

    assert (performed.code, await host.read(FILE)) == ("bad_input", None)
    assert address in performed.error


async def test_nor_is_that_a_gateway(host):
    for given in ({"gateway4": "0.0.0.0"}, {"gateway6": "ff02::1"}):
        performed = await perform(host, interface.Create(name="eth0", **given))

        assert (performed.code, await host.read(FILE)) == ("bad_input", None)


async def test_a_hardware_address_that_could_be_a_number_stays_a_text(host):
    await perform(host, interface.Create(name="eth0", mac_address="52:54:00:12:34:56"))

    assert await written(host) == {"macaddress": "52:54:00:12:34:56"}


async def test_the_last_default_route_is_not_taken_away(host):
    await make_only(host)
    before, applied = host.holds(), host.ran.count(APPLY)

    deleted = await perform(host, interface.Delete(name="eth0"))
    updated = await perform(host, interface.Update(name="eth0", addresses=["10.77.2.1/16"]))

    assert {deleted.code, updated.code} == {"refused"}
    assert "the last default route of IPv4" in deleted.error
    assert (host.holds(), host.ran.count(APPLY)) == (before, applied)


async def test_the_last_way_to_the_broker_is_not_taken_away(host):
    await host.remove(BASE_FILE)
    await perform(host, interface.Create(name="eth0", addresses=["10.77.2.1/16"]))

    performed = await perform(host, interface.Update(name="eth0", addresses=["192.0.2.10/24"]))

    assert performed.code == "refused"
    assert "no way to the broker at 10.77.0.1" in performed.error


async def test_what_dhcp_may_bring_is_not_held_against_a_change(host):
    await make_only(host)

    performed = await perform(host, interface.Update(name="eth0", dhcp4=True))

    assert performed.changed


async def test_a_second_default_route_beside_that_of_another_file_is_a_conflict(host):
    performed = await perform(host, attrs.evolve(CREATE, gateway4="10.77.0.9"))

    assert (performed.code, APPLY in host.ran) == ("conflict", False)


async def test_the_gateways_are_default_routes(host):
    await host.remove(BASE_FILE)

    await perform(host, attrs.evolve(ONLY, gateway6="2001:DB8::1"))

    assert (await written(host))["routes"] == [
        {"to": "default", "via": "10.77.0.1"},
        {"to": "default", "via": "2001:db8::1"},
    ]


async def test_it_goes_where_the_interface_is_defined_whatever_its_id_is(host):
    host.has({BASE_FILE: "network: {ethernets: {wired: {match: {name: 'eth*'}, dhcp4: true}}}"})

    await perform(host, CREATE)

    assert list(yaml.safe_load(await host.read(FILE))["network"]["ethernets"]) == ["wired"]


async def test_what_configures_several_interfaces_alike_is_not_added_to(host):
    host.has({BASE_FILE: "network: {ethernets: {all: {match: {name: '*'}, dhcp4: true}}}"})

    performed = await perform(host, CREATE)

    assert performed.code == "refused"
    assert "together with lo, br-lan" in performed.error


async def test_what_nobody_has_configured_goes_to_the_section_of_its_kind(host):
    await perform(host, interface.Create(name="br-lan", addresses=["192.0.2.1/24"]))

    assert await host.read("/etc/netplan/osapi-br-lan.yaml") == (
        "# Made by OSAPI, which replaces and removes it: see `osapi client node network`.\n"
        "network:\n  version: 2\n  bridges:\n    br-lan:\n      addresses:\n      - 192.0.2.1/24\n"
    )


async def test_a_file_that_is_no_yaml_is_named(host):
    host.has({BASE_FILE: "network: ["})

    performed = await perform(host, CREATE)

    assert performed.code == "failed"
    assert f"{BASE_FILE} is no YAML" in performed.error


async def test_names_that_would_be_those_of_other_files_are_refused(host):
    performed = await perform(host, interface.Create(name="eth0-routes", mtu=1400))

    assert (performed.code, await host.glob("/etc/netplan/*")) == ("refused", [BASE_FILE])


async def test_a_dry_run_shows_the_file_and_the_command_and_does_neither(host):
    before = host.holds()

    performed = await perform(attrs.evolve(host, dry=True), CREATE)

    assert (host.holds(), APPLY in host.ran) == (before, False)
    assert [file.path for file in performed.plan.files] == [FILE]
    assert performed.plan.commands == [[*APPLY]]
