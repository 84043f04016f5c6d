"""Name servers and search domains of an interface."""

import attrs
import pytest
import yaml
from cabled import APPLY, BASE, captured

from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations.network import dns, interface

FILE = "/etc/netplan/osapi-eth0-dns.yaml"
BASE_FILE = "/etc/netplan/01-base.yaml"
RESOLVED = "run/systemd/units/invocation:systemd-resolved.service"
GET = dns.Get(interfaceName="eth0")
UPDATE = dns.Update(
    interface_name="eth0", servers=["9.9.9.9", "2620:FE:0::fe"], search_domains=["example.org"]
)
QUIET = {"dhcp4-overrides": {"use-dns": False}, "dhcp6-overrides": {"use-dns": False}}


async def written(host):
    return yaml.safe_load(await host.read(FILE))["network"]["ethernets"]["eth0"]


def resolves(host, servers="", domains=""):
    """Have systemd-resolved run on the host."""
    link = host.root / RESOLVED
    link.parent.mkdir(parents=True)
    link.symlink_to("8c27f9ae674b4352ba35aa5ff2026894")
    host.answers["resolvectl", "dns", "--", "eth0"] = servers or "Link 2 (eth0):\n"
    host.answers["resolvectl", "domain", "--", "eth0"] = domains or "Link 2 (eth0):\n"


async def test_get_shows_what_systemd_resolved_asks(host, release):
    resolves(host, captured(release, "resolvectl-dns.txt"), captured(release, "resolvectl-domain.txt"))

    performed = await perform(host, GET)

    assert performed.result == dns.NameServers(
        servers=[
            "9.9.9.9", "1.1.1.1", "8.8.8.8", "2620:fe::fe", "fe80::1", "149.112.112.112", "1.0.0.1", "2620:fe::9",
            "2001:4860:4860::8888", "2001:4860:4860::8844",
        ],
        search_domains=["example.org", "a.example.org", "lan"],
    )  # fmt: skip


async def test_addresses_are_shown_without_port_interface_and_name(host):
    resolves(host, "Link 2 (eth0): [2620:fe::9]:853%2#dns.quad9.net fe80::1%eth0 1.1.1.1:53%2\n")

    performed = await perform(host, GET)

    assert performed.result.servers == ["2620:fe::9", "fe80::1", "1.1.1.1"]


async def test_there_may_be_none(host):
    resolves(host)

    performed = await perform(host, GET)

    assert performed.result == dns.NameServers(servers=[], search_domains=[])


async def test_without_systemd_resolved_they_are_those_of_the_host(host):
    host.has(
        {
            "/etc/resolv.conf": "# nameserver 192.0.2.1\nnameserver 9.9.9.9\nnameserver\t2620:fe::fe\n"
            "domain example.com\nsearch example.org . lan\noptions rotate\nnameserver\n"
        }
    )

    performed = await perform(host, GET)

    assert performed.result == dns.NameServers(
        servers=["9.9.9.9", "2620:fe::fe"], search_domains=["example.org", "lan"]
    )


async def test_an_interface_that_is_not_there_is_not_found(host):
    performed = await perform(host, dns.Get(interfaceName="eth7"))

    assert performed.code == "not_found"


async def test_update_writes_a_file_of_the_interface_and_applies_it(host):
    performed = await perform(host, UPDATE)

    assert (performed.state, performed.changed) == (State.COMPLETED, True)
    assert await written(host) == {
        "nameservers": {"addresses": ["9.9.9.9", "2620:fe::fe"], "search": ["example.org"]}
    }
    assert host.ran[-1] == APPLY


@pytest.mark.parametrize("server", ["0.0.0.0", "::", "ff02::fb"])
async def test_a_server_that_no_single_machine_is_is_bad_input(host, server):
    performed = await perform(host, attrs.evolve(UPDATE, servers=[server]))

    assert (performed.code, await host.read(FILE)) == ("bad_input", None)


async def test_update_a_second_time_changes_nothing(host):
    await perform(host, UPDATE)

    performed = await perform(host, UPDATE)

    assert (performed.state, performed.changed) == (State.COMPLETED, False)


async def test_what_is_not_given_is_kept(host):
    await perform(host, attrs.evolve(UPDATE, override_dhcp=True))

    await perform(host, dns.Update(interface_name="eth0", servers=["1.1.1.1"]))
    servers = await written(host)
    await perform(host, dns.Update(interface_name="eth0", search_domains=["lan"]))
    domains = await written(host)
    await perform(host, dns.Update(interface_name="eth0", override_dhcp=False))

    assert servers == {"nameservers": {"addresses": ["1.1.1.1"], "search": ["example.org"]}, **QUIET}
    assert domains == {"nameservers": {"addresses": ["1.1.1.1"], "search": ["lan"]}, **QUIET}
    assert await written(host) == {"nameservers": {"addresses": ["1.1.1.1"], "search": ["lan"]}}


async def test_where_dhcp_is_to_be_ignored_the_servers_it_gave_are_kept_unless_others_are_given(host):
    resolves(host, "Link 2 (eth0): 10.77.0.2 10.77.0.3\n", "Link 2 (eth0): lan\n")

    await perform(host, dns.Update(interface_name="eth0", override_dhcp=True))

    assert await written(host) == {"nameservers": {"addresses": ["10.77.0.2", "10.77.0.3"]}, **QUIET}


async def test_an_empty_list_is_none_at_all_and_a_file_that_would_say_nothing_goes(host):
    await perform(host, UPDATE)

    servers = await perform(host, dns.Update(interface_name="eth0", servers=[]))
    left = await written(host)
    domains = await perform(host, dns.Update(interface_name="eth0", search_domains=[]))

    assert (servers.changed, domains.changed) == (True, True)
    assert (left, await host.read(FILE)) == ({"nameservers": {"search": ["example.org"]}}, None)


async def test_servers_of_another_file_are_a_conflict_unless_they_are_asked_for_as_well(host):
    host.has({BASE_FILE: f"{BASE}      nameservers: {{addresses: [8.8.8.8]}}\n"})

    without = await perform(host, UPDATE)
    with_it = await perform(host, attrs.evolve(UPDATE, servers=["8.8.8.8", "9.9.9.9"]))

    assert without.code == "conflict"
    assert "the name servers 8.8.8.8" in without.error
    assert (await written(host))["nameservers"]["addresses"] == ["9.9.9.9"]
    assert with_it.changed


async def test_an_interface_that_osapi_configures_has_servers_as_well(host):
    await perform(host, interface.Create(name="br-lan", dhcp4=True))

    performed = await perform(host, attrs.evolve(UPDATE, interface_name="br-lan"))

    assert performed.changed
    assert "bridges" in await host.read("/etc/netplan/osapi-br-lan-dns.yaml")


async def test_each_interface_has_a_file_of_its_own_and_delete_takes_only_that(host):
    await perform(host, interface.Create(name="br-lan", dhcp4=True))
    await perform(host, UPDATE)
    await perform(host, attrs.evolve(UPDATE, interface_name="br-lan"))

    first = await perform(host, dns.Delete(interface_name="eth0"))
    again = await perform(host, dns.Delete(interface_name="eth0"))

    assert (first.changed, again.changed) == (True, False)
    assert await host.glob("/etc/netplan/*-dns.yaml") == ["/etc/netplan/osapi-br-lan-dns.yaml"]


async def test_update_with_nothing_is_bad_input_and_of_what_netplan_does_not_configure_not_found(host):
    nothing = await perform(host, dns.Update(interface_name="eth0"))
    unknown = await perform(host, attrs.evolve(UPDATE, interface_name="br-lan"))

    assert (nothing.code, unknown.code) == ("bad_input", "not_found")


@pytest.mark.parametrize("operation", [UPDATE, dns.Delete(interface_name="eth0")])
async def test_a_host_without_netplan_is_skipped(host, operation):
    await host.remove("/usr/sbin/netplan")

    performed = await perform(host, operation)

    assert (performed.state, performed.code) == (State.SKIPPED, "unsupported")


async def test_a_dry_run_shows_the_file_and_the_command_and_does_neither(host):
    before = host.holds()

    performed = await perform(attrs.evolve(host, dry=True), UPDATE)

    assert (host.holds(), APPLY in host.ran) == (before, False)
    [file] = performed.plan.files
    assert "+        - 9.9.9.9\n" in file.diff
    assert performed.plan.commands == [[*APPLY]]
