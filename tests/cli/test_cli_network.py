"""What a person says of networks, and sees of them."""

import pytest
from answering import JOB, envelope, item

ROUTES = [
    {"to": "198.51.100.0/24", "via": "192.0.2.1"},
    {"to": "2001:db8::/32", "via": "fe80::1", "metric": 100},
]


def body(done):
    """The table, without the job and the count."""
    return done.out.splitlines()[3:-2]


@pytest.mark.parametrize(
    "words",
    [
        ("--route", "198.51.100.0/24:192.0.2.1", "--route", "[2001:db8::/32]:[fe80::1]:100"),
        ("--route", "198.51.100.0/24:192.0.2.1,[2001:db8::/32]:[fe80::1]:100"),
        (
            "--route",
            '{"to": "198.51.100.0/24", "via": "192.0.2.1"}',
            "--route",
            "[2001:db8::/32]:[fe80::1]:100",
        ),
    ],
)
def test_a_route_is_said_in_words_of_either_protocol(controller, osapi, words):
    controller.says(
        "POST", "/api/node/web/network/route/eth0", envelope(item("web", interface="eth0", changed=True))
    )

    done = osapi("client", "node", "-T", "web", "network", "route", "create", "--interface", "eth0", *words)

    assert controller.asked[0].body == {"routes": ROUTES}
    assert body(done) == ["  HOSTNAME  STATUS   INTERFACE", "  web       changed  eth0"]


@pytest.mark.parametrize(
    "words",
    [
        "2001:db8::/32:fe80::1",
        "198.51.100.0/33:192.0.2.1",
        "198.51.100.0/24:192.0.2.256",
        "[2001:db8::/32]:[fe80:1]",
    ],
)
def test_what_is_no_route_is_refused_before_it_is_sent(controller, osapi, words):
    done = osapi("client", "node", "network", "route", "create", "--interface", "eth0", "--route", words)

    assert (done.code, controller.asked) == (2, [])
    assert "--route" in done.err
    assert "TO:VIA or TO:VIA:METRIC" in done.err


def test_only_what_is_said_of_an_interface_is_sent(controller, osapi):
    controller.says(
        "PUT", "/api/node/_all/network/interface/eth0", envelope(item("web", name="eth0", changed=False))
    )

    done = osapi(
        "client", "node", "network", "interface", "update", "--name", "eth0", "--dhcp4", "--dhcp6=false",
        "--address", "192.0.2.10/24,2001:db8::5/64", "--gateway6", "2001:db8::1", "--mtu", "1400",
    )  # fmt: skip

    assert controller.asked[0].body == {
        "dhcp4": True,
        "dhcp6": False,
        "addresses": ["192.0.2.10/24", "2001:db8::5/64"],
        "gateway6": "2001:db8::1",
        "mtu": 1400,
    }
    assert body(done) == ["  HOSTNAME  STATUS  NAME", "  web       ok      eth0"]


def test_interfaces_routes_and_name_servers_are_tables(controller, osapi):
    eth0 = {"name": "eth0", "ipv4": "192.0.2.10", "dhcp4": True, "primary": True, "mtu": 1500}
    lan = {"name": "br-lan", "dhcp4": False, "primary": False}
    route = {"destination": "default", "gateway": "192.0.2.1", "interface": "eth0", "metric": 100}
    servers = {"servers": ["9.9.9.9", "2620:fe::fe"], "search_domains": ["lan"]}
    controller.says("GET", "/api/node/_all/network/interface", envelope(item("web", interfaces=[eth0, lan])))
    controller.says("GET", "/api/node/_all/network/route", envelope(item("web", routes=[route])))
    controller.says("GET", "/api/node/_all/network/dns/eth0", envelope(item("web", **servers)))

    interfaces = osapi("client", "node", "network", "interface", "list")
    routes = osapi("client", "node", "network", "route", "list")
    dns = osapi("client", "node", "network", "dns", "get", "--interface", "eth0")

    assert body(interfaces) == [
        "  HOSTNAME  STATUS  NAME    IPV4        DHCP  PRIMARY",
        "  web       ok      eth0    192.0.2.10  yes   yes",
        "  web       ok      br-lan              no    no",
    ]
    assert body(routes) == [
        "  HOSTNAME  STATUS  DESTINATION  GATEWAY    INTERFACE  METRIC",
        "  web       ok      default      192.0.2.1  eth0       100",
    ]
    assert body(dns) == [
        "  HOSTNAME  STATUS  SERVERS               SEARCH DOMAINS",
        "  web       ok      9.9.9.9, 2620:fe::fe  lan",
    ]


def test_a_ping_shows_times_and_what_was_lost(controller, osapi):
    found = {"packets_sent": 3, "packets_received": 2, "packet_loss": 33.33, "min_rtt": "0.05ms"}
    controller.says(
        "POST",
        "/api/node/_all/network/ping",
        envelope(item("web", **found, avg_rtt="0.06ms", max_rtt="0.07ms")),
    )

    done = osapi("client", "node", "network", "ping", "--address", "192.0.2.1")

    assert JOB in done.out
    assert body(done) == [
        "  HOSTNAME  STATUS  AVG     MIN     MAX     LOSS",
        "  web       ok      0.06ms  0.05ms  0.07ms  33.3%",
    ]
