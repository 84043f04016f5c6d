"""What a host is, and references to that in parameters."""

import sys
from ipaddress import IPv4Address

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.facts import (
    FIRST_NAMESPACE,
    gather,
    parse_routes,
    primary,
    primary_ipv6,
    resolve,
    resolve_parameters,
)
from agent.host import Host
from agent.machine import interface
from osapi.errors import BadInput, CommandFailed, NotFound
from osapi.facts import BUILTIN
from osapi.operations import file
from osapi.registry import Facts, Route

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
FACTS = Facts(
    architecture="x86_64",
    kernel_version="6.1.0",
    fqdn="web-01.example.org",
    primary_interface="eth0",
    facts={"rack": "b7", "slots": 4, "spare": False, "empty": "", "many": [1]},
)


@attrs.frozen(kw_only=True, eq=False)
class Named(Host):
    """A host whose resolver says one thing, or fails."""

    domain_name: str = ""

    async def run(self, *argv, privileged=False, input=None, timeout=60, check=True):
        assert argv == ("hostname", "--fqdn")
        if not self.domain_name:
            raise CommandFailed(argv, 1, "Name or service not known")
        return f"{self.domain_name}\n"


@pytest.fixture
def host(tmp_path):
    kernel = tmp_path / "proc/sys/kernel"
    kernel.mkdir(parents=True)
    (kernel / "hostname").write_text("web-01\n")
    (kernel / "osrelease").write_text("6.1.0-18-amd64\n")
    return Named(root=tmp_path, domain_name="web-01.example.org")


def hexadecimal(address: str) -> str:
    packed = IPv4Address(address).packed
    return (packed if sys.byteorder == "big" else packed[::-1]).hex().upper()


def row(interface: str, destination: str, mask: str, metric: int, *, gateway="0.0.0.0", flags="0003") -> str:
    fields = (
        interface,
        hexadecimal(destination),
        hexadecimal(gateway),
        flags,
        0,
        0,
        metric,
        hexadecimal(mask),
        0,
        0,
        0,
    )
    return "\t".join(map(str, fields)) + "\n"


async def test_gather_tells_what_the_host_is(host, tmp_path):
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/dnf").touch()
    (tmp_path / "proc/net").mkdir()
    table = HEAD + row("eth0", "0.0.0.0", "0.0.0.0", 100, gateway="192.0.2.1")
    (tmp_path / "proc/net/route").write_text(table)

    facts = await gather(host)

    assert (facts.kernel_version, facts.fqdn) == ("6.1.0-18-amd64", "web-01.example.org")
    assert (facts.service_mgr, facts.package_mgr, facts.primary_interface) == ("systemd", "dnf", "eth0")
    assert facts.architecture
    assert facts.cpu_count
    assert all(one.name != "lo" for one in facts.interfaces)


async def test_gather_leaves_out_what_is_not_there(host):
    facts = await gather(host)

    assert (facts.service_mgr, facts.package_mgr) == ("unknown", "unknown")
    assert (facts.primary_interface, facts.routes, facts.containerized) == (None, [], False)


@pytest.mark.parametrize("answer", ["", "web-01", "localhost.localdomain"])
async def test_without_a_domain_the_full_name_is_the_host_name(host, answer):
    facts = await gather(attrs.evolve(host, domain_name=answer))

    assert facts.fqdn == "web-01"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run/systemd/container", "systemd-nspawn"),
        (".dockerenv", ""),
        ("run/.containerenv", ""),
        ("proc/1/environ", "PATH=/bin\0container=lxc\0"),
        ("proc/1/environ", "KUBERNETES_SERVICE_HOST=10.0.0.1\0"),
        ("proc/1/cgroup", "12:pids:/docker/0123456789ab\n"),
        ("proc/1/cgroup", "0::/kubepods/besteffort/pod1\n"),
    ],
)
async def test_a_container_of_any_kind_is_known_by_its_marks(host, tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

    assert (await gather(host)).containerized


@pytest.mark.parametrize(("namespace", "expected"), [(FIRST_NAMESPACE, False), ("pid:[4026532281]", True)])
async def test_a_container_without_marks_is_known_by_its_process_ids(host, tmp_path, namespace, expected):
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/pid").symlink_to(namespace)
    (tmp_path / "proc/1").mkdir()
    (tmp_path / "proc/1/environ").write_text("HOME=/\0")
    (tmp_path / "proc/1/cgroup").write_text("0::/init.scope\n")

    assert (await gather(host)).containerized is expected


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,8}[0-9]", fullmatch=True),
            st.ip_addresses(v=4).map(str),
            st.ip_addresses(v=4).map(str),
            st.integers(0, 32),
            st.integers(0, 2**31),
        )
    )
)
def test_the_route_table_of_the_kernel_is_read_back(routes):
    masks = [str(IPv4Address((0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF)) for *_, bits, _ in routes]
    table = HEAD + "".join(
        row(name, destination, mask, metric, gateway=gateway)
        for (name, destination, gateway, _, metric), mask in zip(routes, masks, strict=True)
    )

    assert parse_routes(table) == [
        Route(
            interface=name,
            destination=destination,
            gateway=gateway,
            mask=f"/{bits}",
            metric=metric,
            flags="0003",
        )
        for name, destination, gateway, bits, metric in routes
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("eth1", "0.0.0.0", "0.0.0.0", 200), ("eth0", "0.0.0.0", "0.0.0.0", 100)], "eth0"),
        ([("eth1", "10.0.0.0", "255.0.0.0", 0)], None),
        ([("tun0", "0.0.0.0", "128.0.0.0", 0), ("eth0", "0.0.0.0", "0.0.0.0", 50)], "eth0"),
        ([], None),
    ],
)
def test_the_primary_interface_is_where_the_preferred_default_route_goes(rows, expected):
    assert primary(parse_routes(HEAD + "".join(row(*one) for one in rows))) == expected


def test_a_default_route_that_rejects_is_not_the_primary_one():
    assert primary(parse_routes(HEAD + row("*", "0.0.0.0", "0.0.0.0", 0, flags="0201"))) is None


def test_a_host_without_ipv4_has_a_primary_interface_too():
    zero, gateway = "0" * 32, "fe80" + "0" * 27 + "1"
    table = (
        f"{zero} 00 {zero} 00 {gateway} 00000400 00000001 00000000 00000003     eth0\n"
        f"{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
    )

    assert primary_ipv6(table) == "eth0"
    assert primary_ipv6("") is None


@pytest.mark.parametrize(
    ("addresses", "ipv4", "ipv6", "family"),
    [
        ([(2, "192.0.2.7"), (2, "192.0.2.8")], "192.0.2.7", None, "inet"),
        ([(2, "169.254.1.1"), (10, "fe80::1%eth0")], None, None, None),
        ([(10, "fe80::1%eth0"), (10, "2001:db8::1")], None, "2001:db8::1", "inet6"),
        ([(2, "192.0.2.7"), (10, "2001:db8::1")], "192.0.2.7", "2001:db8::1", "dual"),
    ],
)
def test_an_interface_is_told_with_the_addresses_that_others_reach(addresses, ipv4, ipv6, family):
    found = interface("eth0", [*addresses, (17, "02:00:00:00:00:01")])

    assert (found.ipv4, found.ipv6, found.family, found.mac) == (ipv4, ipv6, family, "02:00:00:00:00:01")


def test_references_are_replaced_in_every_string_however_deep():
    given = {"name": "@fact.hostname", "list": [{"deep": "a @fact.arch, b"}, 7, None, True]}

    found = resolve(given, FACTS, "web-01")

    assert found == {"name": "web-01", "list": [{"deep": "a x86_64, b"}, 7, None, True]}


def test_references_stand_for_themselves_in_parameters_that_are_literal():
    given = {"path": "/srv/@fact.hostname", "line": "owner = me@fact.hostname", "regexp": "@fact.arch"}

    found = resolve_parameters(file.EditLine, given, FACTS, "web-01")

    assert found == {**given, "path": "/srv/web-01"}


def test_references_are_replaced_in_the_variables_of_a_template():
    given = {"object_name": "app", "path": "/a", "vars": {"listen": ["@fact.interface.primary"], "n": 1}}

    found = resolve_parameters(file.Deploy, given, FACTS, "web-01")

    assert found["vars"] == {"listen": ["eth0"], "n": 1}


@pytest.mark.parametrize("key", [key for key, _ in BUILTIN])
def test_every_fact_that_is_listed_can_be_referred_to(key):
    assert "@" not in resolve(f"@fact.{key}", FACTS, "web-01")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@fact.containerized", "false"),
        ("@fact.custom.rack/@fact.x", None),
        ("@fact.custom.rack;@fact.custom.slots", "b7;4"),
        ("'@fact.custom.spare'", "'false'"),
        ("@fact.interface.primary\n@fact.kernel", "eth0\n6.1.0"),
        ("me@fact.ory", None),
        ("@facts are fine", "@facts are fine"),
    ],
)
def test_a_reference_ends_at_a_blank_a_quote_a_comma_or_a_semicolon(text, expected):
    if expected is None:
        with pytest.raises(BadInput):
            resolve(text, FACTS, "web-01")
    else:
        assert resolve(text, FACTS, "web-01") == expected


@pytest.mark.parametrize("key", ["os", "", "custom.color", "hostname.", "__class__"])
def test_a_fact_that_is_not_known_is_named_with_those_that_are(key):
    with pytest.raises(BadInput, match=f"no fact `{key}`; known: interface.primary, hostname, .*custom.rack"):
        resolve(f"@fact.{key}", FACTS, "web-01")


@pytest.mark.parametrize("key", ["fqdn", "custom.empty", "custom.many"])
def test_a_fact_that_the_host_has_nothing_for_fails(key):
    with pytest.raises(NotFound, match=f"web-01 has nothing for the fact `{key}`"):
        resolve(f"@fact.{key}", Facts(facts=FACTS.facts), "web-01")


@given(st.text())
def test_what_is_put_in_is_not_looked_at_again(name):
    host = f"@fact.arch{name}"

    assert resolve("@fact.hostname", FACTS, host) == host


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_refers_to_nothing_stays_as_it_is(value):
    if "@fact." not in repr(value):
        assert resolve(value, FACTS, "web-01") == value
