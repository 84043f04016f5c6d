"""Networks of real hosts: changed through netplan, seen by ip and resolvectl; and what cuts a host off comes back."""

import json
from urllib.parse import quote

import pytest
from booted import HERE, UNIT, lab
from processes import eventually

OURS = "/etc/netplan/osapi-eth0"
BASE = "/etc/netplan/01-base.yaml"
PENDING = "/var/lib/osapi-agent/agent/versions/netplan.json"
ADDRESSES = ["192.0.2.10/24", "2001:db8::5/64"]
WRONG = {"addresses": ["10.99.0.2/24"], "gateway4": "10.99.0.1"}
"""A network that is not there."""
MINUTE = 75
"""Seconds: half a minute of waiting for the broker, changes there and back, and a beat."""


@pytest.fixture
def network(http, t2):
    """What t2 answers to an operation on its network; nothing of ours is left there."""

    def ask(method, path, *, dry=False, refused=None, fails=None, **body):
        query = {"dry_run": "true"} if dry else {}
        answer = http.request(method, f"/api/node/t2/network{path}", params=query, json=body or None)
        assert answer.status_code == (refused or (202 if (method, path) == ("PUT", "/dns") else 200)), (
            answer.text
        )
        if refused:
            return answer.json()["detail"]
        [item] = answer.json()["results"]
        assert (item["status"], item.get("code")) == ("failed" if fails else "ok", fails), item
        return item

    yield ask
    t2.sh(f"rm -f {OURS}*; test -e {BASE} || mv /root/base.yaml {BASE}; netplan apply 2>/dev/null")
    eventually(lambda: addresses(t2)[:1] == [f"{t2.address}/16"])
    assert t2.read(PENDING) == ""


def addresses(host):
    """The addresses of eth0 that reach beyond the link, as ip has them."""
    [link] = json.loads(host.run("ip", "-json", "address", "show", "dev", "eth0"))
    found = [
        f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"] if each["scope"] == "global"
    ]
    return sorted(found, key=lambda each: each != f"{host.address}/16")


def routes(host):
    shown = host.sh("ip -json -4 route show proto static; ip -json -6 route show proto static")
    return {each["dst"]: each.get("gateway") for line in shown.splitlines() for each in json.loads(line)}


def resolved(host, what):
    return host.run("resolvectl", what, "eth0").partition(":")[2].split()


def test_addresses_are_there_once_they_are_configured_and_gone_when_that_is_taken_back(network, t2):
    before = addresses(t2)
    planned = network("POST", "/interface/eth0", dry=True, addresses=ADDRESSES, mtu=1400)
    assert (addresses(t2), t2.sh(f"ls {OURS}* || true")) == (before, "")

    first = network("POST", "/interface/eth0", addresses=ADDRESSES, mtu=1400)
    again = network("POST", "/interface/eth0", addresses=ADDRESSES, mtu=1400)
    network("POST", "/interface/eth0", refused=409, addresses=ADDRESSES)

    assert (first["changed"], again["changed"], planned["plan"]["commands"]) == (
        True,
        False,
        [["netplan", "apply"]],
    )
    assert addresses(t2) == [*before, *ADDRESSES]
    assert t2.read("/sys/class/net/eth0/mtu") == "1400"
    assert t2.sh(f"stat -c '%a %U' {OURS}.yaml") == "600 root"
    assert planned["plan"]["files"][0]["diff"].endswith(
        "".join(f"+{line}\n" for line in t2.read(f"{OURS}.yaml").splitlines())
    )

    shown = network("GET", "/interface/eth0")["interface"]
    assert (shown["ipv4"], shown["gateway4"], shown["mtu"], shown["state"]) == (t2.address, HERE, 1400, "up")
    assert (shown["primary"], shown["managed"], shown["dhcp4"]) == (True, True, False)
    assert {*ADDRESSES, f"{t2.address}/16"} < set(shown["addresses"])
    assert [each["name"] for each in network("GET", "/interface")["interfaces"]] == ["eth0"]

    updated = network("PUT", "/interface/eth0", addresses=ADDRESSES[:1], mtu=1500)
    assert (updated["changed"], addresses(t2)) == (True, [*before, *ADDRESSES[:1]])
    deleted, none = network("DELETE", "/interface/eth0"), network("DELETE", "/interface/eth0")
    assert (deleted["changed"], none["changed"], addresses(t2)) == (True, False, before)


def test_routes_are_those_of_the_kernel_and_go_again(network, t2):
    network("POST", "/interface/eth0", addresses=ADDRESSES)
    before = routes(t2)
    wanted = [
        {"to": "198.51.100.7/24", "via": "192.0.2.1", "metric": 77},
        {"to": "2001:db8:1::/48", "via": "2001:db8::1"},
    ]

    first = network("POST", "/route/eth0", routes=wanted)
    again = network("POST", "/route/eth0", routes=wanted)
    network("POST", "/route/eth0", refused=409, routes=wanted[:1])

    assert (first["changed"], again["changed"]) == (True, False)
    assert routes(t2) == before | {"198.51.100.0/24": "192.0.2.1", "2001:db8:1::/48": "2001:db8::1"}
    managed = [(each["destination"], each.get("metric")) for each in network("GET", "/route/eth0")["routes"]]
    assert managed == [("198.51.100.0/24", 77), ("2001:db8:1::/48", None)]
    listed = {each["destination"]: each.get("gateway") for each in network("GET", "/route")["routes"]}
    assert listed["default"] == HERE
    assert listed.items() > routes(t2).items()

    network("PUT", "/route/eth0", routes=wanted[1:])
    assert routes(t2) == before | {"2001:db8:1::/48": "2001:db8::1"}
    deleted, none = network("DELETE", "/route/eth0"), network("DELETE", "/route/eth0")
    assert (deleted["changed"], none["changed"], routes(t2)) == (True, False, before)
    network("GET", "/route/eth0", refused=404)
    network("PUT", "/route/eth0", refused=404, routes=wanted)


def test_name_servers_are_those_that_systemd_resolved_asks_and_go_again(network, t2):
    assert (resolved(t2, "dns"), resolved(t2, "domain")) == ([], [])

    first = network(
        "PUT",
        "/dns",
        interface_name="eth0",
        servers=["9.9.9.9", "2620:fe::fe"],
        search_domains=["lab.example"],
    )
    again = network(
        "PUT", "/dns", interface_name="@fact.interface.primary", servers=["9.9.9.9", "2620:fe::fe"]
    )
    shown = network("GET", "/dns/eth0")
    kept = network("PUT", "/dns", interface_name="eth0", search_domains=["other.example"])

    assert (first["changed"], again["changed"], kept["changed"]) == (True, False, True)
    assert (shown["servers"], shown["search_domains"]) == (["9.9.9.9", "2620:fe::fe"], ["lab.example"])
    assert (resolved(t2, "dns"), resolved(t2, "domain")) == (["9.9.9.9", "2620:fe::fe"], ["other.example"])
    deleted = network("DELETE", "/dns", interface_name="eth0")
    none = network("DELETE", "/dns", interface_name="eth0")
    assert (deleted["changed"], none["changed"], resolved(t2, "dns")) == (True, False, [])


def test_without_systemd_resolved_the_name_servers_are_those_of_the_host_and_it_is_not_started(network, t2):
    t2.run("systemctl", "stop", "systemd-resolved")
    t2.sh("rm /etc/resolv.conf; printf 'nameserver 192.0.2.53\\nsearch lan\\n' > /etc/resolv.conf")
    try:
        shown = network("GET", "/dns/eth0")

        assert (shown["servers"], shown["search_domains"]) == (["192.0.2.53"], ["lan"])
        assert t2.unit("ActiveState", "systemd-resolved") == "inactive"
    finally:
        t2.sh(
            "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf; systemctl start systemd-resolved"
        )


def test_pings_are_answered_lost_or_cannot_be_sent(network):
    answered = network("POST", "/ping", address=HERE)
    lost = network("POST", "/ping", address="10.77.99.99")
    local = network("POST", "/ping", address="::1")
    network("POST", "/ping", refused=404, address="nosuch.invalid")

    assert (answered["packets_sent"], answered["packets_received"], answered["packet_loss"]) == (3, 3, 0)
    assert answered["avg_rtt"].endswith("ms")
    assert (lost["packets_sent"], lost["packets_received"], lost["packet_loss"]) == (3, 0, 100)
    assert local["packets_received"] == 3


@pytest.fixture
def ours(network, t2):
    """OSAPI's is all the configuration that t2 has."""
    t2.sh(f"mv {BASE} /root/base.yaml")
    network("POST", "/interface/eth0", dhcp4=False, addresses=[f"{t2.address}/16"], gateway4=HERE)
    return network


def cut_off(http):
    """Begin what cuts t2 off; the id of the job."""
    answer = http.put(
        "/api/node/t2/network/interface/eth0",
        json=WRONG,
        params={"expires": "10m"},
        headers={"Prefer": "respond-async"},
    )
    assert answer.status_code == 202, answer.text
    return answer.json()["job_id"]


def test_the_last_default_route_stays(ours, t2):
    before = routes(t2)

    ours("DELETE", "/interface/eth0", fails="refused")
    ours("PUT", "/interface/eth0", fails="refused", addresses=[f"{t2.address}/16"])
    ours("POST", "/route/eth0", fails="refused", routes=[{"to": "0.0.0.0/0", "via": HERE}])

    assert (routes(t2), before["default"]) == (before, HERE)


def test_what_cuts_the_host_off_comes_back_by_itself(site, http, ours, t2):
    good, process = t2.read(f"{OURS}.yaml"), t2.unit("ExecMainPID")

    job_id = cut_off(http)
    eventually(lambda: addresses(t2) == ["10.99.0.2/24"])
    on_trial = t2.read(PENDING)
    job = site.ended(job_id, within=MINUTE)

    [answer] = job["responses"].values()
    assert (job["status"], answer["status"]) == ("failed", "failed")
    assert "taken back: the broker could not be reached within 30 s" in answer["error"]
    assert "osapi-eth0.yaml" in on_trial
    assert (addresses(t2), routes(t2)["default"], t2.read(f"{OURS}.yaml")) == (
        [f"{t2.address}/16"],
        HERE,
        good,
    )
    assert (t2.read(PENDING), t2.unit("ExecMainPID")) == ("", process)
    assert site.ask("uptime", "get", on="t2")[0]["status"] == "ok"


def test_so_it_does_where_the_host_takes_the_address_of_its_broker(site, http, network, t2):
    answer = http.post(
        "/api/node/t2/network/interface/eth0",
        json={"addresses": [f"{HERE}/16"]},
        headers={"Prefer": "respond-async"},
    )
    eventually(lambda: f"{HERE}/16" in addresses(t2))

    eventually(lambda: addresses(t2) == [f"{t2.address}/16"], within=MINUTE)
    eventually(lambda: "taken back" in json.dumps(site.job(answer.json()["job_id"])), within=MINUTE)
    assert t2.sh(f"ls {OURS}* || true") == ""


def test_an_agent_that_is_killed_meanwhile_or_a_host_that_is_reset_takes_it_back_when_it_starts(
    site, http, ours, t2
):
    good, boots, told = t2.read(f"{OURS}.yaml"), t2.boot_id, told_of(t2)
    job_id = cut_off(http)
    eventually(lambda: addresses(t2) == ["10.99.0.2/24"])

    t2.run("systemctl", "kill", "--signal=KILL", UNIT)
    eventually(lambda: told_of(t2) == told + 1)
    eventually(lambda: addresses(t2) == ["10.99.0.2/24"])  # the job is done once more
    t2.reset()
    lab("wait", t2.name)
    eventually(lambda: t2.boot_id != boots and told_of(t2) == told + 2, within=MINUTE)

    assert site.ended(job_id, within=MINUTE)["status"] == "failed"
    site.ready(t2)
    assert (addresses(t2), t2.read(f"{OURS}.yaml"), t2.read(PENDING)) == ([f"{t2.address}/16"], good, "")


def told_of(host):
    """How often an agent has told that it took back what one before had left."""
    return host.log().count("a change of the network was on trial when the agent ended; taken back")


HOSTILE = [
    "-h", "--help", "eth0; touch /canary", "$(touch /canary)", "`touch /canary`", "eth0\n", "eth0\nmtu: 1", "a b",
    "a: b", "../../canary", "..", "eth0{}", "[eth0]", "*", "&a", "!!python/object/apply:os.system [touch /canary]", "'",
    '"', "#", "é",
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/dns", {"interface_name": "eth0", "servers": ["{}"]}),
        ("PUT", "/dns", {"interface_name": "eth0", "search_domains": ["{}"]}),
        ("PUT", "/dns", {"interface_name": "{}", "servers": ["9.9.9.9"]}),
        ("DELETE", "/dns", {"interface_name": "{}"}),
        ("POST", "/interface/eth0", {"addresses": ["{}"]}),
        ("POST", "/interface/eth0", {"addresses": ["192.0.2.1/24{}"]}),
        ("POST", "/interface/eth0", {"gateway4": "{}"}),
        ("POST", "/interface/eth0", {"gateway6": "{}"}),
        ("POST", "/interface/eth0", {"mac_address": "{}"}),
        ("POST", "/interface/eth0", {"mac_address": "52:54:00:12:34:56{}"}),
        ("POST", "/route/eth0", {"routes": [{"to": "{}", "via": "192.0.2.1"}]}),
        ("POST", "/route/eth0", {"routes": [{"to": "198.51.100.0/24", "via": "{}"}]}),
        ("POST", "/ping", {"address": "{}"}),
    ],
)
def test_hostile_values_are_refused_and_change_nothing(http, t2, method, path, body):
    def changed():
        return t2.sh("ls -l --time-style=full-iso /etc/netplan / | grep -e osapi -e canary -e yaml || true")

    before = changed()

    for text in HOSTILE:
        filled = json.loads(json.dumps(body).replace("{}", json.dumps(text)[1:-1]))
        answer = http.request(method, f"/api/node/t2/network{path}", json=filled)
        assert answer.status_code == 400, (text, answer.text)

    assert changed() == before


def test_hostile_names_in_a_path_are_refused(http, t2):
    for text in HOSTILE:
        for path in ("interface", "route", "dns"):
            answer = http.get(f"/api/node/t2/network/{path}/{quote(text, safe='')}")
            assert answer.status_code in {400, 404}, (text, answer.text)
    assert t2.sh("ls / | grep canary || true") == ""
